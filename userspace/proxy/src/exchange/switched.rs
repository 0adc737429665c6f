//! What is left of an exchange that has switched protocols: a WebSocket, and what is told of it at its end. It holds nothing of
//! the plan, so that one that lasts for days keeps no earlier configuration in memory.
use super::{Ends, Exchange, Record, Scratch, attempt::Terms, join, join::Down, tell};
use crate::{
    fault::{Broken, Fault},
    h2::trunk::{Answer, Upload},
    half::{Sink, Source},
    line::Line,
    log,
    stream::Stream,
    tunnel,
    upstream::{Carried, Link, Pool},
};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use weir_policy::{Chain, Client};
use weir_reactor::{nest, now};

/// What leads to the target.
pub(super) enum Up {
    /// A connection of its own.
    Link(Box<Link>),
    /// A stream of one.
    Call(Box<(Answer, Upload)>),
}

/// An agreement to switch.
pub(super) struct Switch {
    up: Up,
    idle: Duration,
    route: Arc<str>,
    upstream: Arc<str>,
    /// The target carries it as long as it lasts.
    pub(super) carried: Option<Carried>,
}

impl Switch {
    pub(super) fn new(up: Up, pool: &Pool, terms: &Terms<'_>) -> Box<Switch> {
        let (route, upstream) = (Arc::clone(&terms.route.name), Arc::clone(&pool.upstream.name));
        Box::new(Switch { up, idle: terms.timeouts.idle, route, upstream, carried: None })
    }
}

/// An exchange that has switched.
pub(crate) struct Switched {
    switch: Box<Switch>,
    record: Record,
    listener: Arc<str>,
    client: Client,
    /// The policies that have judged it, if they have found anything.
    chain: Option<Arc<Chain>>,
}

impl<S: Source, K: Sink> Exchange<'_, S, K> {
    /// Leaves the plan behind: for its policies the request is over.
    pub(super) fn switched(mut self, switch: Box<Switch>) -> Box<Switched> {
        self.conclude();
        let chain = self.chain.filter(|_| !self.pass.offences().is_empty()).cloned();
        let (listener, client) = (Arc::clone(&self.listener.name), self.client);
        Box::new(Switched { switch, record: self.record, listener, client, chain })
    }
}

/// Carries bytes both ways until both sides have ended or the time is over, and counts the exchange.
pub(crate) async fn go_on<S: Source, K: Sink>(
    line: &Line,
    mut scratch: Box<Scratch>,
    halves: (&mut S, &mut K),
) -> Ends {
    let Some(mut switched) = scratch.switched.take() else { return Ends::Close };
    let stay = line.desk.stay(Some(&switched.switch.route), &switched.switch.upstream);
    line.stay.get_or_init(|| Rc::clone(&stay));
    let begun = now();
    let ended = nest(stay.hold(&line.desk, switched.carry(line, halves))).await;
    let fault = match ended {
        Some(Ok(())) => None,
        Some(Err(broken)) => Some(broken.of_upstream()),
        None => Some(Fault::Overdue),
    };
    let tunnelled = now().saturating_duration_since(begun);
    switched.finish(line, &scratch, (fault.as_ref(), tunnelled));
    line.desk.return_scratch(scratch);
    match fault {
        None => Ends::Close,
        Some(fault) if fault.blames_upstream() => Ends::Cut,
        Some(_) => Ends::Abort,
    }
}

impl Switched {
    async fn carry<S: Source, K: Sink>(
        &mut self,
        line: &Line,
        (source, sink): (&mut S, &mut K),
    ) -> Result<(), Broken> {
        let (pace, tally) = ((line, self.switch.idle), &self.record.tally);
        let (early, stream) = (source.take_rest(), sink.stream());
        match (&mut self.switch.up, &stream) {
            (Up::Link(link), Some(down)) => {
                let up: (&Stream, _) = (&link.stream, link.inflow.take_rest());
                // Whichever of the two has broken off, that is how such a connection ends.
                let _ended = tunnel::run_websocket((down, early), up, pace, tally).await;
                Ok(())
            }
            (Up::Link(link), None) => {
                let early = link.inflow.take_rest();
                nest(join::run((source, sink), (&link.stream, early), pace, tally)).await
            }
            (Up::Call(call), Some(down)) => {
                let (answer, upload) = &mut **call;
                let down = Down::<S, K>::Line(down, early);
                nest(join::with_call(down, (answer, upload), pace, tally)).await
            }
            (Up::Call(call), None) => {
                let (answer, upload) = &mut **call;
                nest(join::with_call(Down::Halves(source, sink), (answer, upload), pace, tally)).await
            }
        }
    }

    /// Counts it and tells of it, as the plan says that is in force by now.
    fn finish(&mut self, line: &Line, scratch: &Scratch, (fault, tunnelled): (Option<&Fault>, Duration)) {
        let record = &mut self.record;
        record.error = fault.map(Fault::as_str);
        record.waited(tunnelled);
        let total_ns = record.count(line, &scratch.request);
        let entry = log::Entry {
            listener: &self.listener,
            line,
            request: &scratch.request,
            client: &self.client,
            pass: &scratch.pass,
            chain: self.chain.as_deref(),
            route: &self.switch.route,
            status: record.status,
            error: record.error,
            total_ns,
            upstream_ns: record.upstream_ns,
            tally: &record.tally,
            keeps: false,
        };
        tell(&line.snapshot().plan, record.own.as_deref(), &entry);
    }
}
