//! Where clients connect to, from where, and how.

use super::tls::Trust;
use super::wire::Wire;
use crate::measure::Fault;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_uring::net::TcpStream;

/// One server as clients see it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Option<Arc<Trust>>,
    /// So many source addresses; 0 leaves the choice to the kernel.
    pub(crate) sources: u32,
    turn: AtomicU32,
}

impl Endpoint {
    pub(crate) fn new(address: SocketAddr, trust: Option<Arc<Trust>>, sources: u32) -> Self {
        Self { address, trust, sources, turn: AtomicU32::new(0) }
    }

    /// A connection, with TLS where that is asked for.
    pub(crate) async fn open(&self) -> Result<Wire, Fault> {
        self.open_as(self.trust.as_deref()).await
    }

    /// A connection of a client with its own tickets.
    pub(crate) async fn open_as(&self, trust: Option<&Trust>) -> Result<Wire, Fault> {
        let stream = self.connect().await.map_err(|error| Fault::of_connect(&error))?;
        stream.set_nodelay(true).map_err(|_| Fault::Connect)?;
        match trust {
            None => Ok(Wire::plain(stream)),
            Some(trust) => Wire::secure(stream, trust).await,
        }
    }

    /// Connects, says hello, waits for the server's part of the handshake, and leaves.
    pub(crate) async fn begin_handshake(&self) -> Result<(), Fault> {
        let stream = self.connect().await.map_err(|error| Fault::of_connect(&error))?;
        let trust = self.trust.as_ref().ok_or(Fault::Handshake)?;
        Wire::greet(stream, trust).await
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let Some(source) = self.source() else { return TcpStream::connect(self.address).await };
        let socket = tokio::net::TcpSocket::new_v4()?;
        // Else the kernel would take a port that is free for all targets, and they would run out.
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::new(source, 0))?;
        let stream = socket.connect(self.address).await?.into_std()?;
        // The ring waits by itself; on a socket that does not block it would be told to come again.
        stream.set_nonblocking(false)?;
        Ok(TcpStream::from_std(stream))
    }

    fn source(&self) -> Option<IpAddr> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.sources)?;
        let [_, _, high, low] = (turn + 1).to_be_bytes();
        self.address.is_ipv4().then_some(IpAddr::V4(Ipv4Addr::new(127, 0, high + 1, low)))
    }
}
