//! What honest clients get beside a SYN flood, compared with the same flood that costs the server nothing.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir_plan::shield::{Attach, Shield as Plan, Sysctls};

use crate::defence::{NATIVE, SetUp, control, index, prepare, shield, sysctl};
use crate::draw::Draw;
use crate::row::{Goal, Row, is_quick};
use crate::traffic::{echo, exchange};
use crate::versus::flooder;
use crate::world::{CLIENT, PEER, SERVER, World};

/// SYNs a second while honest clients are counted.
const FLOOD_PER_SECOND: u32 = 100_000;
/// How long they are counted.
const COUNTED: Duration = Duration::from_secs(2);
/// How long an exchange is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Honest exchanges that succeed in a while: beside a flood that is dropped at once, beside one that weir answers, and beside
/// one that nobody is defended against.
pub(crate) fn run(world: &World) {
    prepare(world);
    forget_ports(world);
    echo(SERVER);
    let _peer = world.on_client(|| Draw::dropping(30).unwrap().attach(index(PEER), NATIVE).unwrap());
    let defences: [(&str, SetUp); 3] = [
        ("control", control),
        ("weir, native", |world| {
            let mut plan = Plan { attach: Attach::Native, sysctls: Sysctls::Set, ..world.plan() };
            plan.syn_guard.above = 1000;
            shield(world, &plan)
        }),
        ("undefended", |_| {
            sysctl("ipv4/tcp_syncookies", "0")?;
            Ok(Box::new(()))
        }),
    ];
    let mut served: [Vec<Duration>; 3] = Default::default();
    for _ in 0..if is_quick() { 1 } else { 3 } {
        for ((name, set_up), served) in defences.iter().zip(&mut served) {
            let defence = set_up(world).unwrap();
            let took = honest(world);
            drop(defence);
            sysctl("ipv4/tcp_syncookies", "1").unwrap();
            println!("honest exchanges under a flood, {name:<25} {:>6}", took.len());
            served.extend(took);
        }
    }
    let [control, weir, undefended] = served;
    report([&control, &weir, &undefended].map(|took| took.len() as f64), [p99_us(control), p99_us(weir)]);
}

fn report([control, weir, undefended]: [f64; 3], [control_us, weir_us]: [f64; 2]) {
    let row = |what, unit, ours, peer, goal| {
        let note = "one client after the other beside 100,000 SYNs a second, which the peer of the first row drops at no cost";
        Row { id: "P14", what, unit, ours, spread: 0.0, peer: Some(peer), goal: Some(goal), note }.keep();
    };
    let kept = (control, "no flood to answer");
    row("goodput under a SYN flood", "exchanges", weir, kept, Goal::RatioMin(0.9));
    let lost = (undefended.max(1.0), "tcp_syncookies=0");
    row("goodput under a SYN flood, undefended", "exchanges", weir, lost, Goal::RatioMin(2.0));
    let calm = (control_us, "no flood to answer");
    row("p99 of an exchange under a SYN flood", "us", weir_us, calm, Goal::Ratio(2.0));
}

fn p99_us(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
}

/// Whoever closes a connection first keeps its port for a minute. A client that opens thousands a second would soon look
/// for a free port longer than for an answer, and whoever is measured later would seem slower.
pub(crate) fn forget_ports(world: &World) {
    world.on_client(|| sysctl("ipv4/tcp_max_tw_buckets", "0").unwrap());
}

/// How long each exchange took that succeeded.
fn honest(world: &World) -> Vec<Duration> {
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| world.on_client(|| pace(FLOOD_PER_SECOND, &stop, &sent)));
        let took = world.on_client(|| {
            let (began, mut took) = (Instant::now(), Vec::new());
            while began.elapsed() < COUNTED {
                let before = Instant::now();
                took.extend(exchange(CLIENT, SERVER, 1000, PATIENCE).is_ok().then(|| before.elapsed()));
            }
            took
        });
        stop.store(true, Ordering::Relaxed);
        took
    })
}

/// Sends SYNs of made-up sources at a rate, until told to stop. To be called on the client's side.
pub(crate) fn pace(per_second: u32, stop: &AtomicBool, sent: &AtomicU64) {
    const STEP: Duration = Duration::from_millis(10);
    let (program, frame) = flooder(0);
    let (interface, step) = (index(PEER), per_second / 100);
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        program.send(&frame, step, interface).unwrap();
        sent.fetch_add(step.into(), Ordering::Relaxed);
        due += STEP;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
}
