//! The receive buffers of one reactor. The kernel draws from a short ring of them; the ring is topped up from a stack,
//! so the buffers in use are those used last and stay in the cache. It deepens when a burst empties it, and gets shallow
//! again when nothing comes near that for a while.

use crate::region::Region;
use crate::request::GROUP;
use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

/// A buffer's number.
pub(crate) type Bid = u16;
/// No buffer.
pub(crate) const NONE: Bid = Bid::MAX;
/// How many buffers the kernel is given at least: what a turn draws, mostly. All of them take their turn, so that more
/// would only push each other out of the cache.
const DEPTH: u16 = 16;
/// And how many at most: the ring is drawn in turn, so that all of it is memory that is used, whatever came in one burst.
const DEPTH_MAX: u16 = 256;
/// Over how many times of topping up it is watched how deep the ring has to be.
const WINDOW: u16 = 1024;
/// Buffers whose memory is kept in any case.
const KEEP_MIN: usize = 64;
/// Buffers lie this much further apart than they are long, so that their first lines do not share cache sets.
const SKEW: usize = 128;
/// Where the tail lies in the ring's first entry.
const TAIL: usize = 14;

#[derive(Clone, Copy, Default)]
struct Meta {
    /// How many handles share the buffer.
    shares: u16,
    /// Something may have been written into it since its memory was last given back.
    touched: bool,
    /// The next buffer in a stream's queue.
    next: Bid,
    /// Bytes received.
    bytes: u32,
}

struct State {
    meta: Vec<Meta>,
    free: Vec<Bid>,
    /// Buffers that lie in the ring.
    provided: u16,
    /// How many buffers shall lie in the ring.
    depth: u16,
    /// The fewest that were left in the ring in this window, and how often it was topped up in it.
    left_min: u16,
    refills: u16,
    tail: u16,
    /// Where the simulated kernel reads the ring.
    head: u16,
    live: u16,
    live_max: u16,
    /// How many may be out or in the ring.
    most: u16,
    /// The fewest that were free since the last trimming.
    free_min: usize,
}

/// The pool. It is shared by the reactor and every buffer that is out.
pub(crate) struct Pool {
    memory: Region,
    ring: Region,
    entries: u16,
    buffer_bytes: u32,
    state: RefCell<State>,
}

impl Pool {
    pub(crate) fn new(buffers: u16, buffer_bytes: u32) -> io::Result<Pool> {
        let entries = buffers.max(1).checked_next_power_of_two().filter(|n| *n <= 1 << 15);
        let entries = entries.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let memory = Region::new(usize::from(buffers) * (buffer_bytes as usize + SKEW))?;
        let ring = Region::new(usize::from(entries) * size_of::<BufRingEntry>())?;
        let state = State {
            meta: vec![Meta::default(); usize::from(buffers)],
            free: (0..buffers).rev().collect(),
            provided: 0,
            depth: DEPTH.min(buffers.div_ceil(2)),
            left_min: u16::MAX,
            refills: 0,
            tail: 0,
            head: 0,
            live: 0,
            live_max: 0,
            most: buffers,
            free_min: 0,
        };
        Ok(Pool { memory, ring, entries, buffer_bytes, state: RefCell::new(state) })
    }

