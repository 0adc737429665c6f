//! Memory for what the kernel reads only while it takes a submission: message headers and addresses. It is reused
//! once everything queued has been submitted.

use socket2::SockAddr;
use std::mem::MaybeUninit;

/// Pieces that one vectored send hands to the kernel at a time; longer lists take several.
pub(crate) const PIECES: usize = 16;

struct Message {
    header: libc::msghdr,
    pieces: [libc::iovec; PIECES],
}

/// Staged headers and addresses, each at a fixed place on the heap.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the kernel is given their addresses while the vectors grow")]
pub(crate) struct Staging {
    messages: Vec<Box<MaybeUninit<Message>>>,
    messages_used: usize,
    addresses: Vec<Box<SockAddr>>,
}

impl Staging {
    /// Stages a message of at most [`PIECES`] pieces.
    pub(crate) fn message<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> *const libc::msghdr {
        if self.messages_used == self.messages.len() {
            self.messages.push(Box::new(MaybeUninit::zeroed()));
        }
        let Some(place) = self.messages.get_mut(self.messages_used) else { return std::ptr::null() };
        self.messages_used += 1;
        // SAFETY: a message of all zeroes is valid: null pointers, zero lengths.
        let message = unsafe { place.assume_init_mut() };
        let mut n = 0;
        for (iovec, piece) in message.pieces.iter_mut().zip(pieces) {
            *iovec = libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() };
            n += 1;
        }
        message.header.msg_iov = message.pieces.as_mut_ptr();
        message.header.msg_iovlen = n;
        &raw const message.header
    }

    /// Stages an address.
    pub(crate) fn address(&mut self, address: SockAddr) -> (*const libc::sockaddr, libc::socklen_t) {
        let bytes = address.len();
        let address = Box::new(address);
        let at = address.as_ptr().cast();
        self.addresses.push(address);
        (at, bytes)
    }

    /// Everything queued was submitted: the memory is free again.
    pub(crate) fn reset(&mut self) {
        self.messages_used = 0;
        self.addresses.clear();
    }
}
