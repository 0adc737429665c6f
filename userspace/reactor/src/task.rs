//! Tasks: a slab of futures and a queue of those that are ready. Spawning allocates the future once; polling and
//! waking allocate nothing.

use crate::waker::TaskKey;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Waker;

/// A future that the reactor owns.
pub(crate) type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Places that are kept whether taken or not.
const SPARE_MIN: usize = 128;

/// The index of the future given to `Reactor::run`, which lives on the stack and not here.
pub(crate) const MAIN: TaskKey = TaskKey { index: 0, generation: 0 };

struct Entry {
    future: Option<Boxed>,
    generation: u16,
    taken: bool,
    queued: bool,
}

/// All tasks of one reactor.
pub(crate) struct Tasks {
    entries: Vec<Entry>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    live: u32,
    /// Who wants to know when a task ends: listeners that hold back.
    pub(crate) ends: Vec<Waker>,
}

impl Default for Tasks {
    fn default() -> Tasks {
        let main = Entry { future: None, generation: MAIN.generation, taken: true, queued: false };
        Tasks { entries: vec![main], free: Vec::new(), ready: VecDeque::new(), live: 0, ends: Vec::new() }
    }
}

impl Tasks {
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes a future in and makes it ready. Nothing comes back once four billion tasks live.
    pub(crate) fn insert(&mut self, future: Boxed) -> Option<TaskKey> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry { future: None, generation: 0, taken: false, queued: false });
                index
            }
        };
        let entry = self.entries.get_mut(index as usize)?;
        entry.future = Some(future);
        entry.taken = true;
        let key = TaskKey { index, generation: entry.generation };
        self.live += 1;
        self.schedule(key);
        Some(key)
    }

    /// Makes a task ready, unless it is already or is gone.
    #[inline]
    pub(crate) fn schedule(&mut self, key: TaskKey) {
        if let Some(entry) = self.entries.get_mut(key.index as usize)
            && entry.taken
            && entry.generation == key.generation
            && !entry.queued
        {
            entry.queued = true;
            self.ready.push_back(key.index);
        }
    }

    pub(crate) fn schedule_all(&mut self) {
        for index in 0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX) {
            if let Some(entry) = self.entries.get(index as usize) {
                self.schedule(TaskKey { index, generation: entry.generation });
            }
        }
    }

    /// Takes the next ready task with its future; the main task has none.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(TaskKey, Option<Boxed>)> {
        let index = self.ready.pop_front()?;
        let entry = self.entries.get_mut(index as usize)?;
        entry.queued = false;
        Some((TaskKey { index, generation: entry.generation }, entry.future.take()))
    }

    /// Puts a future back that is not finished.
    #[inline]
    pub(crate) fn put(&mut self, key: TaskKey, future: Boxed) {
        if let Some(entry) = self.entries.get_mut(key.index as usize) {
            entry.future = Some(future);
        }
    }

    /// Forgets a task that is finished, whose future the caller holds.
    pub(crate) fn finish(&mut self, key: TaskKey) {
        if let Some(entry) = self.entries.get_mut(key.index as usize) {
            entry.generation = entry.generation.wrapping_add(1);
            entry.taken = false;
            // If the task woke itself in its last poll its index is still queued, and the next owner of the index is
            // polled once for nothing.
            self.free.push(key.index);
            self.live -= 1;
        }
    }

    /// Gives back the places that a burst took, as far as none behind them is taken. From then on the first free one is
    /// taken first, so that the rest becomes free in time.
    pub(crate) fn trim(&mut self) {
        if self.entries.len() < SPARE_MIN + 2 * self.live as usize {
            return;
        }
        let taken = self.entries.iter().rposition(|entry| entry.taken || entry.queued);
        let left = taken.map_or(0, |last| last + 1);
        self.entries.truncate(left);
        self.free.retain(|index| (*index as usize) < left);
        self.free.sort_unstable_by(|one, other| other.cmp(one));
        self.entries.shrink_to_fit();
        self.free.shrink_to_fit();
        self.ready.shrink_to_fit();
    }

    /// Takes all futures out, for the end of the reactor.
    pub(crate) fn clear(&mut self) -> Vec<Boxed> {
        let futures = self.entries.iter_mut().filter_map(|e| e.future.take()).collect();
        *self = Tasks::default();
        futures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> Boxed {
        Box::pin(std::future::pending())
    }

    #[test]
    fn a_task_is_queued_once_however_often_it_is_woken() {
        let mut tasks = Tasks::default();
        let key = tasks.insert(idle()).unwrap();
        tasks.schedule(key);
        tasks.schedule(key);
        let (next, future) = tasks.next().unwrap();
        assert_eq!(next, key);
        assert!(tasks.next().is_none());
        tasks.put(key, future.unwrap());
        tasks.schedule(key);
        assert_eq!(tasks.ready(), 1);
    }

    #[test]
    fn a_stale_key_wakes_nobody() {
        let mut tasks = Tasks::default();
        let old = tasks.insert(idle()).unwrap();
        assert!(tasks.next().is_some());
        tasks.finish(old);
        let new = tasks.insert(idle()).unwrap();
        assert_eq!(old.index, new.index);
        assert!(tasks.next().is_some());
        tasks.schedule(old);
        assert_eq!(tasks.ready(), 0);
        assert_eq!(tasks.live(), 1);
    }

    #[test]
    fn what_a_burst_took_is_given_back_and_what_lives_stays() {
        let mut tasks = Tasks::default();
        let keys: Vec<_> = (0..1000).map(|_| tasks.insert(idle()).unwrap()).collect();
        while let Some((key, future)) = tasks.next() {
            if let (false, Some(future)) = (keys[30..].contains(&key), future) {
                tasks.put(key, future);
            }
        }
        tasks.trim();
        assert_eq!(tasks.entries.len(), 1001, "nothing is free yet");
        keys[30..].iter().for_each(|key| tasks.finish(*key));
        tasks.trim();
        assert_eq!((tasks.entries.len(), tasks.live()), (31, 30));
        tasks.finish(keys[3]);
        tasks.finish(keys[7]);
        assert_eq!(tasks.insert(idle()).unwrap().index, keys[7].index);
        assert!(tasks.insert(idle()).is_some() && tasks.insert(idle()).is_some());
        assert_eq!((tasks.entries.len(), tasks.live()), (32, 31));
        tasks.schedule(keys[999]);
        assert_eq!(tasks.ready(), 3, "a key of a place that is gone wakes nobody");
    }

    #[test]
    fn a_task_woken_in_its_last_poll_leaves_the_queue_in_order() {
        let mut tasks = Tasks::default();
        let key = tasks.insert(idle()).unwrap();
        let (_, future) = tasks.next().unwrap();
        tasks.schedule(key);
        drop(future);
        tasks.finish(key);
        let (next, future) = tasks.next().unwrap();
        assert!(future.is_none(), "nothing is left to poll");
        assert_ne!(next, key);
        let again = tasks.insert(idle()).unwrap();
        assert_eq!(tasks.next().unwrap().0, again);
    }
}
