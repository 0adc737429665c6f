//! Why a reactor cannot start: said in words, with the remedy and the exit code.

use std::io;

/// A refusal to start. Everything after the start is an [`io::Error`] of the operation it belongs to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `kernel.io_uring_disabled` is 1 or 2.
    #[error("io_uring is switched off on this host (kernel.io_uring_disabled = {0})")]
    Disabled(u32),
    /// `io_uring_setup` was refused although the sysctl allows it: a seccomp filter or a security module.
    #[error(
        "io_uring is refused to this process ({0}): a seccomp filter or a security module stands in the way"
    )]
    Denied(io::Error),
    /// The kernel has no io_uring, or one that lacks a required feature.
    #[error("this kernel ({release}) lacks {what}; Linux 6.1 or newer is needed")]
    TooOld {
        /// What is missing.
        what: &'static str,
        /// `uname -r`.
        release: String,
    },
    /// RLIMIT_NOFILE is below what was asked for.
    #[error("only {have} open files are allowed, {need} are needed")]
    Files {
        /// The hard limit.
        have: u64,
        /// The number asked for.
        need: u64,
    },
    /// RLIMIT_MEMLOCK is too small for the ring.
    #[error("the ring does not fit into the limit on locked memory ({have} bytes)")]
    Memory {
        /// The limit.
        have: u64,
    },
    /// The thread could not be pinned.
    #[error("cannot pin the worker to cpu {cpu}: {source}")]
    Cpu {
        /// The core asked for.
        cpu: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A size in the [`Config`](crate::Config) cannot be.
    #[error("{0}")]
    Config(&'static str),
    /// Any other failure of the machine.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Disabled(_) => {
                "run `sysctl -w kernel.io_uring_disabled=0` (or 1 with this process's group in kernel.io_uring_group)"
            }
            Error::Denied(_) => {
                "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile"
            }
            Error::TooOld { .. } => "boot Linux 6.1 or newer",
            Error::Files { .. } => "raise the limit on open files: LimitNOFILE= in the unit, or `ulimit -Hn`",
            Error::Memory { .. } => {
                "raise the limit on locked memory: LimitMEMLOCK=infinity in the unit, or `ulimit -Hl`"
            }
            Error::Cpu { .. } => "name a core that is online and allowed to this process",
            Error::Config(_) => "correct the size that is named",
            Error::System { .. } => "see the system's message",
        }
    }

    /// The exit code: 77 permission, 69 unavailable, 71 the system, 78 configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Disabled(_) | Error::Denied(_) | Error::Files { .. } | Error::Memory { .. } => 77,
            Error::TooOld { .. } => 69,
            Error::Cpu { .. } | Error::System { .. } => 71,
            Error::Config(_) => 78,
        }
    }
}
