//! One upstream asked: a target is chosen, a connection taken, the request sent and the answer passed on.
use super::{
    Exchange,
    course::Course,
    onward::{Change, Onward},
    pump,
    replay::Replay,
    switched::{Switch, Up},
    upgrade,
};
use crate::{
    client::{canonical, is_trusted},
    fault::{Broken, Fault},
    forward, grpc,
    h2::trunk::Call,
    half::{Answering, Asking, Sink, Source},
    target, trace,
    upstream::{Link, Pool},
    way::Way,
};
use std::rc::Rc;
use weir_message::{Framing, h1::write_request};
use weir_meter::Count;
use weir_plan::{
    limit::{Retry, Timeouts},
    route::Route,
    router::Ask,
    upstream::Upstream,
};
use weir_reactor::{nest, now, sleep};

/// What one attempt goes by.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) timeouts: &'a Timeouts,
    pub(super) route: &'a Route,
    wants_upgrade: bool,
    /// The change of protocol is asked for as HTTP/2 does it: by a request that does not end.
    connects: bool,
    /// An answer with a status of `retry.on` is thrown away, and another target asked.
    again: bool,
}

impl<S: Source, K: Sink> Exchange<'_, S, K> {
    /// Sends the request to an upstream and its answer to the client.
    pub(super) async fn ask(&mut self, route: &Route, upstream: &Upstream) -> Result<(), Fault> {
        let snapshot = self.snapshot;
        let pool = snapshot.pool(upstream.id).ok_or(Fault::Internal("an upstream without a pool"))?;
        let ends = (self.line.peer, self.line.local);
        forward::rewrite(self.request, self.listener, ends, self.client.address.into());
        if let Some(bearer) = &self.line.bearer {
            forward::present(&mut self.request.head, bearer);
        }
        self.join_trace();
        self.rewrite(route)?;
        let wants_upgrade = route.upgrade && upgrade::prepare(self.request);
        if upgrade::must_tunnel(self.request) && !wants_upgrade {
            return Err(Fault::Request(weir_message::Error::MethodRefused));
        }
        let terms =
            Terms { timeouts: route.timeouts(upstream), route, wants_upgrade, connects: false, again: false };
        self.replay = self.replay_for(route.retry(upstream));
        let deadline =
            if grpc::is_grpc(&self.request.head) { grpc::timeout(&self.request.head) } else { None };
        self.line.watch.bound(deadline.into_iter().chain(terms.timeouts.total).min());
        let begun = now();
        let result = self.ask_until_answered(pool, terms).await;
        self.line.watch.bound(None);
        let waited = now().saturating_duration_since(begun);
        self.record.waited(waited);
        result
    }

    /// The upstream sees this program as the parent in the trace.
    pub(super) fn join_trace(&mut self) {
        if self.listener.joins_traces {
            let trusted = is_trusted(canonical(self.line.peer.ip()), &self.listener.trusted_proxies);
            let ids = &self.line.desk.ids;
            let told = (self.listener.trace_formats, self.snapshot.plan.traces.as_ref());
            self.record.own = trace::join(&mut self.request.head, &mut ids.borrow_mut(), trusted, told);
            self.record.is_joined = true;
        }
    }

    /// B46: a body may be sent again if it is short, and if being asked twice does no harm.
    fn replay_for(&self, retry: &Retry) -> Replay {
        let fits = match self.request.framing {
            Framing::Length(length) => length <= retry.body_bytes_max as u64,
            framing => !framing.is_empty(),
        };
        if fits && self.request.method.is_idempotent() {
            Replay::new(retry.body_bytes_max)
        } else {
            Replay::default()
        }
    }

    /// Tries targets until one answers or no further attempt is safe.
    async fn ask_until_answered(&mut self, pool: &Rc<Pool>, terms: Terms<'_>) -> Result<(), Fault> {
        let mut course = self.begin(pool, terms.route.retry(&pool.upstream));
        loop {
            let target = target::pick(pool, course.draw, course.random, course.tried);
            let Some(target) = target else { return Err(course.last) };
            let Some(carried) = pool.carry(target) else { return Err(self.full()) };
            self.record.tally.tried(pool, target);
            let terms = Terms { again: self.may_ask_again(pool, target, &course), ..terms };
            course.tell(&mut self.request.head);
            let kept = if course.fresh_only { None } else { pool.kept(target, self.line) };
            let reached = match kept {
                Some(way) => Ok((way, true)),
                None => pool.reach(target, self.line, terms.wants_upgrade).await,
            };
            let (fault, reused) = match reached {
                Ok((way, reused)) => {
                    self.record.tally.reached(reused);
                    match self.attempt(pool, target, way, (&course, terms)).await {
                        Ok(()) => {
                            // A tunnel is carried as long as it lasts.
                            if let Some(switch) = &mut self.switch {
                                switch.carried = Some(carried);
                            }
                            return Ok(());
                        }
                        Err(fault) => (fault, reused),
                    }
                }
                Err(Fault::UpstreamFull) => return Err(self.full()),
                Err(fault) => (fault, false),
            };
            drop(carried);
            // A kept connection that the target had closed meanwhile says nothing about the target.
            if reused && matches!(fault, Fault::UpstreamGone) && self.may_repeat() {
                course.fresh_only = true;
                self.line.desk.block.add(Count::Retried, 1);
                continue;
            }
            if matches!(fault, Fault::UpstreamRefused) && !course.refused && self.is_untouched() {
                course.refused = true;
                self.line.desk.block.add(Count::UpstreamRefused, 1);
                self.line.desk.block.add(Count::Retried, 1);
                continue;
            }
            if matches!(fault, Fault::NoTunnel) && pool.lacks_sockets(target) {
                continue;
            }
            self.blame(pool, target, &fault);
            if !self.wants_another(pool, &fault, &mut course) {
                return Err(fault);
            }
            course.tried.insert(target);
            course.last = fault;
            sleep(course.wait()).await;
            self.line.desk.block.add(Count::Retried, 1);
        }
    }

    fn begin<'p>(&self, pool: &'p Pool, retry: &'p Retry) -> Course<'p> {
        let random = self.line.desk.ids.borrow_mut().random();
        let ask = Ask {
            request: self.request,
            listener: self.listener.id,
            client: self.client.address,
            sni: self.line.server_name.as_deref(),
            identity: Some(&self.pass.identity),
        };
        let (draw, sticky) = target::draw(pool, &target::Wish { ask, route: self.route, random });
        pool.budget.request(pool.ms());
        let tried = target::Tried::default();
        let (fresh_only, refused, last) = (false, false, Fault::NoTarget);
        Course { draw, random, sticky, retry, tried, retries: 0, retrying: None, fresh_only, refused, last }
    }

    fn full(&self) -> Fault {
        self.line.desk.block.add(Count::UpstreamFull, 1);
        Fault::UpstreamFull
    }

    /// A failure counts against the target.
    fn blame(&self, pool: &Pool, target: usize, fault: &Fault) {
        if let Fault::AnswerRefused(status) = fault {
            pool.answered(target, *status);
        } else if fault.blames_upstream() {
            self.line.desk.block.add(Count::UpstreamFailed, 1);
            pool.failed(target);
        }
    }

    /// Whether a further attempt is wanted after this failure, safe, and within the budget.
    fn wants_another(&self, pool: &Pool, fault: &Fault, course: &mut Course<'_>) -> bool {
        let retry = course.retry;
        let wanted = match fault {
            Fault::Connect(_) | Fault::ConnectSlow => retry.on_connect,
            Fault::UpstreamGone => retry.on_reset && self.may_repeat(),
            Fault::UpstreamSlow => retry.on_timeout && self.may_repeat(),
            Fault::AnswerRefused(_) => true,
            _ => false,
        };
        if !wanted || course.retries >= retry.attempts_max {
            return false;
        }
        course.retries += 1;
        let allowed = course.finds_room(&pool.retries) && pool.budget.retry(pool.ms(), retry.budget);
        if !allowed {
            self.line.desk.block.add(Count::RetryDenied, 1);
        }
        allowed
    }

    /// Whether an answer with one of the statuses of `retry.on` may be thrown away: only if another target can be asked.
    fn may_ask_again(&self, pool: &Pool, target: usize, course: &Course<'_>) -> bool {
        let retry = course.retry;
        if retry.on_status.is_empty() || course.retries >= retry.attempts_max || !self.may_repeat() {
            return false;
        }
        let mut tried = course.tried;
        tried.insert(target);
        let has_room = course.retrying.is_some() || pool.retries.take().is_some();
        has_room
            && pool.budget.allows(pool.ms(), retry.budget)
            && target::pick(pool, course.draw, course.random, tried).is_some()
    }

    /// B46: nothing has been said to the client, nothing of the body is gone, and asking twice does no harm.
    fn may_repeat(&self) -> bool {
        !self.sink.has_begun() && self.replay.is_whole() && self.request.method.is_idempotent()
    }

    /// RFC 9113, section 8.7: what was not acted on may be sent again, whatever its method.
    fn is_untouched(&self) -> bool {
        !self.sink.has_begun() && self.replay.is_whole()
    }

    /// One exchange with one target.
    async fn attempt(
        &mut self,
        pool: &Rc<Pool>,
        target: usize,
        way: Way,
        (course, terms): (&Course<'_>, Terms<'_>),
    ) -> Result<(), Fault> {
        let done = match way {
            Way::Link(link) => self.over_link(pool, target, link, (course, terms)).await,
            Way::Call(call) => nest(self.over_call(pool, target, call, (course, terms))).await,
        };
        // An answer that broke off before the client saw any of it is none: another may be given.
        if done.as_ref().is_err_and(Fault::blames_upstream) && self.sink.take_back() {
            self.record.tally.taken_back();
        }
        done?;
        // If the answer came before the body was read, a client that was never told to send it may not do so.
        self.record.keep &= self.source.is_done() || !self.request.expects_continue;
        Ok(())
    }

    /// One exchange over a stream of a connection.
    async fn over_call(
        &mut self,
        pool: &Pool,
        target: usize,
        call: Call,
        (course, terms): (&Course<'_>, Terms<'_>),
    ) -> Result<(), Fault> {
        let terms = Terms { connects: terms.wants_upgrade, ..terms };
        let (mut answer, mut upload) = call.begin(self.request, terms.connects)?;
        let done = self.transfer((&mut answer, &mut upload), course, terms).await;
        if matches!(done, Err(Fault::UpstreamSlow)) {
            answer.doubt();
        }
        done?;
        self.record.status = self.response.status;
        if self.response.status == 101 {
            self.switch_to(Up::Call(Box::new((answer, upload))), pool, &terms);
            return Ok(());
        }
        pool.answered(target, self.response.status);
        Ok(())
    }

    /// One exchange over a connection of its own, which is kept if it may be.
    async fn over_link(
        &mut self,
        pool: &Pool,
        target: usize,
        mut link: Box<Link>,
        (course, terms): (&Course<'_>, Terms<'_>),
    ) -> Result<(), Fault> {
        let request = &*self.request;
        link.outflow.head(request.framing, |out| write_request(request, out));
        let Link { inflow, outflow, .. } = &mut *link;
        self.transfer((inflow, outflow), course, terms).await?;
        self.record.status = self.response.status;
        if self.response.status == 101 {
            self.switch_to(Up::Link(link), pool, &terms);
            return Ok(());
        }
        pool.answered(target, self.response.status);
        let clean = self.response.persistent
            && self.source.is_done()
            && link.outflow.is_complete()
            && link.inflow.is_done()
            && !link.inflow.has_rest();
        if clean {
            pool.put(target, link);
        }
        Ok(())
    }

    /// From here on the client and the target are one: what is left to do needs no plan.
    fn switch_to(&mut self, up: Up, pool: &Pool, terms: &Terms<'_>) {
        self.record.keep = false;
        self.switch = Some(Switch::new(up, pool, terms));
    }

    /// The request to the target, the answer to the client, both at once.
    async fn transfer<I: Answering, O: Asking>(
        &mut self,
        (inflow, outflow): (&mut I, &mut O),
        course: &Course<'_>,
        terms: Terms<'_>,
    ) -> Result<(), Fault> {
        let Terms { timeouts, route, .. } = terms;
        let watch = &self.line.watch;
        let request = &*self.request;
        let progress = pump::Progress::new(request.framing.is_empty(), &self.record.tally);
        let body_max = self.body_max(route);
        let mut onward = Onward {
            line: self.line,
            listener: self.listener,
            chain: self.chain,
            client: &self.client,
            route: self.route,
            request,
            response: &mut *self.response,
            trailers: &mut *self.trailers,
            pass: &mut *self.pass,
            sink: &mut *self.sink,
            keep: &mut self.record.keep,
            again: terms.again.then_some(course.retry),
            sticky: course.sticky,
        };
        let upgrade = match (terms.wants_upgrade, terms.connects) {
            (false, _) => Change::None,
            (true, false) => Change::By101,
            (true, true) => Change::By2xx,
        };
        if request.framing.is_empty() {
            let sent = if terms.connects {
                watch.limit(timeouts.idle, outflow.flush()).await
            } else {
                watch.limit(timeouts.idle, outflow.end(None)).await
            };
            sent.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_upstream)?;
            return onward.run(inflow, timeouts, upgrade, &progress).await;
        }
        let bounds = pump::Bounds {
            body_max,
            idle: timeouts.idle,
            // A call of gRPC may say something now and then, as long as it lasts.
            per_second_min: if grpc::is_grpc(&request.head) {
                0
            } else {
                self.listener.limits.body_bytes_per_second_min
            },
            may_wait: request.expects_continue,
        };
        let out = (outflow, &mut *self.trailers_up);
        let body = (&mut *self.source, &mut self.replay);
        // Most requests have no body, and need no room for what moves one.
        let upload = nest(pump::upload(body, out, watch, bounds, &progress));
        let answer = nest(onward.run(inflow, timeouts, upgrade, &progress));
        pump::both(upload, answer).await
    }
}
