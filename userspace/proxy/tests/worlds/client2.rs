//! A client of HTTP/2: all its requests at once on one connection.
use crate::dice::Dice;
use crate::origin2::{read, send};
use crate::tally::{How, Tally, Wish, pattern};
use crate::world::connect;
use bytes::Bytes;
use h2::Reason;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use weir_reactor::{Duplex, sleep, spawn};

/// Sends its requests, and writes down what becomes of them.
pub async fn run(to: SocketAddr, wishes: Vec<Wish>, mut dice: Dice, tally: Rc<Tally>) {
    let Some(stream) = connect(to).await else { return };
    let Ok((requests, connection)) = h2::client::handshake(Duplex::new(stream, None)).await else { return };
    let ended = Rc::new(Cell::new(false));
    let over = Rc::clone(&ended);
    spawn(async move {
        let _ = connection.await;
        over.set(true);
    });
    let left = Rc::new(Cell::new(wishes.len()));
    for wish in wishes {
        let (requests, tally, left, dice) =
            (requests.clone(), Rc::clone(&tally), Rc::clone(&left), dice.branch());
        spawn(async move {
            let answered = ask(requests, &wish, dice, &tally).await;
            if answered.is_none() {
                tally.ended(&wish, None, None);
            }
            left.set(left.get() - 1);
        });
    }
    drop(requests);
    while left.get() > 0 || !ended.get() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// One exchange; nothing if it has no answer.
async fn ask(
    requests: h2::client::SendRequest<Bytes>,
    wish: &Wish,
    mut dice: Dice,
    tally: &Tally,
) -> Option<()> {
    sleep(Duration::from_millis(dice.below(40) as u64)).await;
    let mut requests = requests.ready().await.ok()?;
    let request = http::Request::builder().method(wish.method());
    let request = request.uri(format!("http://a{}", wish.path())).body(()).unwrap();
    let (answer, mut upload) = requests.send_request(request, wish.upload == 0).ok()?;
    drop(requests);
    tally.begun.set(tally.begun.get() + 1);
    let body = Bytes::from(pattern(wish.id, wish.upload));
    if let Some(part @ 0..8) = wish.leaves {
        if wish.upload > 0 {
            let _ = send(&mut upload, body.slice(..wish.upload * part / 8), false).await;
        }
        upload.send_reset(Reason::CANCEL);
        return None;
    }
    if wish.leaves.is_none() {
        tally.sure.set(tally.sure.get() + 1);
    }
    if wish.upload > 0 {
        // Who answers early may not take all of it.
        let _ = send(&mut upload, body, true).await;
    }
    let answer = match answer.await {
        // A reset overtakes the head that was sent before it (RFC 9113, section 5.4.2).
        Err(error) if wish.how == How::Cut && error.reason() == Some(Reason::INTERNAL_ERROR) => {
            tally.ended(wish, Some(200), None);
            return Some(());
        }
        answer => answer.ok()?,
    };
    if wish.leaves.is_some() {
        upload.send_reset(Reason::CANCEL);
        return None;
    }
    let status = answer.status().as_u16();
    let body = read(&mut answer.into_body()).await;
    tally.ended(wish, Some(status), body.as_deref());
    Some(())
}
