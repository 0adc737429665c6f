//! What honest clients get beside a SYN flood, compared with the same flood that costs the server nothing.
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use weir_kernel::{Cause, Shield};
use weir_plan::shield::{Attach, Rate, Shield as Plan, Sysctls};

use crate::defence::{Defence, NATIVE, SetUp, control, index, prepare, shield, shielded, sysctl};
use crate::draw::{Draw, Paced};
use crate::rig::Outcome;
use crate::row::{Goal, Row, is_quick};
use crate::traffic::{Stopped, echo, exchange};
use crate::versus::{flood_frame, pin_to};
use crate::world::{CLIENT, PEER, SERVER, World};

/// SYNs a second while honest clients are counted.
const FLOOD_PER_SECOND: u32 = 100_000;
/// How long they are counted in each round: short, so that whatever else the machine does meets one round and not all of a
/// contender's, and so that all of them meet the same.
const COUNTED: Duration = Duration::from_millis(800);
/// Rounds, of which the middle one counts.
const ROUNDS: usize = 9;
/// How long an exchange is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Bans that fill a table of as many.
const BANS: u32 = 1024;

/// Honest exchanges that succeed in a while: beside a flood that is dropped at once, beside one that weir answers, also with
/// every table full, and beside one that nobody is defended against.
pub(crate) fn run(world: &World) {
    prepare(world);
    forget_ports(world);
    let anywhere = sched_getaffinity(Pid::from_raw(0)).unwrap();
    pin_to(0, 1);
    echo(SERVER);
    let _peer = world.on_client(|| Draw::dropping(30).unwrap().attach(index(PEER), NATIVE).unwrap());
    let defences: [(&str, SetUp); 4] = [
        ("control", control),
        ("weir, native", |world| shield(world, &guarded(world))),
        ("weir, native, full tables", full),
        ("undefended", |_| {
            sysctl("ipv4/tcp_syncookies", "0")?;
            Ok(Box::new(()))
        }),
    ];
    let mut served: [Served; 4] = Default::default();
    let mut count = |place: usize| {
        let (name, set_up) = &defences[place];
        let defence = set_up(world).unwrap();
        let took = honest(world);
        drop(defence);
        sysctl("ipv4/tcp_syncookies", "1").unwrap();
        println!("honest exchanges under a flood, {name:<25} {:>6}", took.len());
        served[place].0.push(took);
    };
    let rounds = if is_quick() { 3 } else { ROUNDS };
    (0..rounds).for_each(|_| (0..3).for_each(&mut count));
    // Who is not defended is left with half-open connections, which burden whatever is measured within the next minute.
    (0..rounds).for_each(|_| count(3));
    sched_setaffinity(Pid::from_raw(0), &anywhere).unwrap();
    report(&served);
}

/// How long each exchange took that succeeded, round by round.
#[derive(Default)]
struct Served(Vec<Vec<Duration>>);

impl Served {
    /// Exchanges in the middle round, and how far apart the others lie, beside it.
    fn goodput(&self) -> (f64, f64) {
        let mut counts: Vec<usize> = self.0.iter().map(Vec::len).collect();
        counts.sort_unstable();
        let middle = counts[counts.len() / 2] as f64;
        (middle, (counts[counts.len() - 1] - counts[0]) as f64 / middle.max(1.0))
    }

