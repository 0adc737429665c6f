//! Whether this machine lets a reactor run: the ring, the operations it needs, descriptors and memory.

use crate::config::Config;
use crate::error::Error;
use crate::pool::Pool;
use crate::ring::Ring;
use io_uring::{Probe, opcode};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Makes the ring and gives it the pool, or says why not.
pub(crate) fn open(config: &Config, pool: &Pool) -> Result<Ring, Error> {
    raise_files(config.files_min)?;
    let ring = Ring::new(config.submissions, config.completions).map_err(|e| refused(e, disabled()))?;
    check_operations(&ring)?;
    pool.register(&ring.io_uring().submitter()).map_err(|e| match e.raw_os_error() {
        Some(libc::EINVAL) => too_old("provided-buffer rings"),
        _ => refused(e, disabled()),
    })?;
    Ok(ring)
}

/// Names the reason for which `io_uring_setup` failed.
fn refused(error: io::Error, disabled: u32) -> Error {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if disabled > 0 => Error::Disabled(disabled),
        Some(libc::EPERM | libc::EACCES) => Error::Denied(error),
        Some(libc::ENOSYS) => too_old("io_uring"),
        Some(libc::EINVAL) => too_old("IORING_SETUP_DEFER_TASKRUN"),
        Some(libc::ENOMEM) => Error::Memory { have: limit(Resource::RLIMIT_MEMLOCK) },
        Some(libc::EMFILE) => {
            let have = limit(Resource::RLIMIT_NOFILE);
            Error::Files { have, need: have.saturating_add(1) }
        }
        _ => Error::System { what: "cannot set up io_uring", source: error },
    }
}

/// Linux 6.1 is recognised by its newest operation; multishot receive and buffer rings are older.
fn check_operations(ring: &Ring) -> Result<(), Error> {
    let mut probe = Probe::new();
    let probed = ring.io_uring().submitter().register_probe(&mut probe);
    probed.map_err(|e| refused(e, disabled()))?;
    let needed = [
        (opcode::Accept::CODE, "accept"),
        (opcode::AsyncCancel::CODE, "cancel"),
        (opcode::Close::CODE, "close"),
        (opcode::Connect::CODE, "connect"),
        (opcode::PollAdd::CODE, "poll"),
        (opcode::Read::CODE, "read"),
        (opcode::Recv::CODE, "recv"),
        (opcode::Send::CODE, "send"),
        (opcode::SendMsg::CODE, "sendmsg"),
        (opcode::Shutdown::CODE, "shutdown"),
        (opcode::SendZc::CODE, "send_zc"),
        (opcode::SendMsgZc::CODE, "the operations of Linux 6.1"),
    ];
    match needed.into_iter().find(|(code, _)| !probe.is_supported(*code)) {
        Some((_, what)) => Err(too_old(what)),
        None => Ok(()),
    }
}

/// Raises the soft limit on open files to what is needed.
fn raise_files(need: u64) -> Result<(), Error> {
    let system =
        |e: nix::Error| Error::System { what: "cannot read the limit on open files", source: e.into() };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system)?;
    if soft >= need {
        return Ok(());
    }
    if hard < need {
        return Err(Error::Files { have: hard, need });
    }
    setrlimit(Resource::RLIMIT_NOFILE, need, hard).map_err(system)
}

fn disabled() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    text.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

fn limit(resource: Resource) -> u64 {
    getrlimit(resource).map_or(0, |(soft, _)| soft)
}

fn too_old(what: &'static str) -> Error {
    let release = nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned());
    Error::TooOld { what, release: release.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_words_a_remedy_and_an_exit_code() {
        let check = |errno, disabled, words: &str, code| {
            let error = refused(io::Error::from_raw_os_error(errno), disabled);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(!error.remedy().is_empty());
        };
        check(libc::EPERM, 2, "kernel.io_uring_disabled = 2", 77);
        check(libc::EPERM, 0, "seccomp", 77);
        check(libc::ENOSYS, 0, "lacks io_uring", 69);
        check(libc::EINVAL, 0, "DEFER_TASKRUN", 69);
        check(libc::ENOMEM, 0, "locked memory", 77);
        check(libc::EMFILE, 0, "open files", 77);
        check(libc::EIO, 0, "cannot set up io_uring", 71);
    }

    #[test]
    fn more_files_than_the_hard_limit_are_refused() {
        let hard = getrlimit(Resource::RLIMIT_NOFILE).unwrap().1;
        if hard < u64::MAX {
            assert!(matches!(raise_files(hard + 1), Err(Error::Files { .. })));
        }
        assert!(raise_files(1).is_ok());
    }
}
