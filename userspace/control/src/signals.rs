//! What the host's operator or service manager asks for by signal.

use std::time::Duration;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A wish that arrived as a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// TERM, INT or QUIT: stop gracefully; a second one stops at once.
    Drain,
    /// HUP: take the configuration anew.
    Reload,
    /// USR1: open the log files anew.
    Reopen,
    /// USR2: hand over to a new binary.
    Upgrade,
}

/// The signals of this process from now on.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    hangup: Stream,
    user1: Stream,
    user2: Stream,
}

impl Signals {
    /// Takes the signals over from their default actions.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one, but no longer than `patience`.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Signal> {
        tokio::time::timeout(patience, self.next()).await.ok()
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Drain,
            _ = self.interrupt.recv() => Signal::Drain,
            _ = self.quit.recv() => Signal::Drain,
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.user1.recv() => Signal::Reopen,
            _ = self.user2.recv() => Signal::Upgrade,
        }
    }
}
