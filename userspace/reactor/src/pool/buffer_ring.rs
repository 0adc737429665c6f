//! The ring of buffers that the kernel draws from when something comes, in the order in which they were pushed.

use super::Bid;
use crate::region::Region;
use crate::request::GROUP;
use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the tail lies in the ring's first entry.
const TAIL: usize = 14;

/// Memory that is shared with the kernel.
pub(super) struct BufferRing {
    memory: Region,
    entries: u16,
    /// Where the next buffer is put, and what the simulated kernel draws next.
    tail: Cell<u16>,
    head: Cell<u16>,
}

impl BufferRing {
    /// Room for so many buffers.
    pub(super) fn new(buffers: u16) -> io::Result<BufferRing> {
        let entries = buffers.max(1).checked_next_power_of_two().filter(|n| *n <= 1 << 15);
        let entries = entries.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let memory = Region::new(usize::from(entries) * size_of::<BufRingEntry>())?;
        Ok(BufferRing { memory, entries, tail: Cell::new(0), head: Cell::new(0) })
    }

    pub(super) fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        let ring = self.memory.at(0).addr() as u64;
        // SAFETY: the ring's memory lives as long as the pool, which the hub frees only after the io_uring is gone.
        unsafe { submitter.register_buf_ring_with_flags(ring, self.entries, GROUP, 0) }
    }

    /// Puts a buffer behind the others. The kernel does not see it yet.
    pub(super) fn push(&self, bid: Bid, at: *mut u8, bytes: u32) {
        let tail = self.tail.get();
        // SAFETY: the place lies within the ring's mapping, is aligned to its entries, and is not the kernel's: it
        // holds at most `entries` buffers. The first entry's tail shares the entry's last bytes, which are not set.
        let entry = unsafe { &mut *self.place(tail) };
        entry.set_addr(at.addr() as u64);
        entry.set_len(bytes);
        entry.set_bid(bid);
        self.tail.set(tail.wrapping_add(1));
    }

    /// Lets the kernel see what was pushed.
    pub(super) fn publish(&self) {
        self.shared_tail().store(self.tail.get(), Ordering::Release);
    }

    /// Takes the next buffer out, as the kernel does.
    pub(super) fn draw(&self) -> Option<Bid> {
        let head = self.head.get();
        if head == self.shared_tail().load(Ordering::Acquire) {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        // SAFETY: the place lies within the ring's mapping, aligned, and was written before the tail passed it.
        Some(unsafe { &*self.place(head) }.bid())
    }

    /// The last so many that were pushed, none of which was drawn.
    pub(super) fn last(&self, count: u16) -> impl Iterator<Item = Bid> {
        let tail = self.tail.get();
        // SAFETY: the place lies within the ring's mapping, aligned, and was written when it was pushed.
        (1..=count).map(move |back| unsafe { &*self.place(tail.wrapping_sub(back)) }.bid())
    }

    fn place(&self, number: u16) -> *mut BufRingEntry {
        let place = usize::from(number & (self.entries - 1));
        self.memory.at(place * size_of::<BufRingEntry>()).cast()
    }

    fn shared_tail(&self) -> &AtomicU16 {
        // SAFETY: the mapping is longer than one entry, the tail is aligned in it, and both sides access it atomically.
        unsafe { AtomicU16::from_ptr(self.memory.at(TAIL).cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_drawn_in_their_order_once_they_are_published() {
        let ring = BufferRing::new(3).unwrap();
        let mut memory = [0_u8; 8];
        for lap in 0..5 {
            for bid in 0..4 {
                ring.push(4 * lap + bid, memory.as_mut_ptr(), 8);
            }
            assert_eq!(ring.draw(), None);
            ring.publish();
            assert!(ring.last(3).eq([3, 2, 1].map(|bid| 4 * lap + bid)));
            let drawn: Vec<Bid> = std::iter::from_fn(|| ring.draw()).collect();
            assert_eq!(drawn, [0, 1, 2, 3].map(|bid| 4 * lap + bid));
        }
    }
}
