//! A connected stream, and its two halves.

use crate::buf::Buf;
use crate::here;
use crate::op::connect::Connecting;
use crate::op::recv::Receiving;
use crate::op::send::Sending;
use crate::op::send_vectored::SendingVectored;
use crate::op::send_zc::SendingZeroCopy;
use crate::op::shutdown::ShuttingDown;
use crate::owned::{Owned, OwnedList};
use crate::socket::Socket;
use socket2::{SockAddr, SockRef};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connected stream. Both directions may be used at once from one task; [`Stream::split`] takes them apart.
pub struct Stream {
    /// The incoming half.
    pub recv: RecvHalf,
    /// The outgoing half.
    pub send: SendHalf,
}

/// The incoming half of a stream. Dropping it ends receiving.
pub struct RecvHalf {
    socket: Rc<Socket>,
}

/// The outgoing half of a stream.
pub struct SendHalf {
    socket: Rc<Socket>,
}

impl Stream {
    pub(crate) fn new(socket: Rc<Socket>) -> Stream {
        Stream { recv: RecvHalf { socket: Rc::clone(&socket) }, send: SendHalf { socket } }
    }

    /// Connects over TCP, without delay for small writes.
    ///
    /// # Errors
    /// What `socket(2)` and `connect(2)` say.
    pub async fn connect(to: SocketAddr) -> io::Result<Stream> {
        connect(to.into(), None).await
    }

    /// Connects over TCP from a local address.
    ///
    /// # Errors
    /// What `socket(2)`, `bind(2)` and `connect(2)` say.
    pub async fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<Stream> {
        connect(to.into(), Some(from.into())).await
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// What `socket(2)` and `connect(2)` say.
    pub async fn connect_unix(path: impl AsRef<Path>) -> io::Result<Stream> {
        connect(SockAddr::unix(path)?, None).await
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    /// What `fcntl(2)` says when the socket is made blocking, which the ring needs.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Stream> {
        SockRef::from(&fd).set_nonblocking(false)?;
        Ok(Stream::new(Socket::new(here::hub(), fd)))
    }

    /// Waits for received bytes; none at the end of the stream.
    pub fn recv(&self) -> Receiving<'_> {
        self.recv.recv()
    }

