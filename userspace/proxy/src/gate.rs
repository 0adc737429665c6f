//! Where a worker accepts, and how long what came in may stay once the address is given up.
use crate::{desk::Desk, late::Late, snapshot::Snapshot};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use weir_plan::listener::Bind;
use weir_reactor::unless;
use weir_wire::Reason;

/// One address of a worker, shared by all connections that came in there. Their listener is whichever has this address
/// in the plan, so it may change its name and settings under them.
pub(crate) struct Gate {
    pub(crate) bind: Bind,
    end: RefCell<Option<End>>,
}

/// What holds at an address that is given up.
struct End {
    /// When the last connections are cut.
    until: Instant,
    /// The last plan in which it is named: by it the exchanges end that were on their way.
    snapshot: Rc<Snapshot>,
}

impl Gate {
    pub(crate) fn new(bind: Bind) -> Rc<Gate> {
        Rc::new(Gate { bind, end: RefCell::default() })
    }

    /// Nothing is accepted any more, and connections should end after the exchange they are in.
    pub(crate) fn is_shut(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Gives the address up.
    pub(crate) fn shut(&self, until: Instant, snapshot: &Rc<Snapshot>) {
        *self.end.borrow_mut() = Some(End { until, snapshot: Rc::clone(snapshot) });
    }

    /// The plan by which a request is served that came in here.
    pub(crate) fn snapshot(&self, desk: &Desk) -> Rc<Snapshot> {
        self.end.borrow().as_ref().map_or_else(|| desk.snapshot(), |end| Rc::clone(&end.snapshot))
    }

    /// When the last connections are cut.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.end.borrow().as_ref().map(|end| end.until)
    }

    /// Runs a connection to its end, or until its time is over or its client is banned.
    pub(crate) async fn hold<F: Future<Output = ()>>(
        self: Rc<Self>,
        desk: Rc<Desk>,
        peer: IpAddr,
        connection: impl FnOnce() -> F,
    ) {
        let mut expulsions = desk.expulsions();
        let mut late = Late::default();
        let stop = |cx: &mut Context<'_>| {
            if expulsions != desk.expulsions() {
                expulsions = desk.expulsions();
                if desk.crowd.is_barred(peer) {
                    desk.block.refuse(Reason::Banned as u8);
                    return Poll::Ready(());
                }
            }
            late.poll(&desk, cx, || self.until())
        };
        // Whether it has ended or was ended, it is over.
        let _over = unless(stop, connection()).await;
    }
}
