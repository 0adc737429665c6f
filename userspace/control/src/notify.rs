//! What the service manager is told (`sd_notify(3)`). Without one, nothing happens.

use sd_notify::NotifyState;

/// The program serves; `status` is the line that `systemctl status` shows.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The program takes another configuration; [`ready`] ends that, whatever came of it (`sd_notify(3)`, `RELOADING=1`).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(moment) => tell(&[NotifyState::Reloading, moment, NotifyState::Status("taking a configuration")]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of a reload"),
    }
}

/// The program is alive: the service manager need not start it anew (`WatchdogSec=`).
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// This process is the service from now on, in place of the one that started it.
pub fn main_process() {
    tell(&[NotifyState::MainPid(std::process::id())]);
}

/// The program drains and will end.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager did not take a notification");
    }
}
