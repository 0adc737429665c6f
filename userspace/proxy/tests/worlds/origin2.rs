//! The same origin in HTTP/2.
use crate::tally::{How, Tally, Wish, pattern};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use std::future::poll_fn;
use std::rc::Rc;
use weir_reactor::{Duplex, Stream, spawn};

/// One connection.
pub async fn serve(stream: Stream, tally: Rc<Tally>) {
    let Ok(mut connection) = h2::server::handshake(Duplex::new(stream, None)).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let tally = Rc::clone(&tally);
        spawn(async move {
            let _ = one(request, respond, &tally).await;
        });
    }
}

async fn one(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    tally: &Tally,
) -> Option<()> {
    let Some((how, id, size)) = Wish::parse(request.uri().path()) else {
        tally.wrong(format!("an origin was sent {}", request.uri()));
        return None;
    };
    tally.arrived(request.method().as_str(), id);
    let mut body = request.into_body();
    if how != How::Early {
        let body = read(&mut body).await?;
        if body != pattern(id, body.len()) {
            tally.wrong(format!("{id} arrived with another body"));
        }
    }
    let bytes = Bytes::from(pattern(id, size));
    let mut answer = http::Response::new(());
    match how {
        How::Silent => return poll_fn(|cx| respond.poll_reset(cx)).await.ok().map(drop),
        How::Nonsense => respond.send_reset(Reason::INTERNAL_ERROR),
        How::Cut => {
            answer.headers_mut().insert("content-length", size.into());
            let mut out = respond.send_response(answer, false).ok()?;
            send(&mut out, bytes.slice(..size / 2), false).await?;
            out.send_reset(Reason::INTERNAL_ERROR);
        }
        _ => {
            if how == How::Hints {
                let mut hints = http::Response::new(());
                *hints.status_mut() = http::StatusCode::EARLY_HINTS;
                respond.send_informational(hints).ok()?;
            }
            if how == How::Whole {
                answer.headers_mut().insert("content-length", size.into());
            }
            let mut out = respond.send_response(answer, false).ok()?;
            send(&mut out, bytes, true).await?;
        }
    }
    Some(())
}

/// Everything that comes; nothing if it stops in the middle.
pub async fn read(body: &mut RecvStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        all.extend_from_slice(&data);
    }
    Some(all)
}

/// Sends all of it as the window allows.
pub async fn send(out: &mut h2::SendStream<Bytes>, mut bytes: Bytes, end: bool) -> Option<()> {
    while !bytes.is_empty() {
        out.reserve_capacity(bytes.len());
        let room = poll_fn(|cx| out.poll_capacity(cx)).await?.ok()?;
        out.send_data(bytes.split_to(room.min(bytes.len())), false).ok()?;
    }
    if end {
        out.send_data(Bytes::new(), true).ok()?;
    }
    Some(())
}
