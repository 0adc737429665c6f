//! The timer wheel: seven levels of 64 slots over millisecond ticks. Insert and cancel are O(1) whatever the number of
//! timers; the next expiry is found in one bitmap per level.

use std::task::Waker;

const LEVELS: u32 = 7;
const SLOTS: usize = 64;
const NONE: u32 = u32::MAX;
/// The last tick, 139 years after the start; whatever is later fires then.
const SPAN: u64 = (1 << (6 * LEVELS)) - 1;

/// Places that are kept whether set or not.
const SPARE_MIN: usize = 128;

/// A timer's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

struct Entry {
    /// Neighbours in the slot's list; `next` links the free list too.
    next: u32,
    previous: u32,
    generation: u32,
    level: u8,
    slot: u8,
    tick: u64,
    waker: Option<Waker>,
}

struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

/// All timers of one reactor.
pub(crate) struct Wheel {
    now: u64,
    levels: Vec<Level>,
    entries: Vec<Entry>,
    free: u32,
    live: u32,
    /// The generation of a place that is made: beyond that of any key to a place that is gone.
    youngest: u32,
}

impl Default for Wheel {
    fn default() -> Wheel {
        let levels = (0..LEVELS).map(|_| Level { occupied: 0, heads: [NONE; SLOTS] }).collect();
        Wheel { now: 0, levels, entries: Vec::new(), free: NONE, live: 0, youngest: 0 }
    }
}

impl Wheel {
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Sets a timer that wakes at `tick`, or at the next advance if that has passed.
    pub(crate) fn insert(&mut self, tick: u64, waker: Waker) -> Option<TimerKey> {
        let tick = tick.clamp(self.now + 1, SPAN);
        let index = self.vacant()?;
        let entry = self.entries.get_mut(index as usize)?;
        entry.tick = tick;
        entry.waker = Some(waker);
        let generation = entry.generation;
        self.link(index, tick);
        self.live += 1;
        Some(TimerKey { index, generation })
    }

    /// Changes whom a timer wakes; false if it has fired.
    pub(crate) fn rewake(&mut self, key: TimerKey, waker: &Waker) -> bool {
        match self.entries.get_mut(key.index as usize) {
            Some(Entry { generation, waker: Some(old), .. }) if *generation == key.generation => {
                old.clone_from(waker);
                true
            }
            _ => false,
        }
    }

