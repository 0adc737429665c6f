//! A peer's process: started on a core of its own, ended by its id.

use super::{Site, Start};
use crate::measure::process::Tree;
use crate::scenario::PeerName;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A peer that listens.
pub(crate) struct Peer {
    pub(crate) name: PeerName,
    pub(crate) address: SocketAddr,
    pub(crate) version: String,
    child: Child,
}

/// How long a peer may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

impl Peer {
    /// Starts it, pinned to a core if there are several, and waits until it listens.
    pub(crate) fn start(name: PeerName, site: &Site<'_>, core: Option<usize>) -> Result<Self> {
        let start = super::prepare(name, site)?;
        let log = File::create(site.folder.join("output.log")).context("cannot write the peer's output")?;
        let mut command = command(&start, core);
        command.stdin(Stdio::null()).stderr(log.try_clone()?);
        command.stdout(if start.tells_address { Stdio::piped() } else { Stdio::from(log) });
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", start.program.display()))?;
        let address = match child.stdout.take() {
            Some(output) => told(output)?,
            None => site.listen,
        };
        let version = version(name, &start);
        let mut peer = Self { name, address, version, child };
        peer.wait_until_ready(start.tells_address, site)?;
        Ok(peer)
    }

    /// The process with its descendants as they are now.
    pub(crate) fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    fn wait_until_ready(&mut self, is_ready: bool, site: &Site<'_>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        if is_ready {
            return Ok(());
        }
        loop {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            let log = || std::fs::read_to_string(site.folder.join("output.log")).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name.as_str(), log());
            }
            if Instant::now() > deadline {
                bail!("{} does not listen at {}:\n{}", self.name.as_str(), self.address, log());
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks a process to end, waits for it, and insists when it takes too long.
pub(crate) fn end(child: &mut Child) {
    let Ok(id) = i32::try_from(child.id()) else { return };
    kill(Pid::from_raw(id), Signal::SIGTERM).ok();
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            child.kill().ok();
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn command(start: &Start, core: Option<usize>) -> Command {
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(&start.program);
            command
        }
        None => Command::new(&start.program),
    };
    command.args(&start.arguments);
    command
}

fn told(output: std::process::ChildStdout) -> Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("the relay says nothing")?;
    line.trim().parse().with_context(|| format!("the relay said {line:?} and not its address"))
}

fn version(name: PeerName, start: &Start) -> String {
    let flag = match name {
        PeerName::Weir | PeerName::WeirLogged => "--version",
        PeerName::Nginx | PeerName::NginxLogged | PeerName::Haproxy => "-v",
        PeerName::Floor => return "a relay that parses nothing".to_owned(),
    };
    crate::measure::machine::version(&start.program.to_string_lossy(), flag).unwrap_or_default()
}
