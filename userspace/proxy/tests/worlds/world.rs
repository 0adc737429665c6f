//! One world from its seed to its end, and what must hold then.
use crate::dice::Dice;
use crate::plans::Draft;
use crate::tally::{Ended, Tally, Wish};
use crate::{client, client2, origin, origin2};
use arc_swap::ArcSwap;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir_meter::{Block, Class, Count, Directory};
use weir_plan::Plan;
use weir_plan::listener::{Bind, Protocols, Service};
use weir_plan::upstream::{Breaker, UpProtocol};
use weir_plan::{id::UpstreamId, route::Action, upstream::Upstream};
use weir_proxy::{Board, Crowd, Helm, Team, Worker};
use weir_reactor::sim::{self, Weather};
use weir_reactor::{Config, Reactor, Stream, now, sleep, spawn};

const EDGE: &str = "10.0.0.1:80";
/// Origins of HTTP/1, then of HTTP/2.
const ORIGINS: [&str; 4] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.2.1:80", "10.0.2.2:80"];
/// In the time of the world: whoever is not done by then never will be.
const END: Duration = Duration::from_secs(900);

/// What distinguishes one world from another.
#[derive(Clone, Debug)]
struct Fate {
    /// Connections may be reset and refused.
    storm: bool,
    /// Clients may go away.
    leavers: bool,
    /// The upstream may carry very little.
    tight: bool,
    /// The worker is told to drain before its clients are done.
    early_end: bool,
    reloads: usize,
}

impl Fate {
    /// The network loses nothing, and the worker stays until everybody is done.
    fn is_calm(&self) -> bool {
        !self.storm && !self.early_end
    }
}

/// Runs a world, and fails if something is not as it must be.
pub fn run(seed: u64) -> Ended {
    let mut dice = Dice::new(seed);
    let storm = dice.one_in(3);
    let fate = Fate {
        storm,
        leavers: dice.one_in(2),
        tight: dice.one_in(5),
        early_end: dice.one_in(8),
        reloads: dice.below(4),
    };
    let weather = if storm { Weather::storm() } else { dice.pick(&[Weather::fair(), Weather::rough()]) };
    let config = Config { buffers_max: 600, buffer_bytes: 4096, files_min: 64, ..Config::default() };
    let reactor = sim::reactor(seed, weather, config).unwrap();
    let (board, block, crowd) =
        (Arc::new(Board::new(1)), Arc::new(Block::default()), Arc::<Crowd>::default());
    let plans = Arc::new(ArcSwap::from_pointee(plan(&fate, &mut dice)));
    let worker = Worker {
        plans: Arc::clone(&plans),
        directory: Arc::new(Mutex::new(Directory::default())),
        board: Arc::clone(&board),
        block: Arc::clone(&block),
        sockets: Vec::new(),
        crowd: Arc::clone(&crowd),
        place: Team::places(1).remove(0),
    };
    let (tally, hung) = (Rc::<Tally>::default(), Rc::new(Cell::new(false)));
    let life = {
        let (tally, hung, plans, fate) =
            (Rc::clone(&tally), Rc::clone(&hung), Arc::clone(&plans), fate.clone());
        move |helm| live(helm, fate, dice, (tally, hung, plans))
    };
    worker.simulate(&reactor, seed, life);
    settle(&reactor, seed);
    tally.ended.borrow_mut().trace = reactor.trace().unwrap();
    assert!(!hung.get(), "world {seed}: {fate:?}: somebody waits for ever: {:?}", reactor.counters());
    assert_eq!(reactor.counters().panics, 0, "world {seed}: panics");
    assert_eq!(*tally.wrong.borrow(), Vec::<String>::new(), "world {seed}: {fate:?}");
    check_counts(seed, &fate, &tally, &block);
    assert_eq!(crowd.connections(), 0, "world {seed}: clients that are still counted");
    drop(reactor);
    for upstream in &plans.load().upstreams {
        assert_eq!(board.held(upstream), [0; 4], "world {seed}: permits of {}", upstream.name);
    }
    tally.ended.take()
}

/// Every exchange is counted once: as often as clients know of, and no more often than they have asked.
fn check_counts(seed: u64, fate: &Fate, tally: &Tally, block: &Block) {
    let ended = tally.ended.borrow().clone();
    let of = |class| block.exchanges(class);
    let counted = of(Class::Success) + of(Class::ClientError) + of(Class::ServerError);
    let sure = if fate.is_calm() { tally.sure.get() } else { ended.answered() };
    let told =
        format!("world {seed}: {fate:?}: {ended:?}, {} sure, {} begun", tally.sure.get(), tally.begun.get());
    assert!(sure <= counted && counted <= tally.begun.get(), "{counted} were counted; {told}");
    assert!(of(Class::Success) >= ended.whole, "{} succeeded; {told}", of(Class::Success));
    if fate.is_calm() && !fate.leavers {
        assert_eq!((counted, ended.lost), (tally.begun.get(), 0), "in good weather none is lost; {told}");
        assert_eq!(of(Class::ClientError), ended.refused, "{told}");
        assert_eq!(of(Class::ServerError), ended.failed + ended.late, "{told}");
    }
    assert_eq!(block.count(Count::Accepted), block.count(Count::Closed), "connections; {told}");
}

