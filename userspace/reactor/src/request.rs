//! One operation as the reactor asks for it, before it becomes a submission entry (or a line in the simulator).

use io_uring::{opcode, squeue, types::Fd};
use std::os::fd::RawFd;

/// The buffer group that all receives draw from.
pub(crate) const GROUP: u16 = 0;

/// What is asked of the kernel. Pointers stay valid until the operation's last completion, which the slot table
/// guarantees; addresses and message headers only until they are submitted, which staging guarantees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Accept { fd: RawFd },
    Connect { fd: RawFd, address: *const libc::sockaddr, bytes: libc::socklen_t },
    RecvMany { fd: RawFd },
    RecvOne { fd: RawFd },
    Send { fd: RawFd, data: *const u8, bytes: u32 },
    SendVectored { fd: RawFd, message: *const libc::msghdr },
    SendZero { fd: RawFd, data: *const u8, bytes: u32 },
    Shutdown { fd: RawFd, how: i32 },
    Close { fd: RawFd },
    Cancel { target: u64 },
    Poll { fd: RawFd, events: u32 },
    Read { fd: RawFd, data: *mut u8, bytes: u32 },
}

/// A send is complete or failed, never silently cut: the kernel goes on until all is sent.
const SEND: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
/// `IORING_SEND_ZC_REPORT_USAGE`: the notification says whether the kernel copied after all.
const REPORT_USAGE: u16 = 1 << 3;

impl Request {
    /// The submission entry for this request.
    #[inline]
    pub(crate) fn entry(self, user_data: u64) -> squeue::Entry {
        let entry = match self {
            Request::Accept { fd } => opcode::AcceptMulti::new(Fd(fd)).flags(libc::SOCK_CLOEXEC).build(),
            Request::Connect { fd, address, bytes } => opcode::Connect::new(Fd(fd), address, bytes).build(),
            Request::RecvMany { fd } => opcode::RecvMulti::new(Fd(fd), GROUP).build(),
            Request::RecvOne { fd } => opcode::Recv::new(Fd(fd), std::ptr::null_mut(), 0)
                .buf_group(GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT),
            Request::Send { fd, data, bytes } => opcode::Send::new(Fd(fd), data, bytes).flags(SEND).build(),
            Request::SendVectored { fd, message } => {
                opcode::SendMsg::new(Fd(fd), message).flags(SEND.cast_unsigned()).build()
            }
            Request::SendZero { fd, data, bytes } => {
                opcode::SendZc::new(Fd(fd), data, bytes).flags(SEND).zc_flags(REPORT_USAGE).build()
            }
            Request::Shutdown { fd, how } => opcode::Shutdown::new(Fd(fd), how).build(),
            Request::Close { fd } => opcode::Close::new(Fd(fd)).build().flags(squeue::Flags::SKIP_SUCCESS),
            Request::Cancel { target } => {
                opcode::AsyncCancel::new(target).build().flags(squeue::Flags::SKIP_SUCCESS)
            }
            Request::Poll { fd, events } => opcode::PollAdd::new(Fd(fd), events).build(),
            Request::Read { fd, data, bytes } => opcode::Read::new(Fd(fd), data, bytes).build(),
        };
        entry.user_data(user_data)
    }
}
