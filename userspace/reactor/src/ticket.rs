//! Wake-ups of many that one task attends to: each waits under a number, and the task learns whose turn it is. What only
//! waits needs no task of its own so.

use crate::here;
use std::future::poll_fn;
use std::mem::take;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

/// The tickets that were called, and who attends to them.
#[derive(Default)]
pub(crate) struct Tickets {
    called: Vec<u32>,
    attendant: Option<Waker>,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, call, call, drop);

/// A waker that calls this ticket. It is for streams and timers of the current reactor; on another thread it does nothing.
#[must_use]
pub fn ticket(number: u32) -> Waker {
    // SAFETY: the table's functions use the data as a number only, so they are sound on every thread and for ever.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(number as usize), &TABLE)) }
}

/// Waits until tickets are called, and gives out their numbers: each as often as it was called, whatever became of it.
/// `into` is empty and lends its memory. One task at a time.
pub async fn called(into: &mut Vec<u32>) {
    poll_fn(|cx| {
        here::with(|hub| {
            let mut tickets = hub.tickets.borrow_mut();
            if tickets.called.is_empty() {
                tickets.attendant = Some(cx.waker().clone());
                return Poll::Pending;
            }
            std::mem::swap(into, &mut tickets.called);
            Poll::Ready(())
        })
    })
    .await;
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &TABLE)
}

fn call(data: *const ()) {
    let number = u32::try_from(data.addr()).unwrap_or(u32::MAX);
    let attendant = here::try_with(|hub| {
        let mut tickets = hub.tickets.borrow_mut();
        tickets.called.push(number);
        take(&mut tickets.attendant)
    });
    if let Some(Some(attendant)) = attendant {
        attendant.wake();
    }
}

fn drop(_: *const ()) {}
