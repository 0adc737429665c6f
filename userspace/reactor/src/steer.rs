//! Steering: which worker's listener gets a connection.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Makes a listener of a shared port the first choice for connections whose packets arrive on `cpu`.
///
/// # Errors
/// What `setsockopt(2)` says.
pub fn prefer_cpu(socket: &impl AsFd, cpu: u32) -> io::Result<()> {
    let cpu = libc::c_int::try_from(cpu).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let bytes = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the option takes one int, which lives on this stack.
    let set = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_INCOMING_CPU,
            std::ptr::from_ref(&cpu).cast(),
            bytes,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
