//! Accepts connections on a thread of its own, and finds out which HTTP they speak.

use super::{h1, h2};
use anyhow::{Context, Result};
use crossbeam::channel;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio_uring::net::{TcpListener, TcpStream};

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A running origin; it ends with the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
}

impl Origin {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start() -> Result<Self> {
        let (tell, told) = channel::bounded(1);
        std::thread::Builder::new()
            .name("origin".into())
            .spawn(move || {
                let listener = crate::ring::run(async move {
                    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
                    tell.send(listener.local_addr()?).ok();
                    accept(&listener).await
                });
                if let Err(error) = listener {
                    eprintln!("weir-loadtest: the origin ended: {error:#}");
                }
            })
            .context("cannot start a thread")?;
        let address = told.recv().context("the origin did not start")?;
        Ok(Self { address })
    }
}

async fn accept(listener: &TcpListener) -> Result<()> {
    let bodies = Rc::new(h1::Bodies::default());
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
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
