//! A listening socket.

use crate::here;
use crate::op::accept::{Accepting, Acceptor};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::rc::Rc;

/// How a listener is opened.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    /// Connections that may wait in the kernel to be accepted.
    pub backlog: i32,
    /// Share the port with the other workers' listeners (`SO_REUSEPORT`).
    pub shared: bool,
    /// Take the connections that arrive on this core first (`SO_INCOMING_CPU`); needs `shared`.
    pub cpu: Option<u32>,
}

impl Default for Listen {
    fn default() -> Self {
        Listen { backlog: 4096, shared: false, cpu: None }
    }
}

/// A listening socket. Connections inherit its options, so that none costs a system call of its own.
pub struct Listener {
    acceptor: Rc<Acceptor>,
}

impl Listener {
    /// Listens on a TCP address.
    ///
    /// # Errors
    /// What `socket(2)`, `bind(2)` and `listen(2)` say.
    pub fn bind(address: SocketAddr, listen: Listen) -> io::Result<Listener> {
        Listener::at(&address.into(), listen)
    }

    /// Listens on a unix socket; the path must not exist.
    ///
    /// # Errors
    /// What `socket(2)`, `bind(2)` and `listen(2)` say.
    pub fn bind_unix(path: impl AsRef<Path>, backlog: i32) -> io::Result<Listener> {
        Listener::at(&SockAddr::unix(path)?, Listen { backlog, ..Listen::default() })
    }

    fn at(address: &SockAddr, listen: Listen) -> io::Result<Listener> {
        let hub = here::hub();
        let fd = hub.driver.borrow_mut().listen(address, listen)?;
        Ok(Listener { acceptor: Acceptor::new(hub, fd) })
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// What `fcntl(2)` says when the socket is made blocking, which the ring needs.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        SockRef::from(&fd).set_nonblocking(false)?;
        Ok(Listener { acceptor: Acceptor::new(here::hub(), fd.into_raw_fd()) })
    }

    /// Waits for a connection.
    pub fn accept(&self) -> Accepting<'_> {
        Accepting(&self.acceptor)
    }

    /// Starts accepting anew. Of several processes that wait on one socket the kernel calls one for each connection; if
    /// that one ends at this moment, the connection waits until somebody looks.
    pub fn renew(&self) {
        self.acceptor.renew();
    }

    /// Ends accepting: from now on [`Listener::accept`] gives what has arrived already, and then an error.
    pub fn finish(&self) {
        self.acceptor.finish();
    }

    /// The address listened on.
    ///
    /// # Errors
    /// If it is not a TCP listener.
    pub fn local(&self) -> io::Result<SocketAddr> {
        let (local, _) = self.acceptor.hub.driver.borrow().names(self.acceptor.fd)?;
        local.as_socket().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "not an IP address"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.acceptor.hang_up();
    }
}

/// Opens a TCP listening socket outside any reactor, so that a port that is taken is known before workers start.
///
/// # Errors
/// What `socket(2)`, `setsockopt(2)`, `bind(2)` and `listen(2)` say.
pub fn open(address: SocketAddr, listen: Listen) -> io::Result<OwnedFd> {
    open_at(&address.into(), listen)
}

/// Takes over a listening socket that the parent process has left open for this one. To be asked once for each number.
///
/// # Errors
/// The number is no descriptor, or none of a socket that listens.
pub fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "no listening socket");
    if number <= libc::STDERR_FILENO {
        return Err(refused());
    }
    // SAFETY: the number is not negative; it is only looked at, and an error is returned if it is no socket.
    let looked_at = unsafe { BorrowedFd::borrow_raw(number) };
    let socket = SockRef::from(&looked_at);
    if !socket.is_listener()? {
        return Err(refused());
    }
    socket.set_cloexec(true)?;
    // SAFETY: the parent has opened it for this process, in which nobody else knows of it, and the caller asks once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

pub(crate) fn open_at(address: &SockAddr, listen: Listen) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::from(i32::from(address.family())), Type::STREAM.cloexec(), None)?;
    if !address.is_unix() {
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if listen.shared {
        socket.set_reuse_port(true)?;
    }
    if let Some(cpu) = listen.cpu {
        crate::steer::prefer_cpu(&socket, cpu)?;
    }
    socket.bind(address)?;
    socket.listen(listen.backlog)?;
    Ok(socket.into())
}
