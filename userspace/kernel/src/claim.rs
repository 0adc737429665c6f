//! The right to keep a shield in a pin directory. One program has it; it may share it with the one that replaces it.
#![allow(
    unsafe_code,
    reason = "a descriptor that a parent has left open for this process is taken into ownership"
)]

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::Error;

/// How long a process that has the directory is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A lock on the directory. It lasts until every process that shares it has let go or ended, in whichever way.
#[derive(Debug)]
pub struct Claim(File);

impl Claim {
    /// Claims a directory for this process. One that is about to end is waited for a moment.
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let what = || format!("claim {}", directory.display());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let file = File::open(directory).map_err(|error| Error::os(what(), &error))?;
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::park_timeout(PATIENCE / 50);
                }
                Err(TryLockError::WouldBlock) => {
                    let mend = "stop it first, or give this one a `shield.pin_directory` of its own";
                    return Err(Error::unavailable(what(), "another weir keeps its shield there", mend));
                }
                Err(TryLockError::Error(error)) => return Err(Error::os(what(), &error)),
            }
        }
    }

    /// Takes a claim over that a parent shares under this number.
    ///
    /// # Errors
    /// The number is no descriptor, or none of a directory.
    pub fn inherit(number: RawFd) -> io::Result<Self> {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, "no claim");
        if number <= libc::STDERR_FILENO {
            return Err(refused());
        }
        // SAFETY: the number is not negative; it is only looked at, and an error is returned if it is no directory.
        let looked_at = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl(looked_at, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        // SAFETY: the parent has opened it for this process, in which nobody else knows of it, and the caller asks once.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
        if file.metadata()?.is_dir() { Ok(Self(file)) } else { Err(refused()) }
    }

    /// A descriptor to hand on: whoever has it shares the claim.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    /// Whether it is a claim on this directory, and still in force.
    pub(crate) fn holds(&self, directory: &Path) -> bool {
        let same = |own: std::fs::Metadata, other: std::fs::Metadata| {
            (own.dev(), own.ino()) == (other.dev(), other.ino())
        };
        let is_same = self.0.metadata().and_then(|own| Ok(same(own, directory.metadata()?)));
        is_same.unwrap_or(false) && self.0.try_lock().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_claim_is_exclusive_until_all_who_share_it_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let first = Claim::take(directory.path()).unwrap();
        assert!(Claim::take(directory.path()).is_err());
        let heir = Claim::inherit(first.share().unwrap().into_raw_fd()).unwrap();
        assert!(heir.holds(directory.path()) && first.holds(directory.path()));
        drop(first);
        assert!(Claim::take(directory.path()).is_err(), "the first has let go for both");
        drop(heir);
        assert!(Claim::take(directory.path()).is_ok());
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("x")).unwrap();
        assert!(Claim::inherit(file.into_raw_fd()).is_err());
        assert!(Claim::inherit(0).is_err());
        let other = tempfile::tempdir().unwrap();
        assert!(!Claim::take(directory.path()).unwrap().holds(other.path()));
    }
}