    fn p99_us(&self) -> f64 {
        let mut took: Vec<Duration> = self.0.iter().flatten().copied().collect();
        took.sort_unstable();
        took.get(took.len() * 99 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
    }
}

fn guarded(world: &World) -> Plan {
    let mut plan = Plan { attach: Attach::Native, sysctls: Sysctls::Set, ..world.plan() };
    plan.syn_guard.above = 1000;
    plan
}

/// Every source of the flood is charged, more of them than there are cells, and there is room for no ban more.
fn full(world: &World) -> Outcome<Defence> {
    let mut plan = guarded(world);
    plan.bans.entries_max = BANS;
    plan.limits.source.rates.packets = Some(Rate { per_second: 100_000, burst: 100_000 });
    let mut shield = Shield::open(&plan, &world.host())?;
    for number in 0..BANS {
        let source = Ipv4Addr::from_bits(0xc612_0000 | number);
        shield.bans().ban(source.into(), None, Cause::by_hand("x"))?;
    }
    Ok(shielded(world, shield))
}

fn report([control, weir, full, undefended]: &[Served; 4]) {
    let ((kept, apart), (ours, spread)) = (control.goodput(), weir.goodput());
    let lost = undefended.goodput().0.max(1.0);
    let note = format!(
        "one client after the other beside 100,000 SYNs a second, which the peer of the first row drops at no cost; the middle of \
         many short rounds, taken in turn; those of that peer lie {:.0} % apart",
        apart * 100.0
    );
    let row = |what, unit, ours, peer, goal| {
        let (peer, goal) = (Some(peer), Some(goal));
        Row { id: "P14", what, unit, ours, spread, peer, floor: None, goal, note: &note }.keep();
    };
    let what = "goodput under a SYN flood";
    row(what, "exchanges", ours, (kept, "no flood to answer"), Goal::RatioMin(0.9));
    let what = "goodput under a SYN flood, undefended";
    row(what, "exchanges", ours, (lost, "tcp_syncookies=0"), Goal::RatioMin(2.0));
    let calm = (control.p99_us(), "no flood to answer");
    row("p99 of an exchange under a SYN flood", "us", weir.p99_us(), calm, Goal::Ratio(2.0));
    let note = "the same flood, whose sources are more than there are cells, with a full table of bans";
    let (what, ours) = ("p99 of an exchange under a SYN flood, every table full", full.p99_us());
    let (peer, goal) = (Some(calm), Some(Goal::Ratio(2.0)));
    Row { id: "F15", what, unit: "us", ours, spread: 0.0, peer, floor: None, goal, note }.keep();
}

/// Whoever closes a connection first keeps its port for a minute. A client that opens thousands a second would soon look
/// for a free port longer than for an answer, and whoever is measured later would seem slower.
pub(crate) fn forget_ports(world: &World) {
    world.on_client(|| sysctl("ipv4/tcp_max_tw_buckets", "0").unwrap());
}

/// How long each exchange took that succeeded.
fn honest(world: &World) -> Vec<Duration> {
    let (stop, flood) = (AtomicBool::new(false), flood(FLOOD_PER_SECOND));
    std::thread::scope(|scope| {
        // Honest clients and their server have one processor, the flood the other: who is put beside its thread, which keeps
        // its pace by being busy, would wait for whole slices of the scheduler, whatever the defence.
        scope.spawn(|| {
            pin_to(0, 0);
            world.on_client(|| pace(&flood, &stop));
        });
        let _stopped = Stopped(&stop);
        world.on_client(|| {
            // An interface that has just got a program may still be coming up.
            let _served = (0..5).any(|_| exchange(CLIENT, SERVER, 1000, PATIENCE).is_ok());
            let (began, mut took) = (Instant::now(), Vec::new());
            while began.elapsed() < COUNTED {
                let before = Instant::now();
                took.extend(exchange(CLIENT, SERVER, 1000, PATIENCE).is_ok().then(|| before.elapsed()));
            }
            took
        })
    })
}

/// SYNs of made-up sources, at a rate.
pub(crate) fn flood(per_second: u32) -> Paced {
    Draw { sources: 0, offset: 26, words: Vec::new() }.pacing(&flood_frame(), per_second).unwrap()
}

/// Sends them until told to stop; to be called on the client's side. The kernel keeps the pace, in long turns: to end one
/// takes as long as to send a hundred thousand frames.
pub(crate) fn pace(flood: &Paced, stop: &AtomicBool) {
    const TURN: u32 = 3_000_000;
    let (frame, interface) = (flood_frame(), index(PEER));
    while !stop.load(Ordering::Relaxed) {
        flood.program.send(&frame, TURN, interface).unwrap();
    }
}