    pub(crate) fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        let ring = self.ring.at(0).addr() as u64;
        // SAFETY: the ring's memory lives as long as the pool, which the hub frees only after the io_uring is gone.
        unsafe { submitter.register_buf_ring_with_flags(ring, self.entries, GROUP, 0) }
    }

    pub(crate) fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// The first byte of a buffer.
    pub(crate) fn at(&self, bid: Bid) -> *mut u8 {
        self.memory.at(usize::from(bid) * (self.buffer_bytes as usize + SKEW))
    }

    /// Tops the ring up and lets the kernel see it. Called once per turn.
    pub(crate) fn refill(&self) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.watch_depth();
        if state.provided >= state.depth || state.room() == 0 {
            return;
        }
        while state.provided < state.depth
            && state.room() > 0
            && let Some(bid) = state.free.pop()
        {
            self.provide(state.tail, bid);
            state.tail = state.tail.wrapping_add(1);
            state.provided += 1;
        }
        state.free_min = state.free_min.min(state.free.len());
        self.tail().store(state.tail, Ordering::Release);
    }

    fn provide(&self, tail: u16, bid: Bid) {
        let place = usize::from(tail & (self.entries - 1));
        let entry = self.ring.at(place * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        // SAFETY: the place lies within the ring's mapping, is aligned to its entries, and is not the kernel's: it
        // holds at most `entries` buffers. The first entry's tail shares the entry's last bytes, which are not set.
        let entry = unsafe { &mut *entry };
        entry.set_addr(self.at(bid).addr() as u64);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(bid);
    }

    fn tail(&self) -> &AtomicU16 {
        // SAFETY: the mapping is longer than one entry, the tail is aligned in it, and both sides access it atomically.
        unsafe { AtomicU16::from_ptr(self.ring.at(TAIL).cast()) }
    }

    /// Takes the next buffer out of the ring, as the kernel does.
    pub(crate) fn draw(&self) -> Option<Bid> {
        let mut state = self.state.borrow_mut();
        let head = state.head;
        if head == self.tail().load(Ordering::Acquire) {
            return None;
        }
        state.head = head.wrapping_add(1);
        let place = usize::from(head & (self.entries - 1));
        let entry = self.ring.at(place * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        // SAFETY: the place lies within the ring's mapping, aligned, and was written before the tail passed it.
        Some(unsafe { &*entry }.bid())
    }

    /// Writes into a drawn buffer, as the kernel does.
    pub(crate) fn write(&self, bid: Bid, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.buffer_bytes as usize);
        // SAFETY: a drawn buffer belongs to the (simulated) kernel until its completion; the length is checked above.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(bid), bytes.len()) }
    }

    /// The kernel has put `bytes` into a buffer, which is out from now on with one share.
    pub(crate) fn filled(&self, bid: Bid, bytes: u32) {
        let mut state = self.state.borrow_mut();
        state.provided = state.provided.saturating_sub(1);
        state.lend(bid, bytes);
    }

    /// Takes an empty buffer for writing.
    pub(crate) fn take(&self) -> Option<Bid> {
        let mut state = self.state.borrow_mut();
        let bid = if state.room() > 0 { state.free.pop()? } else { return None };
        state.free_min = state.free_min.min(state.free.len());
        state.lend(bid, 0);
        Some(bid)
    }

    pub(crate) fn bytes(&self, bid: Bid) -> u32 {
        self.state.borrow().meta.get(usize::from(bid)).map_or(0, |m| m.bytes)
    }

    pub(crate) fn next(&self, bid: Bid) -> Bid {
        self.state.borrow().meta.get(usize::from(bid)).map_or(NONE, |m| m.next)
    }

    pub(crate) fn chain(&self, bid: Bid, next: Bid) {
        if let Some(meta) = self.state.borrow_mut().meta.get_mut(usize::from(bid)) {
            meta.next = next;
        }
    }

    pub(crate) fn share(&self, bid: Bid) {
        if let Some(meta) = self.state.borrow_mut().meta.get_mut(usize::from(bid)) {
            meta.shares += 1;
        }
    }

    pub(crate) fn is_unshared(&self, bid: Bid) -> bool {
        self.state.borrow().meta.get(usize::from(bid)).is_some_and(|m| m.shares == 1)
    }

    /// Gives one share back; the last one frees the buffer.
    pub(crate) fn give(&self, bid: Bid) {
        let mut state = self.state.borrow_mut();
        let Some(meta) = state.meta.get_mut(usize::from(bid)) else { return };
        meta.shares -= 1;
        if meta.shares == 0 {
            state.free.push(bid);
            state.live -= 1;
        }
    }

    /// No more than so many are used from now on, and never more than there are. Those that are out come back first.
    pub(crate) fn limit(&self, buffers: u16) {
        let mut state = self.state.borrow_mut();
        let all = u16::try_from(state.meta.len()).unwrap_or(u16::MAX);
        state.most = buffers.clamp(1, all);
        state.depth = state.depth.min(state.most.div_ceil(2));
    }

    /// A receive found the ring empty: give the kernel more at a time. Half of the pool at most, because one stream's
    /// burst can take all that lies in the ring.
    pub(crate) fn deepen(&self) {
        let mut state = self.state.borrow_mut();
        state.depth = state.depth.saturating_mul(2).min(DEPTH_MAX).min(state.most.div_ceil(2));
        (state.left_min, state.refills) = (0, 0);
    }

    /// Gives the memory of buffers back to the system that nobody has needed since this was last called, but for a few.
    pub(crate) fn trim(&self) {
        let mut state = self.state.borrow_mut();
        let State { free, meta, free_min, .. } = &mut *state;
        let cold = free.get(..free_min.saturating_sub(KEEP_MIN)).unwrap_or_default();
        let is_touched = |bid: &Bid| meta.get(usize::from(*bid)).is_some_and(|meta| meta.touched);
        if cold.iter().any(is_touched) {
            let mut cold = cold.to_vec();
            cold.sort_unstable();
            for run in cold.chunk_by(|bid, next| bid + 1 == *next).filter(|run| run.iter().any(is_touched)) {
                self.forget(run);
            }
            for bid in cold {
                meta.get_mut(usize::from(bid)).into_iter().for_each(|meta| meta.touched = false);
            }
        }
        *free_min = free.len();
    }

    /// Gives back the whole pages of buffers that lie one behind the other and are used by nobody.
    fn forget(&self, run: &[Bid]) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let bytes = self.buffer_bytes as usize + SKEW;
            self.memory.forget(usize::from(*first) * bytes..(usize::from(*last) + 1) * bytes);
        }
    }

    /// Whether less than a quarter is left: then a receive takes one buffer at a time.
    pub(crate) fn is_scarce(&self) -> bool {
        let state = self.state.borrow();
        u32::from(state.live) * 4 > u32::from(state.most) * 3
    }

    /// Whether less than an eighth is left: then nothing new should begin.
    pub(crate) fn is_short(&self) -> bool {
        let state = self.state.borrow();
        u32::from(state.live) * 8 > u32::from(state.most) * 7
    }

    /// The share that is out, between 0 and 1.
    pub(crate) fn in_use(&self) -> f64 {
        let state = self.state.borrow();
        f64::from(state.live) / f64::from(state.most.max(1))
    }

    /// How many buffers a receive armed now can find.
    pub(crate) fn available(&self) -> usize {
        let state = self.state.borrow();
        state.room() + usize::from(state.provided)
    }

    /// Buffers out now, and the most that ever were.
    pub(crate) fn live(&self) -> (u16, u16) {
        let state = self.state.borrow();
        (state.live, state.live_max)
    }
}

