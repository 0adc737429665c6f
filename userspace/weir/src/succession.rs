//! A running program replaced by a newer one: the listening sockets pass from parent to child, so that at no moment
//! nobody listens. Until the child says that it serves, the parent serves; a child that fails changes nothing.

use crate::crew::Crew;
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command};
use weir_plan::Plan;
use weir_proxy::Socket;

/// What a child is told: its parent's number, then in each line a descriptor and the address it listens on.
const HANDED: &str = "WEIR_SOCKETS";

/// The process that this one replaces.
pub(crate) struct Inheritance {
    parent: Pid,
}

impl Inheritance {
    /// What was handed on to this process, as far as the plan still names it. Nothing for a process that replaces none.
    pub(crate) fn find(plan: &Plan) -> Option<(Self, Vec<Socket>)> {
        let text = std::env::var(HANDED).ok()?;
        let (parent, list) = text.split_once('\n')?;
        let parent = Pid::from_raw(parent.parse().ok()?);
        // A variable that came down from further up is about sockets that are not here.
        if parent != getppid() {
            return None;
        }
        let binds: Vec<_> = plan.listeners.iter().flat_map(|listener| &listener.binds).collect();
        let mut seen = BTreeSet::new();
        let sockets = list.lines().filter_map(|line| {
            let (number, address) = line.split_once(' ')?;
            let number = number.parse().ok().filter(|number| seen.insert(*number))?;
            let fd = weir_reactor::inherit(number).ok()?;
            let bind = binds.iter().find(|bind| bind.to_string() == address)?;
            Some(Socket { bind: (*bind).clone(), fd })
        });
        Some((Self { parent }, sockets.collect()))
    }

    /// This process serves: the one before may end.
    pub(crate) fn relieve(&self) {
        if let Err(error) = kill(self.parent, Signal::SIGTERM) {
            tracing::warn!("the program that this one replaces cannot be told to end: {error}");
        }
    }
}

/// The program that is about to replace this one.
pub(crate) struct Successor(Child);

impl Successor {
    /// Starts the program that lies at `program` now, with the arguments of this one and its sockets.
    pub(crate) fn start(program: &Path, crew: &Crew) -> Result<Self> {
        let sockets = crew.handed().context("cannot copy the listening sockets")?;
        let mut list = format!("{}\n", std::process::id());
        for Socket { bind, fd } in &sockets {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot hand a socket on")?;
            writeln!(list, "{} {bind}", std::os::fd::AsRawFd::as_raw_fd(fd))?;
        }
        let mut command = Command::new(program);
        let child = command.args(std::env::args_os().skip(1)).env(HANDED, list).spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        tracing::info!(pid = child.id(), program = %program.display(), "the successor is started");
        Ok(Self(child))
    }

    /// Itself while it runs. If it has ended, that is reported: nobody is replaced.
    pub(crate) fn if_alive(mut self) -> Option<Self> {
        match self.0.try_wait() {
            Ok(None) => return Some(self),
            Ok(Some(status)) => tracing::error!("the successor has failed ({status}): this program goes on"),
            Err(error) => tracing::error!("the successor is lost ({error}): this program goes on"),
        }
        None
    }
}
