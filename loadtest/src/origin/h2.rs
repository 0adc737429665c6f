//! The origin over HTTP/2, with prior knowledge.

use super::h1::{Bodies, count};
use crate::client::duplex::Duplex;
use bytes::Bytes;
use http::{Response, StatusCode};
use std::rc::Rc;
use tokio_uring::net::TcpStream;

/// Windows so large that flow control does not show.
const WINDOW: u32 = 8 << 20;

pub(super) async fn serve(stream: TcpStream, first: Vec<u8>, bodies: &Bodies) {
    let io = Duplex::new(Rc::new(stream), first);
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).max_concurrent_streams(10_000);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        let Some(count) = count(head.uri.path()) else {
            let not_found = Response::builder().status(StatusCode::NOT_FOUND).body(());
            if let Ok(answer) = not_found {
                respond.send_response(answer, true).ok();
            }
            continue;
        };
        let bytes = bodies.body(count);
        let is_empty = body.is_end_stream();
        if is_empty {
            send(&mut respond, bytes);
        } else {
            tokio_uring::spawn(async move {
                if drain(body).await {
                    send(&mut respond, bytes);
                }
            });
        }
    }
}

fn send(respond: &mut h2::server::SendResponse<Bytes>, bytes: Bytes) {
    let Ok(answer) = Response::builder().header("content-length", bytes.len()).body(()) else { return };
    // A stream that its client gave up is nobody's loss.
    if let Ok(mut stream) = respond.send_response(answer, bytes.is_empty())
        && !bytes.is_empty()
    {
        stream.send_data(bytes, true).ok();
    }
}

async fn drain(mut body: h2::RecvStream) -> bool {
    while let Some(part) = body.data().await {
        let Ok(part) = part else { return false };
        body.flow_control().release_capacity(part.len()).ok();
    }
    true
}
