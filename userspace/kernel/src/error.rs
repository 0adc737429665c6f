//! What can go wrong between weir and the machine, in words an operator can act on, with the exit code it means.

use std::fmt;
use std::io;

/// A failure of this room. Every variant says what was wanted, what is wrong and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine lacks something: a kernel feature, a free interface, a mounted bpffs.
    #[error("{0}")]
    Unavailable(Complaint),
    /// The kernel refused for want of a privilege.
    #[error("{0}")]
    Permission(Complaint),
    /// The kernel failed in a way that is neither of the above.
    #[error("{0}")]
    System(Complaint),
    /// What was asked for cannot be: the fault is in the configuration or in the call.
    #[error("{0}")]
    Config(Complaint),
}

/// The three things worth saying about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What weir was about to do, and to what.
    pub what: String,
    /// Why it could not.
    pub why: String,
    /// What to do about it; empty when nothing is known to help.
    pub mend: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.what, self.why)?;
        if self.mend.is_empty() { Ok(()) } else { write!(out, "; {}", self.mend) }
    }
}

impl Complaint {
    pub(crate) fn new(what: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), mend: mend.into() }
    }
}

impl Error {
    /// The exit code of a process that ends because of this, after sysexits.h.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unavailable(_) => 69,
            Self::System(_) => 71,
            Self::Permission(_) => 77,
            Self::Config(_) => 78,
        }
    }

    /// The words without the kind.
    #[must_use]
    pub const fn complaint(&self) -> &Complaint {
        match self {
            Self::Unavailable(said) | Self::System(said) | Self::Permission(said) | Self::Config(said) => {
                said
            }
        }
    }

    pub(crate) fn unavailable(
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::Unavailable(Complaint::new(what, why, mend))
    }

    pub(crate) fn config(what: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Config(Complaint::new(what, why, mend))
    }

    /// Sorts an error of a system call by who must act.
    pub(crate) fn os(what: impl Into<String>, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Permission(Complaint::new(
                what,
                error.to_string(),
                "give weir CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, as its systemd unit does, or run it as root",
            )),
            Some(libc::ENOSYS | libc::EOPNOTSUPP) => {
                Self::Unavailable(Complaint::new(what, error.to_string(), "this kernel cannot do it"))
            }
            _ => Self::System(Complaint::new(what, error.to_string(), "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_error_is_sorted_by_who_must_act() {
        let check = |errno: i32, code: u8| {
            assert_eq!(
                Error::os("x", &io::Error::from_raw_os_error(errno)).exit_code(),
                code,
                "errno {errno}"
            );
        };
        check(libc::EPERM, 77);
        check(libc::EACCES, 77);
        check(libc::ENOSYS, 69);
        check(libc::EOPNOTSUPP, 69);
        check(libc::EIO, 71);
    }

    #[test]
    fn a_complaint_reads_as_one_sentence() {
        let said = Complaint::new("attach to eth0", "it is busy", "detach it");
        assert_eq!(said.to_string(), "attach to eth0: it is busy; detach it");
        assert_eq!(Complaint::new("a", "b", "").to_string(), "a: b");
    }
}
