//! Accepts connections, and finds out which HTTP they speak.

use super::{h1, h2};
use crate::engine::Engine;
use anyhow::{Context, Result, anyhow};
use crossbeam::channel;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio_uring::net::{TcpListener, TcpStream};

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A running origin; it ends with its engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
}

impl Origin {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start(engine: &Engine) -> Result<Self> {
        let (tell, told) = channel::bounded(1);
        engine.spawn(move || async move {
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
            let address = listener.as_ref().map_err(|error| anyhow!("no port for the origin: {error}"));
            tell.send(address.and_then(|listener| Ok(listener.local_addr()?))).ok();
            if let Ok(listener) = listener {
                accept(&listener).await;
            }
        });
        let address = told.recv().context("the origin did not start")??;
        Ok(Self { address })
    }
}

async fn accept(listener: &TcpListener) {
    let bodies = Rc::new(h1::Bodies::default());
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).ok();
        let bodies = Rc::clone(&bodies);
        tokio_uring::spawn(async move {
            // How a connection ends is its client's affair, and that is what counts the answers.
            serve(stream, &bodies).await;
        });
    }
}

async fn serve(stream: TcpStream, bodies: &h1::Bodies) {
    let (read, first) = stream.read(Vec::with_capacity(64 << 10)).await;
    let Ok(read) = read else { return };
    if first.get(..read).is_some_and(|bytes| bytes.starts_with(PREFACE)) {
        h2::serve(stream, first, bodies).await;
    } else {
        h1::serve(stream, (first, read), bodies).await;
    }
}
