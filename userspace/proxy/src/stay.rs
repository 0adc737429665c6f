//! How long tunnels may stay. They hold no plan: each plan is asked by name whether it still has what led to them.
use crate::{desk::Desk, late::Late};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use weir_plan::Names;
use weir_reactor::unless;

/// What led to a tunnel: a route, unless a listener's bytes are carried, and its upstream.
type Led = (Option<Arc<str>>, Arc<str>);

/// Shared by all tunnels of a worker to which the same has led.
#[derive(Default)]
pub(crate) struct Stay {
    until: Cell<Option<Instant>>,
}

/// The stays of one worker that no plan has ended yet.
#[derive(Default)]
pub(crate) struct Stays(RefCell<HashMap<Led, Rc<Stay>>>);

impl Stay {
    /// When tunnels are cut; nothing as long as plans have what led to them.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until.get()
    }

    /// Runs a tunnel to its end. Nothing comes back if its time is over before.
    pub(crate) async fn hold<T>(&self, desk: &Rc<Desk>, tunnel: impl Future<Output = T>) -> Option<T> {
        let mut late = Late::default();
        unless(|cx| late.poll(desk, cx, || self.until()), tunnel).await.ok()
    }
}

impl Stays {
    /// The stay of a tunnel that begins; one that no plan has any more what led to ends at that moment.
    pub(crate) fn begin(&self, names: &Names, led: Led, end: impl FnOnce() -> Instant) -> Rc<Stay> {
        if names.have(led.0.as_deref(), &led.1) {
            return Rc::clone(self.0.borrow_mut().entry(led).or_default());
        }
        Rc::new(Stay { until: Cell::new(Some(end())) })
    }

    /// Ends those to which nothing leads by a new plan; whether there are any.
    pub(crate) fn review(&self, names: &Names, until: Instant) -> bool {
        let mut stays = self.0.borrow_mut();
        let before = stays.len();
        stays.retain(|(route, upstream), stay| {
            let stays = names.have(route.as_deref(), upstream);
            stay.until.set(Some(until).filter(|_| !stays));
            stays
        });
        stays.len() < before
    }

    /// Forgets those that no tunnel needs.
    pub(crate) fn trim(&self) {
        self.0.borrow_mut().retain(|_, stay| Rc::strong_count(stay) > 1);
    }
}
