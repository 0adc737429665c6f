//! Listening sockets, opened before any worker starts, so that a port that is taken is known at once.
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use weir_plan::{Plan, listener::Bind};
use weir_reactor::Listen;

/// A socket that listens for one listener of the plan.
pub struct Socket {
    /// The address, by which its listener is found in each plan.
    pub bind: Bind,
    /// The socket.
    pub fd: OwnedFd,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {bind} for `{listener}`: {source}")]
pub struct Error {
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The address.
    pub bind: Bind,
    /// What the system said.
    pub source: io::Error,
}

/// Opens every address of the plan once for each worker, of which these are the cores. The kernel gives a connection to
/// the worker of the core on which its packets arrive, and spreads those that arrive elsewhere.
pub fn open(plan: &Plan, cpus: &[usize]) -> Result<Vec<Vec<Socket>>, Error> {
    open_beside(plan, &[], cpus)
}

/// The same, with sockets that another process has handed on: what they listen on is not opened anew.
pub fn open_after(plan: &Plan, handed: Vec<Socket>, cpus: &[usize]) -> Result<Vec<Vec<Socket>>, Error> {
    let mut by_bind: Vec<(Bind, Vec<OwnedFd>)> = Vec::new();
    for Socket { bind, fd } in handed {
        match by_bind.iter_mut().find(|(known, _)| *known == bind) {
            Some((_, fds)) => fds.push(fd),
            None => by_bind.push((bind, vec![fd])),
        }
    }
    let known: Vec<Bind> = by_bind.iter().map(|(bind, _)| bind.clone()).collect();
    let mut sets = open_beside(plan, &known, cpus)?;
    for (bind, fds) in by_bind {
        let dealt = fit(fds, sets.len()).map_err(|source| Error {
            listener: Arc::from("handed on"),
            bind: bind.clone(),
            source,
        })?;
        deal(&bind, dealt, &mut sets);
    }
    Ok(sets)
}

/// With as many workers as before each gets its own back; else all of them share all sockets.
fn fit(fds: Vec<OwnedFd>, workers: usize) -> io::Result<Vec<OwnedFd>> {
    if fds.len().is_multiple_of(workers) {
        return Ok(fds);
    }
    fds.iter().flat_map(|fd| (0..workers).map(|_| fd.try_clone())).collect()
}

/// The same for the addresses that are not open already.
pub fn open_beside(plan: &Plan, known: &[Bind], cpus: &[usize]) -> Result<Vec<Vec<Socket>>, Error> {
    let mut sets: Vec<Vec<Socket>> = cpus.iter().map(|_| Vec::new()).collect();
    for listener in &plan.listeners {
        for bind in listener.binds.iter().filter(|bind| !known.contains(bind)) {
            let opened = open_bind(bind, cpus).map_err(|source| Error {
                listener: Arc::clone(&listener.name),
                bind: bind.clone(),
                source,
            })?;
            deal(bind, opened, &mut sets);
        }
    }
    Ok(sets)
}

fn deal(bind: &Bind, opened: Vec<OwnedFd>, sets: &mut [Vec<Socket>]) {
    let workers = sets.len();
    for (at, fd) in opened.into_iter().enumerate() {
        if let Some(set) = sets.get_mut(at % workers) {
            set.push(Socket { bind: bind.clone(), fd });
        }
    }
}

fn open_bind(bind: &Bind, cpus: &[usize]) -> io::Result<Vec<OwnedFd>> {
    match bind {
        Bind::Ip(address) => each(*address, cpus),
        Bind::Any(port) => {
            let mut opened = each((Ipv4Addr::UNSPECIFIED, *port).into(), cpus)?;
            match each((Ipv6Addr::UNSPECIFIED, *port).into(), cpus) {
                Ok(six) => opened.extend(six),
                // A host without IPv6 serves IPv4.
                Err(error) if error.raw_os_error() == Some(EAFNOSUPPORT) => {}
                Err(error) => return Err(error),
            }
            Ok(opened)
        }
        Bind::Unix(path) => {
            // A file that a dead process left behind is replaced; one that answers is not.
            if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            {
                std::fs::remove_file(path)?;
            }
            let first = UnixListener::bind(path)?;
            let more = (1..cpus.len()).map(|_| first.try_clone().map(OwnedFd::from));
            let mut opened = more.collect::<io::Result<Vec<_>>>()?;
            opened.push(first.into());
            Ok(opened)
        }
    }
}

/// `EAFNOSUPPORT` of Linux.
const EAFNOSUPPORT: i32 = 97;

fn each(address: SocketAddr, cpus: &[usize]) -> io::Result<Vec<OwnedFd>> {
    let cpu = |cpu: &usize| u32::try_from(*cpu).ok();
    let listen = |at| Listen { shared: true, cpu: cpu(at), ..Listen::default() };
    cpus.iter().map(|at| weir_reactor::open(address, listen(at))).collect()
}
