//! One core's share of the service: its reactor, its listeners, and the connections they accept.
use crate::{
    connection,
    crowd::Crowd,
    desk::Desk,
    gate::Gate,
    lot,
    offence::Sentence,
    outlet::{Mishap, Outlet, Question},
    request_id::Ids,
    socket::Socket,
    team::Place,
    upstream::Board,
};
use arc_swap::ArcSwap;
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use weir_meter::{Block, Count, Directory, log::Hose};
use weir_plan::{Plan, listener::Bind};
use weir_reactor::{Handle, Listen, Listener, Reactor, Stream, cpu_time, now, sleep, sleep_until, spawn};
use weir_wire::Reason;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// How long accepting rests after the system has refused it for want of descriptors or memory.
const REST: Duration = Duration::from_millis(50);
/// How often a worker looks at what it has and uses.
const TENDING: Duration = Duration::from_millis(250);
/// A worker that uses less of its processor than this, in thousandths, has time to give memory back.
const CALM: u128 = 100;
/// How often accepting begins anew, in case a connection was called to a process that has just ended.
const RENEWAL: Duration = Duration::from_secs(1);

/// Everything a worker needs; [`Worker::run`] serves until it is told to drain.
pub struct Worker {
    /// Where plans appear.
    pub plans: Arc<ArcSwap<Plan>>,
    /// Names the rows of the numbers, for all workers.
    pub directory: Arc<Mutex<Directory>>,
    /// The state of all targets, for all workers.
    pub board: Arc<Board>,
    /// This worker's numbers.
    pub block: Arc<Block>,
    /// What it listens on.
    pub sockets: Vec<Socket>,
    /// Who is connected, to this worker or another.
    pub crowd: Arc<Crowd>,
    /// Its place among those who share the work and the limits of the plan.
    pub place: Place,
}

/// A running worker, for other threads.
#[derive(Clone)]
pub struct Helm {
    handle: Handle,
    outlet: Arc<Outlet>,
}

thread_local! {
    /// The worker of this thread, for jobs that come from others.
    static HERE: RefCell<Option<Rc<Desk>>> = const { RefCell::new(None) };
}

impl Helm {
    /// Stops accepting. Connections end after the exchange they are in, and the worker when none is left or the
    /// plan's time for that is over. False if the worker does not take jobs any more.
    pub fn drain(&self) -> bool {
        self.tell(|desk| desk.drain())
    }

    /// Has the worker take the newest plan: it accepts at these sockets as well, and gives up every address that the plan
    /// does not name. [`Helm::adopted`] tells when it has. False if the worker does not take jobs any more; the sockets
    /// are closed then.
    pub fn adopt(&self, sockets: Vec<Socket>, generation: u64) -> bool {
        let outlet = Arc::clone(&self.outlet);
        self.tell(move |desk| {
            desk.adopt();
            sockets.into_iter().for_each(|socket| begin(desk, socket));
            outlet.adopted(generation);
        })
    }

    /// Gives the exchanges that go by an earlier plan the time of a drain to end, and then cuts them. False if the worker does
    /// not take jobs any more.
    pub fn end(&self, plan: &Arc<Plan>) -> bool {
        let plan = Arc::downgrade(plan);
        self.tell(move |desk| plan.upgrade().iter().for_each(|plan| desk.end(plan)))
    }

    /// Cuts the connections of everyone whom [`Crowd::bar`] has turned away. False if the worker does not take jobs any
    /// more.
    pub fn expel(&self) -> bool {
        self.tell(|desk| desk.expel())
    }

    /// The newest generation that the worker has adopted.
    #[must_use]
    pub fn adopted(&self) -> u64 {
        self.outlet.generation()
    }

    /// The bans that policies have called for since the last time. To be fetched several times a second: what does not
    /// fit meanwhile is lost.
    #[must_use]
    pub fn take_bans(&self) -> Vec<Sentence> {
        self.outlet.take_bans()
    }

    /// The questions that exchanges wait for since the last time.
    #[must_use]
    pub fn take_questions(&self) -> Vec<Question> {
        self.outlet.take_questions()
    }

    /// Handshakes of TLS that failed since the last time, no more than a few of each second.
    #[must_use]
    pub fn take_mishaps(&self) -> Vec<Mishap> {
        self.outlet.take_mishaps()
    }

    /// Lets the exchange go on that asked. False if the worker does not take jobs any more.
    pub fn answered(&self, ticket: u64) -> bool {
        self.tell(move |desk| desk.waiting.answered(ticket))
    }

    /// Whether the worker lives: it has answered since this was last asked. Asks it again if so.
    #[must_use]
    pub fn beats(&self) -> bool {
        let outlet = Arc::clone(&self.outlet);
        self.outlet.has_beaten() && self.tell(move |_| outlet.beat(weir_reactor::counters()))
    }

