//! A moment that is set only once something has to end, awaited by a task that has other things to do until then.
use crate::desk::{Desk, Enlisted};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use weir_reactor::{Sleep, sleep_until};

/// What a task needs to wait for it.
#[derive(Default)]
pub(crate) struct Late {
    /// The task's place among those that are woken when there is reason to ask again.
    entry: Option<Enlisted>,
    sleep: Option<Sleep>,
}

impl Late {
    /// Ready when the moment has come. It is asked for until it is set, and holds from then on.
    pub(crate) fn poll(
        &mut self,
        desk: &Rc<Desk>,
        cx: &mut Context<'_>,
        moment: impl FnOnce() -> Option<Instant>,
    ) -> Poll<()> {
        self.entry.get_or_insert_with(|| desk.enlist(cx.waker()));
        if self.sleep.is_none() {
            self.sleep = moment().map(sleep_until);
        }
        self.sleep.as_mut().map_or(Poll::Pending, |sleep| pin!(sleep).poll(cx))
    }
}