    /// Takes a timer back; false if it has fired.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> bool {
        let Some(entry) = self.entries.get(key.index as usize) else { return false };
        if entry.generation != key.generation || entry.waker.is_none() {
            return false;
        }
        self.unlink(key.index);
        self.release(key.index).is_some()
    }

    /// The tick at which the wheel wants to be advanced next: that of the next timer, or a little before it.
    pub(crate) fn next(&self) -> Option<u64> {
        self.soonest().map(|(_, _, tick)| tick)
    }

    /// Moves time on and hands over every timer that is due.
    pub(crate) fn advance(&mut self, to: u64, fired: &mut Vec<Waker>) {
        while let Some((level, slot, tick)) = self.soonest()
            && tick <= to
        {
            self.now = self.now.max(tick);
            let mut index = self.take(level, slot);
            while let Some(entry) = self.entries.get(index as usize) {
                let (next, due) = (entry.next, entry.tick);
                if due <= self.now {
                    fired.extend(self.release(index));
                } else {
                    self.link(index, due);
                }
                index = next;
            }
        }
        self.now = self.now.max(to);
    }

    /// Gives back the places that a burst of timers took, as far as none behind them is set.
    pub(crate) fn trim(&mut self) {
        if self.entries.len() < SPARE_MIN + 2 * self.live as usize {
            return;
        }
        let set = self.entries.iter().rposition(|entry| entry.waker.is_some());
        let gone = self.entries.split_off(set.map_or(0, |last| last + 1));
        let oldest = gone.iter().map(|entry| entry.generation).max();
        self.youngest = self.youngest.max(oldest.map_or(0, |oldest| oldest.wrapping_add(1)));
        self.free = NONE;
        for index in (0..u32::try_from(self.entries.len()).unwrap_or(NONE)).rev() {
            if let Some(entry) = self.entries.get_mut(index as usize).filter(|entry| entry.waker.is_none()) {
                entry.next = std::mem::replace(&mut self.free, index);
            }
        }
        self.entries.shrink_to_fit();
    }

    /// The first occupied slot of the lowest occupied level, and the tick at which it begins.
    fn soonest(&self) -> Option<(usize, usize, u64)> {
        let (at, level) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        let slot = level.occupied.trailing_zeros();
        let shift = 6 * at;
        let above = self.now >> (shift + 6) << (shift + 6);
        Some((at, slot as usize, above + (u64::from(slot) << shift)))
    }

    fn vacant(&mut self) -> Option<u32> {
        if let Some(entry) = self.entries.get(self.free as usize) {
            return Some(std::mem::replace(&mut self.free, entry.next));
        }
        let index = u32::try_from(self.entries.len()).ok().filter(|i| *i != NONE)?;
        let (level, slot) = (0, 0);
        self.entries.push(Entry {
            next: NONE,
            previous: NONE,
            generation: self.youngest,
            level,
            slot,
            tick: 0,
            waker: None,
        });
        Some(index)
    }

    fn release(&mut self, index: u32) -> Option<Waker> {
        let free = self.free;
        let entry = self.entries.get_mut(index as usize)?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        self.free = index;
        self.live -= 1;
        entry.waker.take()
    }

    /// Puts an entry at the head of the slot where its tick belongs: the level is that of the highest digit, in base
    /// 64, in which the tick differs from now. All digits above are equal, so a level never wraps around.
    #[expect(clippy::cast_possible_truncation, reason = "a level is below 7, a slot below 64")]
    fn link(&mut self, index: u32, tick: u64) {
        let digit = (63 - ((self.now ^ tick) | 63).leading_zeros()) / 6;
        let level = digit.min(LEVELS - 1);
        let slot = (tick >> (6 * level)) as usize % SLOTS;
        let Some(place) = self.levels.get_mut(level as usize) else { return };
        place.occupied |= 1 << slot;
        let Some(head) = place.heads.get_mut(slot) else { return };
        let next = std::mem::replace(head, index);
        if let Some(entry) = self.entries.get_mut(next as usize) {
            entry.previous = index;
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            (entry.next, entry.previous) = (next, NONE);
            (entry.level, entry.slot) = (level as u8, slot as u8);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entries.get(index as usize) else { return };
        let (next, previous) = (entry.next, entry.previous);
        let (level, slot) = (usize::from(entry.level), usize::from(entry.slot));
        if let Some(entry) = self.entries.get_mut(next as usize) {
            entry.previous = previous;
        }
        if let Some(entry) = self.entries.get_mut(previous as usize) {
            entry.next = next;
        } else if let Some(place) = self.levels.get_mut(level)
            && let Some(head) = place.heads.get_mut(slot)
        {
            *head = next;
            if next == NONE {
                place.occupied &= !(1 << slot);
            }
        }
    }

    /// Empties a slot and returns the head of its list.
    fn take(&mut self, level: usize, slot: usize) -> u32 {
        let Some(place) = self.levels.get_mut(level) else { return NONE };
        place.occupied &= !(1 << slot);
        place.heads.get_mut(slot).map_or(NONE, |head| std::mem::replace(head, NONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Advances step by step, as the loop does, and says at which ticks something fired.
    fn run(wheel: &mut Wheel, until: u64) -> Vec<(u64, usize)> {
        let mut fires = Vec::new();
        while let Some(tick) = wheel.next().filter(|t| *t <= until) {
            let mut fired = Vec::new();
            wheel.advance(tick, &mut fired);
            if !fired.is_empty() {
                fires.push((tick, fired.len()));
            }
        }
        wheel.advance(until, &mut Vec::new());
        fires
    }

    #[test]
    fn every_timer_fires_at_its_tick_and_never_before() {
        let ticks = [1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262_143, 262_144, 1 << 30, (1 << 36) + 5];
        for begin in [0, 1, 63, 64, 4095, 5000] {
            let mut wheel = Wheel::default();
            wheel.advance(begin, &mut Vec::new());
            for tick in ticks {
                wheel.insert(begin + tick, Waker::noop().clone()).unwrap();
            }
            let expect: Vec<_> = ticks.iter().map(|t| (begin + t, 1)).collect();
            assert_eq!(run(&mut wheel, 1 << 40), expect, "from {begin}");
            assert_eq!(wheel.live(), 0);
        }
    }

    #[test]
    fn a_jump_over_many_ticks_fires_all_of_them() {
        let mut wheel = Wheel::default();
        for tick in 1..10_000 {
            wheel.insert(tick, Waker::noop().clone()).unwrap();
        }
        let mut fired = Vec::new();
        wheel.advance(9_000, &mut fired);
        assert_eq!(fired.len(), 9_000);
        wheel.advance(10_000, &mut fired);
        assert_eq!(fired.len(), 9_999);
    }

    #[test]
    fn a_past_or_endless_tick_is_kept_within_the_wheel() {
        let mut wheel = Wheel::default();
        wheel.advance(500, &mut Vec::new());
        wheel.insert(3, Waker::noop().clone()).unwrap();
        let far = wheel.insert(u64::MAX, Waker::noop().clone()).unwrap();
        assert_eq!(run(&mut wheel, 1000), [(501, 1)]);
        assert!(wheel.cancel(far));
    }

    #[test]
    fn cancelled_timers_do_not_fire_and_their_keys_die() {
        let mut wheel = Wheel::default();
        let keys: Vec<_> = (1..=300).map(|t| wheel.insert(t, Waker::noop().clone()).unwrap()).collect();
        for key in keys.iter().step_by(2) {
            assert!(wheel.cancel(*key));
            assert!(!wheel.cancel(*key));
        }
        let fires = run(&mut wheel, 1000);
        assert_eq!(fires.len(), 150);
        assert!(fires.iter().all(|(tick, n)| tick % 2 == 0 && *n == 1));
        assert!(keys.iter().all(|key| !wheel.cancel(*key) && !wheel.rewake(*key, Waker::noop())));
    }

    #[test]
    fn what_a_burst_took_is_given_back_and_old_keys_stay_dead() {
        let mut wheel = Wheel::default();
        let set = |wheel: &mut Wheel, tick| wheel.insert(tick, Waker::noop().clone()).unwrap();
        let keys: Vec<_> = (1..=1000).map(|tick| set(&mut wheel, tick)).collect();
        wheel.trim();
        assert_eq!(wheel.entries.len(), 1000, "all are set");
        keys[10..].iter().chain(&keys[..5]).for_each(|key| assert!(wheel.cancel(*key)));
        wheel.trim();
        assert_eq!((wheel.entries.len(), wheel.live()), (10, 5));
        let again: Vec<_> = (1..=995).map(|tick| set(&mut wheel, tick)).collect();
        assert_eq!(wheel.entries.len(), 1000, "what was free is taken first");
        assert!(keys[10..].iter().chain(&keys[..5]).all(|key| !wheel.cancel(*key)));
        let fires = run(&mut wheel, 2000);
        assert_eq!(fires.iter().map(|(_, count)| count).sum::<usize>(), 1000);
        assert!(again.iter().all(|key| !wheel.cancel(*key)));
    }

    #[test]
    fn a_timer_wakes_whom_it_was_last_told() {
        let (old, new) = (Arc::new(Count(AtomicU64::new(0))), Arc::new(Count(AtomicU64::new(0))));
        let mut wheel = Wheel::default();
        let key = wheel.insert(5, Arc::clone(&old).into()).unwrap();
        assert!(wheel.rewake(key, &Arc::clone(&new).into()));
        let mut fired = Vec::new();
        wheel.advance(5, &mut fired);
        fired.into_iter().for_each(Waker::wake);
        assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
    }

    /// Against a sorted list, with a seeded mixture of inserts, cancels and advances.
    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "any index will do")]
    fn the_wheel_agrees_with_a_sorted_list() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let (mut wheel, mut list, mut now) = (Wheel::default(), Vec::new(), 0);
        for _ in 0..20_000 {
            match random() % 4 {
                0 | 1 => {
                    let tick = now + 1 + random() % (1 << (random() % 24));
                    list.push((tick, wheel.insert(tick, Waker::noop().clone()).unwrap()));
                }
                2 if !list.is_empty() => {
                    let (_, key) = list.swap_remove(random() as usize % list.len());
                    assert!(wheel.cancel(key));
                }
                _ => {
                    now += random() % 2000;
                    let due = list.iter().filter(|(tick, _)| *tick <= now).count();
                    list.retain(|(tick, _)| *tick > now);
                    let mut fired = Vec::new();
                    wheel.advance(now, &mut fired);
                    assert_eq!(fired.len(), due);
                    assert!(wheel.next().is_none_or(|next| next > now));
                }
            }
            assert_eq!(wheel.live() as usize, list.len());
        }
    }
}
