//! Places for workers: cores, and the sockets that a worker on each listens on.

use crate::failure::{OS, UNAVAILABLE, failure};
use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use weir_plan::Plan;
use weir_proxy::Socket;

/// A place for a worker: its core and what it listens on.
pub(crate) struct Berth {
    pub(super) cpu: usize,
    pub(super) sockets: Vec<Socket>,
}

/// Opens the plan's sockets for a worker on each core, or on as many as the plan says. Connections wait in the backlog
/// until the workers start. What another process has handed on is open already.
pub(crate) fn berths(plan: &Plan, handed: Vec<Socket>) -> Result<Vec<Berth>> {
    let cpus = cpus(plan.limits.workers.map(usize::from))?;
    let sets = weir_proxy::open_after(plan, handed, &cpus)
        .map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    Ok(cpus.into_iter().zip(sets).map(|(cpu, sockets)| Berth { cpu, sockets }).collect())
}

/// The same sockets under other numbers.
pub(super) fn copies(sockets: &[Socket]) -> std::io::Result<Vec<Socket>> {
    sockets.iter().map(copy).collect()
}

pub(super) fn copy(socket: &Socket) -> std::io::Result<Socket> {
    Ok(Socket { bind: socket.bind.clone(), fd: socket.fd.try_clone()? })
}

/// The cores this process may run on, the first `wanted` of them.
pub(crate) fn cpus(wanted: Option<usize>) -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))
        .map_err(|error| failure(OS, format!("cannot ask for the cores: {error}")))?;
    let cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    Ok(cpus.take(wanted.unwrap_or(usize::MAX).max(1)).collect())
}
