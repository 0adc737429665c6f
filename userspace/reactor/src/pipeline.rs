//! A program in a pipeline: it ends when nobody reads what it writes.

/// Has this process end by the signal when it writes into a pipe that nobody reads any more, as other programs do. Rust has
/// the write fail instead, and a program that prints would panic.
pub fn end_with_reader() {
    // SAFETY: the default action is no function of this program, so nothing of it runs in a signal handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