/// Waits until nothing of a client's is left: the connections to origins may stay.
fn settle(reactor: &Reactor, seed: u64) {
    let quiet = reactor.run(async {
        for _ in 0..10_000 {
            if weir_reactor::counters().buffers_live == 0 {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    });
    assert!(quiet, "world {seed}: buffers do not come back: {:?}", reactor.counters());
}

type Things = (Rc<Tally>, Rc<Cell<bool>>, Arc<ArcSwap<Plan>>);

/// Everything that happens beside the worker.
async fn live(helm: Helm, fate: Fate, mut dice: Dice, (tally, hung, plans): Things) {
    for (at, address) in ORIGINS.iter().enumerate() {
        let address = address.parse().unwrap();
        if at < 2 {
            origin::begin(address, &tally, origin::serve);
        } else {
            origin::begin(address, &tally, origin2::serve);
        }
    }
    let left = Rc::new(Cell::new(2 + dice.below(6)));
    for number in 0..left.get() as u64 {
        let wishes = 1 + dice.below(6) as u64;
        let wishes: Vec<Wish> =
            (0..wishes).map(|at| Wish::new(1 + number * 100 + at, &mut dice, fate.leavers)).collect();
        let (left, tally, dice_of, http2) =
            (Rc::clone(&left), Rc::clone(&tally), dice.branch(), dice.one_in(2));
        spawn(async move {
            let to = EDGE.parse().unwrap();
            if http2 {
                client2::run(to, wishes, dice_of, tally).await;
            } else {
                client::run(to, wishes, dice_of, tally).await;
            }
            left.set(left.get() - 1);
        });
    }
    let (begun, mut reloads) = (now(), fate.reloads);
    let mut drained = false;
    while left.get() > 0 {
        sleep(Duration::from_millis(1 + dice.below(60) as u64)).await;
        if reloads > 0 && dice.one_in(3) {
            reloads -= 1;
            tally.ended.borrow_mut().reloads += 1;
            plans.store(Arc::new(plan(&fate, &mut dice)));
            assert!(helm.adopt(Vec::new(), 1));
        }
        if fate.early_end && !drained && dice.one_in(4) {
            drained = helm.drain();
        }
        if now().duration_since(begun) > END {
            hung.set(true);
            break;
        }
    }
    assert!(helm.drain());
}

/// A plan that another may follow: the same addresses, other targets.
fn plan(fate: &Fate, dice: &mut Dice) -> Plan {
    let mut draft = Draft::default();
    draft.listener.binds = vec![Bind::Ip(EDGE.parse().unwrap())];
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    draft.listener.limits.header_timeout = Duration::from_secs(60);
    draft.listener.limits.idle_timeout = Duration::from_secs(60);
    // A client of HTTP/2 that is told to go has requests on their way that nobody will look at.
    draft.listener.limits.requests_max = if fate.is_calm() { 1000 } else { dice.pick(&[2, 1000]) };
    let http2 = dice.one_in(2);
    let origins = if http2 { &ORIGINS[2..] } else { &ORIGINS[..2] };
    let origins = &origins[dice.below(2)..];
    let targets: Vec<SocketAddr> = origins.iter().map(|address| address.parse().unwrap()).collect();
    let mut upstream = Arc::into_inner(draft.upstream_alone(&targets)).unwrap();
    change(&mut upstream, fate, dice, http2);
    let upstream = Arc::new(upstream);
    draft.upstreams.push(Arc::clone(&upstream));
    draft.route("/*", |_| Action::Upstream(upstream));
    let mut plan = draft.finish();
    plan.limits.drain_timeout = END;
    plan
}

fn change(upstream: &mut Upstream, fate: &Fate, dice: &mut Dice, http2: bool) {
    upstream.id = UpstreamId(0);
    upstream.protocol = if http2 { UpProtocol::H2 } else { UpProtocol::Http1 };
    upstream.timeouts.connect = Duration::from_secs(30);
    upstream.timeouts.first_byte = Duration::from_secs(30);
    upstream.timeouts.idle = Duration::from_secs(30);
    upstream.retry.attempts_max = dice.below(3) as u32;
    upstream.keep_alive.connections_max = dice.pick(&[1, 8]);
    upstream.keep_alive.requests_max = dice.pick(&[1, 3, 1000]);
    let max = if fate.tight { 3 } else { 1000 };
    upstream.breaker =
        Breaker { connections_max: max, pending_max: max, requests_max: max, retries_max: max };
}

/// Connects, and tries again when the weather refuses; nothing if nobody listens any more.
pub async fn connect(to: SocketAddr) -> Option<Stream> {
    for _ in 0..40 {
        match Stream::connect(to).await {
            Ok(stream) => return Some(stream),
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
    None
}