    /// Ready once the peer has ended its side or is lost, and nothing that it sent before is unread. Takes nothing away
    /// from [`Stream::recv`].
    pub fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        self.recv.socket.poll_end(cx)
    }

    /// Ready once the connection has failed. Takes nothing away from [`Stream::recv`] and does not take the end of the
    /// peer's side for a failure.
    pub fn poll_lost(&self, cx: &Context<'_>) -> Poll<()> {
        self.recv.socket.poll_lost(cx)
    }

    /// Ready once [`Stream::recv`] will not have to wait.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.recv.socket.poll_readable(cx)
    }

    /// Sends all bytes and gives the buffer back.
    pub fn send<B: Owned>(&self, data: B) -> Sending<'_, B> {
        self.send.send(data)
    }

    /// Sends all bytes of several pieces and gives them back.
    pub fn send_vectored<L: OwnedList>(&self, pieces: L) -> SendingVectored<'_, L> {
        self.send.send_vectored(pieces)
    }

    /// Sends a sheet, and a buffer behind it, without anyone waiting. What follows on this stream waits until it is gone.
    /// Dropping the stream before that loses it.
    ///
    /// # Errors
    /// If something posted is still on its way: [`Stream::poll_posted`] says when it is not. Or if no operation can be
    /// started.
    pub fn post(&self, sheet: Vec<u8>, buf: Option<Buf>) -> io::Result<()> {
        self.send.socket.post(sheet, buf)
    }

    /// Whether something posted is on its way or could not be sent.
    pub fn has_posted(&self) -> bool {
        self.send.socket.has_posted()
    }

    /// Ready once nothing posted is on its way.
    ///
    /// # Errors
    /// Why the last post could not be sent.
    pub fn poll_posted(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.send.socket.poll_posted(cx)
    }

    /// Sends all bytes without copying them, where the network card can; the buffer is freed when it is done.
    pub fn send_zc<B: Owned>(&self, data: B) -> SendingZeroCopy<'_, B> {
        self.send.send_zc(data)
    }

    /// Tells the peer that nothing more will be sent.
    pub fn shutdown(&self) -> ShuttingDown<'_> {
        self.send.shutdown()
    }

    /// Takes the directions apart. The socket closes when both halves are gone.
    #[must_use]
    pub fn split(self) -> (RecvHalf, SendHalf) {
        (self.recv, self.send)
    }

    /// The local address and the peer's, in one go.
    ///
    /// # Errors
    /// If the connection is gone, or is not over TCP.
    pub fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        let socket = self.socket();
        let (local, remote) = socket.hub.driver.borrow().names(socket.fd)?;
        let remote = remote.as_ref().and_then(SockAddr::as_socket);
        local.as_socket().zip(remote).ok_or_else(not_inet)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// If the connection is gone, or is not over TCP.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        let socket = self.socket();
        let (_, remote) = socket.hub.driver.borrow().names(socket.fd)?;
        remote.as_ref().and_then(SockAddr::as_socket).ok_or_else(not_inet)
    }

    /// The local address.
    ///
    /// # Errors
    /// If the connection is not over TCP.
    pub fn local(&self) -> io::Result<SocketAddr> {
        let socket = self.socket();
        socket.hub.driver.borrow().names(socket.fd)?.0.as_socket().ok_or_else(not_inet)
    }

    /// The system's socket, for options that this type does not name.
    ///
    /// # Errors
    /// In a simulation, where there is none.
    pub fn option(&self) -> io::Result<SockRef<'_>> {
        self.socket().option()
    }

    /// Makes the close abortive: the peer gets a reset instead of a farewell.
    ///
    /// # Errors
    /// What `setsockopt(2)` says.
    pub fn reset_on_close(&self) -> io::Result<()> {
        let socket = self.socket();
        socket.hub.driver.borrow_mut().reset_on_close(socket.fd)
    }

    /// Gives a connection on which nothing was received yet to another worker, which takes it with [`Stream::from_fd`].
    ///
    /// # Errors
    /// What `fcntl(2)` says, or that a simulated socket cannot leave its world.
    pub fn hand_over(self) -> io::Result<OwnedFd> {
        Ok(self.option()?.try_clone()?.into())
    }

    pub(crate) fn socket(&self) -> &Rc<Socket> {
        &self.send.socket
    }
}

impl RecvHalf {
    /// Waits for received bytes; none at the end of the stream.
    pub fn recv(&self) -> Receiving<'_> {
        Receiving(&self.socket)
    }

    /// Whether nothing lies unread, after bytes went past the ring. The kernel is asked, and the ring receives again.
    pub async fn is_silent(&self) -> bool {
        let unread =
            self.socket.option().is_ok_and(|socket| socket.peek(&mut [MaybeUninit::uninit()]).is_ok());
        !unread && poll_fn(|cx| Poll::Ready(self.socket.poll_recv(cx).is_pending())).await
    }

    pub(crate) fn socket(&self) -> &Rc<Socket> {
        &self.socket
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        self.socket.hang_up();
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.socket.abandon();
    }
}

impl SendHalf {
    /// Sends all bytes and gives the buffer back.
    pub fn send<B: Owned>(&self, data: B) -> Sending<'_, B> {
        Sending::new(&self.socket, data)
    }

    /// Sends all bytes of several pieces and gives them back.
    pub fn send_vectored<L: OwnedList>(&self, pieces: L) -> SendingVectored<'_, L> {
        SendingVectored::new(&self.socket, pieces)
    }

    /// Sends all bytes without copying them, where the network card can; the buffer is freed when it is done.
    pub fn send_zc<B: Owned>(&self, data: B) -> SendingZeroCopy<'_, B> {
        SendingZeroCopy::new(&self.socket, data)
    }

    /// Tells the peer that nothing more will be sent.
    pub fn shutdown(&self) -> ShuttingDown<'_> {
        ShuttingDown::new(&self.socket)
    }

    pub(crate) fn socket(&self) -> &Rc<Socket> {
        &self.socket
    }
}

async fn connect(to: SockAddr, from: Option<SockAddr>) -> io::Result<Stream> {
    let hub = here::hub();
    let fd = hub.driver.borrow_mut().socket(&to, from.as_ref())?;
    let socket = Socket::of_raw(hub, fd);
    Connecting::new(Rc::clone(&socket), to).await?;
    Ok(Stream::new(socket))
}

fn not_inet() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "not an IP address")
}