    /// What the worker's reactor had counted when it last said that it lives.
    #[must_use]
    pub fn counters(&self) -> weir_reactor::Counters {
        self.outlet.counters()
    }

    /// Sends the lines of the access log through this hose from now on; without one they are lost. False if the worker
    /// does not take jobs any more.
    pub fn log_to(&self, hose: Option<Hose>) -> bool {
        self.tell(move |desk| desk.log_to(hose))
    }

    /// Sends spans of traces through this hose from now on; without one they are lost. False if the worker does not take jobs
    /// any more.
    pub fn trace_to(&self, hose: Option<Hose>) -> bool {
        self.tell(move |desk| desk.trace_to(hose))
    }

    /// Has the worker use no more than so many of its buffers from now on. False if it does not take jobs any more.
    pub fn limit_buffers(&self, buffers: u16) -> bool {
        self.tell(move |_| weir_reactor::limit_buffers(buffers))
    }

    pub(crate) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Has the worker do something at its desk. False if it does not take jobs any more.
    pub(crate) fn tell(&self, job: impl FnOnce(&Rc<Desk>) + Send + 'static) -> bool {
        let at_desk = || {
            HERE.with_borrow(|desk| {
                if let Some(desk) = desk {
                    job(desk);
                }
            });
        };
        self.handle.run(at_desk).is_ok()
    }
}

impl Worker {
    /// Serves on this thread. `ready` is called once everything listens.
    pub fn run(
        mut self,
        config: weir_reactor::Config,
        ready: impl FnOnce(Helm),
    ) -> Result<(), weir_reactor::Error> {
        let reactor = Reactor::new(config)?;
        let sockets = std::mem::take(&mut self.sockets);
        let listen = |desk: &Rc<Desk>| sockets.into_iter().for_each(|socket| begin(desk, socket));
        self.serve(&reactor, Ids::default(), listen, ready);
        Ok(())
    }

    /// Serves in a simulated world, at the addresses of its plan, until `beside` has told it to drain. What is left to
    /// chance is drawn from the seed, so that the same world comes to the same end.
    pub fn simulate<F: Future<Output = ()> + 'static>(
        self,
        reactor: &Reactor,
        seed: u64,
        beside: impl FnOnce(Helm) -> F,
    ) {
        let binds: Vec<Bind> = self.plans.load().listeners.iter().flat_map(|one| one.binds.clone()).collect();
        let listen = |desk: &Rc<Desk>| {
            desk.pretend_time();
            for bind in binds {
                let Bind::Ip(address) = bind else { continue };
                if let Ok(listener) = Listener::bind(address, Listen::default()) {
                    spawn(accept(Rc::clone(desk), desk.open_gate(bind), listener));
                }
            }
        };
        self.serve(reactor, Ids::of_seed(seed), listen, |helm| spawn(beside(helm)));
    }

    fn serve(self, reactor: &Reactor, ids: Ids, listen: impl FnOnce(&Rc<Desk>), ready: impl FnOnce(Helm)) {
        let helm = Helm { handle: reactor.handle(), outlet: Arc::default() };
        let shared = (self.directory, self.board);
        let desk = Rc::new(Desk::new(self.plans, shared, self.block, (self.crowd, self.place), helm.clone()));
        desk.ids.replace(ids);
        HERE.set(Some(Rc::clone(&desk)));
        reactor.run(async {
            listen(&desk);
            spawn(sweep(Rc::clone(&desk)));
            spawn(lot::attend(Rc::clone(&desk)));
            spawn(flush_log(Rc::clone(&desk)));
            spawn(flush_spans(Rc::clone(&desk)));
            spawn(tend(Rc::clone(&desk)));
            desk.place.join(helm.clone());
            ready(helm);
            until_drained(&desk).await;
            desk.flush_log();
            desk.flush_spans();
        });
        HERE.set(None);
        desk.lot.clear(&desk);
    }
}

/// Waits until draining has begun, and then until no connection is left or the time is over.
async fn until_drained(desk: &Rc<Desk>) {
    poll_fn(|cx| {
        if desk.is_draining() {
            return Poll::Ready(());
        }
        desk.watch_end(cx.waker());
        Poll::Pending
    })
    .await;
    let until = desk.drained_by.get().unwrap_or_else(now);
    let empty = poll_fn(|cx| {
        if desk.open.get() == 0 {
            return Poll::Ready(());
        }
        desk.watch_end(cx.waker());
        Poll::Pending
    });
    let (mut empty, mut late) = (pin!(empty), pin!(sleep_until(until)));
    poll_fn(|cx| match empty.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => late.as_mut().poll(cx),
    })
    .await;
}

