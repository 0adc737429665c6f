//! How the program fails: words on stderr and an exit code that a script can tell apart (sysexits.h).

use std::process::ExitCode;

/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// `weir status` found no running program (LSB, init script actions).
pub(crate) const NOT_RUNNING: u8 = 3;
/// Something the program needs is not there: a port is taken, the kernel lacks a feature.
pub(crate) const UNAVAILABLE: u8 = 69;
/// The operating system refused something that should have worked.
pub(crate) const OS: u8 = 71;
/// The process may not do what it needs to.
pub(crate) const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
pub(crate) const CONFIG: u8 = 78;

/// An error that knows its exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    words: String,
}

/// An error with the code of a class of causes.
pub(crate) fn failure(code: u8, words: impl Into<String>) -> anyhow::Error {
    Failure { code, words: words.into() }.into()
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Failure {}

/// Prints an error and names its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("weir: {error:#}");
    code(error).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The exit code of an error that has one.
pub(crate) fn code(error: &anyhow::Error) -> Option<u8> {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()).map(|failure| failure.code)
}
