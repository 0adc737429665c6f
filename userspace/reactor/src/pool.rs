//! The receive buffers of one reactor. The kernel draws from a short ring of them; the ring is topped up from a stack,
//! so the buffers in use are those used last and stay in the cache. It deepens when a burst empties it, and gets shallow
//! again when nothing comes near that for a while.

mod buffer_ring;
mod depth;

use crate::region::Region;
use buffer_ring::BufferRing;
use depth::Depth;
use io_uring::Submitter;
use std::cell::RefCell;
use std::io;

/// A buffer's number.
pub(crate) type Bid = u16;
/// No buffer.
pub(crate) const NONE: Bid = Bid::MAX;
/// Buffers whose memory is kept in any case.
const KEEP_MIN: usize = 4;
/// Buffers lie this much further apart than they are long, so that their first lines do not share cache sets.
const SKEW: usize = 128;

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
    depth: Depth,
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
    ring: BufferRing,
    buffer_bytes: u32,
    state: RefCell<State>,
}

impl Pool {
    pub(crate) fn new(buffers: u16, buffer_bytes: u32) -> io::Result<Pool> {
        let memory = Region::new(usize::from(buffers) * (buffer_bytes as usize + SKEW))?;
        let ring = BufferRing::new(buffers)?;
        let state = State {
            meta: vec![Meta::default(); usize::from(buffers)],
            free: (0..buffers).rev().collect(),
            provided: 0,
            depth: Depth::new(buffers),
            live: 0,
            live_max: 0,
            most: buffers,
            free_min: 0,
        };
        Ok(Pool { memory, ring, buffer_bytes, state: RefCell::new(state) })
    }

    /// Has the kernel draw from this pool's ring.
    pub(crate) fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        self.ring.register(submitter)
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
        state.depth.note_left(state.provided);
        if state.provided >= state.depth.wanted() || state.room() == 0 {
            return;
        }
        while state.provided < state.depth.wanted()
            && state.room() > 0
            && let Some(bid) = state.free.pop()
        {
            self.ring.push(bid, self.at(bid), self.buffer_bytes);
            state.provided += 1;
        }
        state.free_min = state.free_min.min(state.free.len());
        self.ring.publish();
    }

    /// Takes the next buffer out of the ring, as the kernel does.
    pub(crate) fn draw(&self) -> Option<Bid> {
        self.ring.draw()
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
        let most = state.most;
        state.depth.limit(most);
    }

    /// A receive found the ring empty: give the kernel more at a time.
    pub(crate) fn deepen(&self) {
        let mut state = self.state.borrow_mut();
        let most = state.most;
        state.depth.deepen(most);
    }

    /// Gives the memory of buffers back to the system that nobody has needed since this was last called, but for a few. If
    /// the kernel has told of all that it received, so are those that lie in the ring because a burst had deepened it: the
    /// last ones, which are drawn after all others.
    pub(crate) fn trim(&self, is_told: bool) {
        let mut state = self.state.borrow_mut();
        state.depth.settle();
        let State { free, meta, free_min, depth, provided, .. } = &mut *state;
        let spare = if is_told { provided.saturating_sub(depth.wanted()) } else { 0 };
        let unneeded = free.get(..free_min.saturating_sub(KEEP_MIN)).unwrap_or_default();
        let is_touched = |bid: &Bid| meta.get(usize::from(*bid)).is_some_and(|meta| meta.touched);
        let mut cold: Vec<Bid> = self.ring.last(spare).filter(is_touched).collect();
        if !cold.is_empty() || unneeded.iter().any(is_touched) {
            cold.extend(self.ring.last(spare).filter(|bid| !is_touched(bid)));
            cold.extend_from_slice(unneeded);
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

    fn deepest(pool: &Pool) -> u16 {
        pool.refill();
        pool.state.borrow().provided
    }

    #[test]
    fn the_ring_is_shallow_until_it_runs_dry() {
        let pool = Pool::new(200, 64).unwrap();
        assert_eq!(deepest(&pool), 16);
        (0..3).for_each(|_| pool.deepen());
        assert_eq!(deepest(&pool), 100, "half stays out of one burst's reach");
        assert!(pool.available() > 0);
    }

    #[test]
    fn the_ring_gets_shallow_again_when_little_of_it_is_drawn() {
        let pool = Pool::new(200, 64).unwrap();
        (0..2).for_each(|_| pool.deepen());
        let turn = |drawn: usize| {
            pool.refill();
            for _ in 0..drawn {
                let bid = pool.draw().unwrap();
                pool.filled(bid, 1);
                pool.give(bid);
            }
        };
        let calm = |drawn: usize| {
            (0..100).for_each(|_| turn(drawn));
            pool.trim(false);
        };
        (0..3).for_each(|_| calm(40));
        assert_eq!(deepest(&pool), 64, "that much is drawn");
        (0..4).for_each(|_| calm(3));
        assert_eq!(deepest(&pool), 16, "and the kernel holds no more");
    }

    #[test]
    fn memory_that_a_burst_took_is_given_back_once_nobody_needs_it() {
        let pool = Pool::new(200, 8192).unwrap();
        let burst: Vec<_> = (0..200).map(|_| pool.take().unwrap()).collect();
        burst.iter().for_each(|bid| pool.write(*bid, &[7; 8192]));
        burst.iter().rev().for_each(|bid| pool.give(*bid));
        // SAFETY: the buffer lies within the pool, and the test is alone.
        let byte = |bid: Bid| unsafe { *pool.at(bid).add(5000) };
        pool.trim(false);
        assert!((0..200).all(|bid| byte(bid) == 7), "all were needed just now");
        pool.trim(false);
        let given_back = (0..200).filter(|bid| byte(*bid) == 0).count();
        assert!((120..=200 - KEEP_MIN).contains(&given_back), "{given_back} buffers");
    }

    #[test]
    fn what_a_burst_leaves_in_the_ring_is_given_back_too() {
        let pool = Pool::new(400, 8192).unwrap();
        (0..4).for_each(|_| pool.deepen());
        assert_eq!(deepest(&pool), 200);
        let drawn: Vec<Bid> = (0..200).map(|_| pool.draw().unwrap()).collect();
        for bid in &drawn {
            pool.write(*bid, &[7; 8192]);
            pool.filled(*bid, 8192);
        }
        drawn.iter().rev().for_each(|bid| pool.give(*bid));
        assert_eq!(deepest(&pool), 200, "the same ones lie in it again");
        // SAFETY: the buffer lies within the pool, and the test is alone.
        let byte = |bid: Bid| unsafe { *pool.at(bid).add(5000) };
        let given_back = || drawn.iter().filter(|bid| byte(**bid) == 0).count();
        (0..6).for_each(|_| pool.trim(false));
        assert_eq!(given_back(), 0, "the kernel may have written into them");
        pool.trim(true);
        assert!((160..=184).contains(&given_back()), "{} buffers", given_back());
        let next: Vec<Bid> = (0..16).map(|_| pool.draw().unwrap()).collect();
        assert!(next.iter().all(|bid| byte(*bid) == 7), "what is drawn next is kept");
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
