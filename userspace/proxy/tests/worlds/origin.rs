//! An origin of HTTP/1 that does what the path of a request says.
use crate::tally::{How, Tally, Wish, pattern};
use crate::wire::{Wire, chunked};
use std::net::SocketAddr;
use std::rc::Rc;
use weir_reactor::{Listen, Listener, Stream, spawn};

/// Serves at this address for as long as the world lasts.
pub fn begin<F: Future<Output = ()> + 'static>(
    address: SocketAddr,
    tally: &Rc<Tally>,
    serve: fn(Stream, Rc<Tally>) -> F,
) {
    let (listener, tally) = (Listener::bind(address, Listen::default()).unwrap(), Rc::clone(tally));
    spawn(async move {
        loop {
            // The weather may have no descriptor for it; the next one is accepted.
            if let Ok(stream) = listener.accept().await {
                spawn(serve(stream, Rc::clone(&tally)));
            }
        }
    });
}

/// One connection.
pub async fn serve(stream: Stream, tally: Rc<Tally>) {
    let mut wire = Wire::new(stream);
    while one(&mut wire, &tally).await == Some(true) {}
}

/// One exchange; whether the connection goes on.
async fn one(wire: &mut Wire, tally: &Tally) -> Option<bool> {
    let head = wire.head().await?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let Some((how, id, size)) = Wish::parse(path) else {
        tally.wrong(format!("an origin was sent {head:?}"));
        return None;
    };
    tally.arrived(method, id);
    if how != How::Early {
        let body = wire.body(&head).await?;
        if body != pattern(id, body.len()) {
            tally.wrong(format!("{id} arrived with another body"));
        }
    }
    Some(wire.send(answer(how, id, size)).await && goes_on(wire, how).await)
}

/// What is sent as the answer.
fn answer(how: How, id: u64, size: usize) -> Vec<u8> {
    let body = pattern(id, size);
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    match how {
        How::Whole | How::Early => [length, body].concat(),
        How::Hints => [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(3), length, body].concat(),
        How::Chunked => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            [&head[..], &chunked(&body, 1 + size / 3)].concat()
        }
        How::Close => [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &body].concat(),
        How::Cut => [&length, &body[..size / 2]].concat(),
        How::Nonsense => b"220 mail.example ESMTP\r\n".to_vec(),
        How::Silent => Vec::new(),
    }
}

async fn goes_on(wire: &mut Wire, how: How) -> bool {
    match how {
        How::Early | How::Cut | How::Nonsense => false,
        How::Close => {
            let _ = wire.stream.shutdown().await;
            false
        }
        How::Silent => {
            while let Ok(Some(_)) = wire.stream.recv().await {}
            false
        }
        _ => true,
    }
}