impl State {
    /// How many may still be taken.
    fn room(&self) -> usize {
        let used = self.live.saturating_add(self.provided);
        self.free.len().min(usize::from(self.most.saturating_sub(used)))
    }

    /// A ring of which half was never drawn in a whole window is twice as deep as it has to be.
    fn watch_depth(&mut self) {
        self.left_min = self.left_min.min(self.provided);
        self.refills += 1;
        if self.refills < WINDOW {
            return;
        }
        if self.left_min > self.depth / 2 && self.depth >= 2 * DEPTH {
            self.depth /= 2;
        }
        (self.left_min, self.refills) = (u16::MAX, 0);
    }

    fn lend(&mut self, bid: Bid, bytes: u32) {
        if let Some(meta) = self.meta.get_mut(usize::from(bid)) {
            *meta = Meta { shares: 1, touched: true, next: NONE, bytes };
            self.live += 1;
            self.live_max = self.live_max.max(self.live);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_shallow_until_it_runs_dry() {
        let pool = Pool::new(200, 64).unwrap();
        pool.refill();
        assert_eq!(pool.state.borrow().provided, DEPTH);
        assert_eq!(pool.tail().load(Ordering::Acquire), DEPTH);
        pool.deepen();
        pool.deepen();
        pool.deepen();
        pool.refill();
        pool.deepen();
        pool.deepen();
        pool.refill();
        assert_eq!(pool.state.borrow().provided, 100, "half stays out of one burst's reach");
        assert!(pool.available() > 0);
    }

    #[test]
    fn no_burst_makes_the_ring_deeper_than_it_may_be() {
        let pool = Pool::new(4096, 64).unwrap();
        (0..20).for_each(|_| pool.deepen());
        pool.refill();
        assert_eq!(pool.state.borrow().provided, DEPTH_MAX);
    }

    #[test]
    fn the_ring_gets_shallow_again_when_little_of_it_is_drawn() {
        let pool = Pool::new(200, 64).unwrap();
        pool.refill();
        (0..2).for_each(|_| pool.deepen());
        let turn = |drawn: usize| {
            pool.refill();
            for _ in 0..drawn {
                let bid = pool.draw().unwrap();
                pool.filled(bid, 1);
                pool.give(bid);
            }
        };
        (0..2 * WINDOW).for_each(|_| turn(40));
        assert_eq!(pool.state.borrow().depth, 4 * DEPTH, "that much is drawn");
        (0..4 * WINDOW).for_each(|_| turn(3));
        assert_eq!(pool.state.borrow().depth, DEPTH);
        (0..WINDOW).for_each(|_| turn(3));
        assert!(pool.state.borrow().provided <= DEPTH, "and the kernel holds no more");
    }

    #[test]
    fn memory_that_a_burst_took_is_given_back_once_nobody_needs_it() {
        let pool = Pool::new(200, 8192).unwrap();
        let burst: Vec<_> = (0..200).map(|_| pool.take().unwrap()).collect();
        burst.iter().for_each(|bid| pool.write(*bid, &[7; 8192]));
        burst.iter().rev().for_each(|bid| pool.give(*bid));
        // SAFETY: the buffer lies within the pool, and the test is alone.
        let byte = |bid: Bid| unsafe { *pool.at(bid).add(5000) };
        pool.trim();
        assert!((0..200).all(|bid| byte(bid) == 7), "all were needed just now");
        pool.trim();
        let given_back = (0..200).filter(|bid| byte(*bid) == 0).count();
        assert!((120..=200 - KEEP_MIN).contains(&given_back), "{given_back} buffers");
    }

    #[test]
    fn a_buffer_returns_when_its_last_share_does() {
        let pool = Pool::new(1, 64).unwrap();
        let bid = pool.take().unwrap();
        pool.share(bid);
        assert!(!pool.is_unshared(bid));
        pool.give(bid);
        assert!(pool.is_unshared(bid) && pool.available() == 0);
        assert_eq!(pool.live(), (1, 1));
        pool.give(bid);
        assert!(pool.available() > 0);
        assert_eq!(pool.live(), (0, 1));
    }

    #[test]
    fn a_limit_may_be_lowered_and_raised_while_buffers_are_out() {
        let pool = Pool::new(8, 64).unwrap();
        let out: Vec<Bid> = (0..6).map(|_| pool.take().unwrap()).collect();
        pool.limit(4);
        assert!(pool.take().is_none() && pool.available() == 0 && pool.is_short());
        out.iter().take(3).for_each(|bid| pool.give(*bid));
        assert!(pool.take().is_some() && pool.take().is_none(), "four are out");
        pool.limit(100);
        assert_eq!(pool.available(), 4, "there are no more than eight");
    }

    #[test]
    fn the_buffer_freed_last_is_used_first() {
        let pool = Pool::new(8, 64).unwrap();
        let (a, b) = (pool.take().unwrap(), pool.take().unwrap());
        pool.give(a);
        pool.give(b);
        assert_eq!(pool.take(), Some(b));
        assert_eq!(pool.take(), Some(a));
    }
}
