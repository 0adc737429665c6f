//! The reactor that runs on this thread, for functions that are called from inside it.

use crate::hub::Hub;
use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

thread_local! {
    static HERE: Cell<*const Hub> = const { Cell::new(ptr::null()) };
}

/// While this lives, its hub is the current one on this thread.
pub(crate) struct Here {
    before: *const Hub,
    _hub: Rc<Hub>,
}

impl Here {
    pub(crate) fn enter(hub: &Rc<Hub>) -> Here {
        Here { before: HERE.replace(Rc::as_ptr(hub)), _hub: Rc::clone(hub) }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(self.before);
    }
}

/// Calls with the current hub, if there is one.
#[inline]
pub(crate) fn try_with<T>(f: impl FnOnce(&Hub) -> T) -> Option<T> {
    let hub = HERE.get();
    // SAFETY: the pointer is either null or of the hub that the innermost `Here` on this thread keeps alive.
    unsafe { hub.as_ref() }.map(f)
}

/// Calls with the current hub.
///
/// # Panics
/// As [`hub`].
#[inline]
#[expect(clippy::expect_used, reason = "there is no reactor to report to")]
pub(crate) fn with<T>(f: impl FnOnce(&Hub) -> T) -> T {
    try_with(f).expect("this is called inside Reactor::run only")
}

/// The current hub, to be kept.
///
/// # Panics
/// Outside a running reactor, which is a mistake of the program and not of its input.
#[expect(clippy::expect_used, reason = "there is no reactor to report to")]
pub(crate) fn hub() -> Rc<Hub> {
    let hub = HERE.get();
    assert!(!hub.is_null(), "this is called inside Reactor::run only");
    // SAFETY: the pointer came from an Rc that the innermost `Here` on this thread still holds, so the count is at
    // least one and stays so while it is raised.
    try_with(|_| unsafe {
        Rc::increment_strong_count(hub);
        Rc::from_raw(hub)
    })
    .expect("checked above")
}
