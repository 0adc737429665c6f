//! A running program replaced by a newer one: the listening sockets pass from parent to child, so that at no moment
//! nobody listens, and with them the claim on the shield's pins. Until the child says that it serves, the parent serves; a
//! child that fails changes nothing.

use crate::crew::Crew;
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use weir_kernel::Claim;
use weir_plan::Plan;
use weir_proxy::Socket;

/// What a child is told: its parent's number, then in each line a descriptor and the address it listens on, or [`CLAIM`].
const HANDED: &str = "WEIR_SOCKETS";
/// Stands in the place of an address: the descriptor is the claim on the shield's pins.
const CLAIM: &str = "shield";

/// The process that this one replaces.
pub(crate) struct Inheritance {
    parent: Pid,
}

/// What one program leaves to the next.
#[derive(Default)]
pub(crate) struct Estate {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) claim: Option<Claim>,
}

impl Inheritance {
    /// What was handed on to this process, as far as the plan still names it. Nothing for a process that replaces none.
    pub(crate) fn find(plan: &Plan) -> Option<(Self, Estate)> {
        let text = std::env::var(HANDED).ok()?;
        let (parent, list) = text.split_once('\n')?;
        let parent = Pid::from_raw(parent.parse().ok()?);
        // A variable that came down from further up is about sockets that are not here.
        if parent != getppid() {
            return None;
        }
        let binds: Vec<_> = plan.listeners.iter().flat_map(|listener| &listener.binds).collect();
        let (mut seen, mut estate) = (BTreeSet::new(), Estate::default());
        for line in list.lines() {
            let Some((number, what)) = line.split_once(' ') else { continue };
            let Some(number) = number.parse().ok().filter(|number| seen.insert(*number)) else { continue };
            if what == CLAIM {
                estate.claim = Claim::inherit(number).ok();
                continue;
            }
            let bind = binds.iter().find(|bind| bind.to_string() == what);
            // What the plan no longer names is closed.
            let fd = weir_reactor::inherit(number).ok();
            estate.sockets.extend(fd.zip(bind).map(|(fd, bind)| Socket { bind: (*bind).clone(), fd }));
        }
        Some((Self { parent }, estate))
    }

    /// The one before has ended.
    pub(crate) fn is_over(&self) -> bool {
        getppid() != self.parent
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
    /// Starts the program that lies at `program` now, with the arguments of this one, its sockets and the claim on its shield.
    pub(crate) fn start(program: &Path, crew: &Crew, claim: Option<&OwnedFd>) -> Result<Self> {
        let sockets = crew.handed().context("cannot copy the listening sockets")?;
        let mut list = format!("{}\n", std::process::id());
        let named = sockets.iter().map(|Socket { bind, fd }| (fd, bind.to_string()));
        for (fd, what) in named.chain(claim.map(|fd| (fd, CLAIM.to_owned()))) {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot hand a socket on")?;
            writeln!(list, "{} {what}", fd.as_raw_fd())?;
        }
        let mut command = Command::new(program);
        let child = command.args(std::env::args_os().skip(1)).env(HANDED, list).spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        tracing::info!(pid = child.id(), program = %program.display(), "the successor is started");
        Ok(Self(child))
    }

    /// Whether it runs. If it has ended, that is reported: nobody is replaced.
    pub(crate) fn is_alive(&mut self) -> bool {
        match self.0.try_wait() {
            Ok(None) => return true,
            Ok(Some(status)) => tracing::error!("the successor has failed ({status}): this program goes on"),
            Err(error) => tracing::error!("the successor is lost ({error}): this program goes on"),
        }
        false
    }
}
