//! A client of HTTP/1: one request after the other, or several at once, on as few connections as it can.
use crate::dice::Dice;
use crate::tally::{Tally, Wish, pattern};
use crate::wire::{Wire, chunked, field};
use crate::world::connect;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use weir_reactor::{Stream, sleep};

/// Sends its requests, and writes down what becomes of them.
pub async fn run(to: SocketAddr, wishes: Vec<Wish>, mut dice: Dice, tally: Rc<Tally>) {
    let (mut wire, mut served) = (None, 0_u64);
    for wish in wishes {
        let ready = match wire.take() {
            Some(wire) => Some(wire),
            None => {
                served = 0;
                connect(to).await.map(Wire::new)
            }
        };
        let Some(mut ready) = ready else { return };
        if dice.one_in(12) {
            return malformed(ready, &mut dice, &tally).await;
        }
        if ask(&mut ready, &wish, &mut dice, &tally).await == Some(true) {
            served += 1;
            tally.ended.borrow_mut().resumed += u64::from(served == 2);
            wire = Some(ready);
        }
    }
}

/// One exchange; whether the connection can be used again.
async fn ask(wire: &mut Wire, wish: &Wish, dice: &mut Dice, tally: &Tally) -> Option<bool> {
    let bytes = request(wish, dice);
    tally.begun.set(tally.begun.get() + 1);
    let sent = match wish.leaves {
        Some(8) | None => bytes.len(),
        Some(part) => bytes.len() * part / 8,
    };
    let (reader, pieces) = (&mut *wire, pieces(&bytes[..sent], dice));
    for piece in pieces {
        if !reader.send(piece).await {
            break;
        }
        if dice.one_in(4) {
            sleep(Duration::from_millis(dice.below(50) as u64)).await;
        }
    }
    if wish.leaves.is_some_and(|part| part < 8) {
        return leave(&wire.stream, dice, wish, tally);
    }
    if wish.leaves.is_none() {
        tally.sure.set(tally.sure.get() + 1);
    }
    let head = loop {
        match wire.head().await {
            Some(head) if head.starts_with("HTTP/1.1 1") => {}
            Some(head) => break head,
            None => {
                tally.ended(wish, None, None);
                return None;
            }
        }
    };
    if wish.leaves.is_some() {
        return leave(&wire.stream, dice, wish, tally);
    }
    let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let body = wire.body(&head).await;
    tally.ended(wish, Some(status), body.as_deref());
    Some(body.is_some() && field(&head, "connection") != Some("close"))
}

/// Goes away, by a reset or in good order.
fn leave(stream: &Stream, dice: &mut Dice, wish: &Wish, tally: &Tally) -> Option<bool> {
    if dice.one_in(2) {
        stream.reset_on_close().unwrap();
    }
    tally.ended(wish, None, None);
    None
}

fn request(wish: &Wish, dice: &mut Dice) -> Vec<u8> {
    let line = format!("{} {} HTTP/1.1\r\nHost: a\r\n", wish.method(), wish.path());
    let body = pattern(wish.id, wish.upload);
    if wish.upload == 0 {
        return format!("{line}\r\n").into_bytes();
    }
    if dice.one_in(2) {
        let head = format!("{line}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        return [head, chunked(&body, 1 + wish.upload / 4)].concat();
    }
    [format!("{line}Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
}

fn pieces(bytes: &[u8], dice: &mut Dice) -> Vec<Vec<u8>> {
    let parts = if dice.one_in(2) { 1 } else { 1 + dice.below(4) };
    bytes.chunks(bytes.len().div_ceil(parts).max(1)).map(<[u8]>::to_vec).collect()
}

/// What must be refused.
async fn malformed(mut wire: Wire, dice: &mut Dice, tally: &Tally) {
    let wish = Wish::new(0, dice, false);
    let text = dice.pick(&[
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /nowhere/at/all/..%2f HTTP/1.1\r\nHost: a\r\n\r\n",
    ]);
    tally.begun.set(tally.begun.get() + 1);
    if wire.send(text.as_bytes().to_vec()).await {
        tally.sure.set(tally.sure.get() + 1);
    }
    let Some(head) = wire.head().await else { return tally.ended(&wish, None, None) };
    if !head.starts_with("HTTP/1.1 400 ") {
        tally.wrong(format!("{text:?} was answered with {head:?}"));
    }
    let body = wire.body(&head).await;
    tally.ended(&wish, Some(400), body.as_deref());
}
