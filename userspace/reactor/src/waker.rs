//! Wakers without reference counts: a waker is one word naming reactor and task, so cloning copies and dropping
//! does nothing. A word that outlives its task wakes nobody, or at worst another task once too often.

use crate::{here, inbox};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// A task's name within its reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskKey {
    pub(crate) index: u32,
    pub(crate) generation: u16,
}

const _: () = assert!(usize::BITS == 64, "a waker's word holds reactor, generation and index");

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

/// The waker of a task.
pub(crate) fn waker(reactor: u16, task: TaskKey) -> Waker {
    let word = usize::from(reactor) << 48 | usize::from(task.generation) << 32 | task.index as usize;
    // SAFETY: the table's functions use the data as a number only, so they are sound on every thread and for ever.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(word), &TABLE)) }
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &TABLE)
}

#[expect(clippy::cast_possible_truncation, reason = "the three parts of the word")]
fn wake(data: *const ()) {
    let word = data.addr();
    let reactor = (word >> 48) as u16;
    let task = TaskKey { generation: (word >> 32) as u16, index: word as u32 };
    let local = here::try_with(|hub| {
        let mine = hub.id == reactor;
        if mine {
            hub.tasks.borrow_mut().schedule(task);
        }
        mine
    });
    if local != Some(true) {
        inbox::wake(reactor, task);
    }
}

fn drop(_: *const ()) {}