/// Gives a socket a task that accepts on it.
fn begin(desk: &Rc<Desk>, socket: Socket) {
    let gate = desk.open_gate(socket.bind);
    if let Ok(listener) = Listener::from_fd(socket.fd) {
        spawn(accept(Rc::clone(desk), gate, listener));
    }
}

/// Accepts until draining begins or the address is given up. Who has connected by then is still served.
async fn accept(desk: Rc<Desk>, gate: Rc<Gate>, listener: Listener) {
    let mut entry = None;
    let mut renewal = sleep(RENEWAL);
    let mut ending = false;
    loop {
        let mut accepting = pin!(listener.accept());
        let accepted = poll_fn(|cx| {
            entry.get_or_insert_with(|| desk.enlist(cx.waker()));
            if !ending && (desk.is_draining() || gate.is_shut()) {
                ending = true;
                listener.finish();
            }
            while !ending && pin!(&mut renewal).poll(cx).is_ready() {
                listener.renew();
                renewal.reset(now() + RENEWAL);
            }
            accepting.as_mut().poll(cx)
        })
        .await;
        let stream = match accepted {
            Err(_) if ending => break,
            Err(_) => {
                sleep(REST).await;
                continue;
            }
            Ok(stream) => stream,
        };
        match desk.place.other() {
            Some(other) if !gate.is_shut() && !desk.is_draining() => pass_on(&desk, &gate, &other, stream),
            _ => serve(&desk, &gate, stream),
        }
    }
}

/// Gives a connection a task, unless its client is banned, if the worker's share of all connections allows it.
fn serve(desk: &Rc<Desk>, gate: &Rc<Gate>, stream: Stream) {
    desk.block.add(Count::Accepted, 1);
    let peer = stream.peer().map_or(IpAddr::from(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    if desk.crowd.is_barred(peer) {
        desk.block.refuse(Reason::Banned as u8);
        desk.block.add(Count::Closed, 1);
        return;
    }
    if is_full(desk) {
        desk.block.add(Count::Shed, 1);
        desk.block.add(Count::Closed, 1);
        return;
    }
    desk.opened();
    let (of, at) = (Rc::clone(desk), Rc::clone(gate));
    spawn(Rc::clone(gate).hold(Rc::clone(desk), peer, move || connection::run(of, at, stream)));
}

/// Whether a further connection would take from those that are open: the limit of the plan or of the process is reached, or
/// nearly all buffers are in use.
fn is_full(desk: &Desk) -> bool {
    let limits = &desk.snapshot().plan.limits;
    let share = limits.connections_max.min(desk.crowd.room()).div_ceil(desk.place.workers());
    desk.open.get() >= share || weir_reactor::buffers_in_use() > limits.overload
}

/// Has another worker serve a connection. One that it cannot take is closed, as by a worker without room.
fn pass_on(desk: &Rc<Desk>, gate: &Rc<Gate>, other: &Helm, stream: Stream) {
    let bind = gate.bind.clone();
    let passed = stream.hand_over().is_ok_and(|fd| {
        other.tell(move |desk| {
            // A worker that drains has closed its gate already.
            let gate = desk.gate(&bind).unwrap_or_else(|| Gate::new(bind));
            if let Ok(stream) = Stream::from_fd(fd) {
                serve(desk, &gate, stream);
            }
        })
    });
    desk.block.add(if passed { Count::PassedOn } else { Count::Shed }, 1);
}

/// Lines of the access log do not wait longer than the plan says.
async fn flush_log(desk: Rc<Desk>) {
    loop {
        sleep(desk.snapshot().plan.access_log.as_ref().map_or(SWEEP, |log| log.flush)).await;
        desk.flush_log();
    }
}

/// Neither do spans.
async fn flush_spans(desk: Rc<Desk>) {
    loop {
        sleep(desk.snapshot().plan.traces.as_ref().map_or(SWEEP, |traces| traces.flush)).await;
        desk.flush_spans();
    }
}

/// Gives back memory that is not needed any more, and tells the other workers how busy this one is.
async fn tend(desk: Rc<Desk>) {
    let (mut used, mut at) = (cpu_time(), now());
    loop {
        sleep(TENDING).await;
        desk.trim();
        let share = cpu_time().saturating_sub(used).as_micros() * 1000
            / now().saturating_duration_since(at).as_micros().max(1);
        if !desk.is_draining() {
            desk.place.tell_busy(u32::try_from(share).unwrap_or(u32::MAX));
        }
        if share < CALM {
            weir_reactor::release();
        }
        (used, at) = (cpu_time(), now());
    }
}

async fn sweep(desk: Rc<Desk>) {
    loop {
        sleep(SWEEP).await;
        desk.sweep();
    }
}
