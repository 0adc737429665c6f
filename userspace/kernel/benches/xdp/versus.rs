//! Beside nftables, `xdp-filter` and the kernel's own defence against SYN floods, on packets that cross a veth pair.
//!
//! Frames are made in the kernel on the processor that also receives them, so the time that passes is the time spent. What
//! making and delivering them costs is measured with a program that does nothing but drop, and subtracted.
use std::net::TcpListener;
use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use weir_plan::shield::Attach;

use crate::defence::{
    CLIENT_MAC, ENTRIES, NATIVE, SERVER_MAC, SetUp, control, cookies, index, kernel_cookies, nftables,
    prepare, synproxy, weir, xdp_filter,
};
use crate::draw::{Draw, Program};
use crate::rig::Outcome;
use crate::row::{Goal, Row, is_quick};
use crate::traffic::syn;
use crate::world::{self, PEER, PORT, SERVER, World};
use crate::{goodput, ramp};

/// What a cost is taken for that the noise of the control hides.
const LEAST_NS: f64 = 1.0;

/// A comparison in a world of its own.
type Comparison = fn(&World);

const COMPARISONS: [(&str, Comparison); 4] =
    [("versus drops", drops), ("versus syns", syns), ("goodput", goodput::run), ("ramp", ramp::run)];

/// Runs the comparisons whose name contains a word, each in a world of its own.
pub(crate) fn run(only: &str) -> Outcome<()> {
    let mut wanted = COMPARISONS.iter().filter(|(name, _)| name.contains(only)).peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    if let Some(lack) = world::lack() {
        println!("no comparisons between namespaces: {lack}");
        return Ok(());
    }
    for (_, trial) in wanted {
        if let Err(error) = world::run(*trial) {
            println!("a comparison is left out: {error}");
        }
    }
    Ok(())
}

fn drops(world: &World) {
    let contenders: [(&str, SetUp); 5] = [
        ("control", control),
        ("weir, native", |world| weir(world, Attach::Native)),
        ("weir, generic", |world| weir(world, Attach::Generic)),
        ("nftables", nftables),
        ("xdp-filter", xdp_filter),
    ];
    let costs = compare(world, ENTRIES, &contenders);
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name);
    let (Some(native), Some(nft)) = (cost("weir, native"), cost("nftables")) else { return };
    let note = if native.ns > LEAST_NS {
        "denied sources of 1,024; a program that only drops is subtracted from both"
    } else {
        "no dearer than a program that only drops, as far as the noise lets see; 1 ns stands for that"
    };
    let row = |what, ours: &Cost, peer: (f64, &'static str), goal| {
        let row = Row {
            id: "P12",
            what,
            unit: "ns CPU",
            ours: ours.ns,
            spread: ours.spread,
            peer: Some(peer),
            floor: None,
            goal,
            note,
        };
        row.keep();
    };
    row("dropped in native mode", native, (nft.ns, "nftables set"), Some(Goal::Ratio(0.2)));
    if let Some(generic) = cost("weir, generic") {
        row("dropped in generic mode", generic, (nft.ns, "nftables set"), None);
    }
    if let Some(filter) = cost("xdp-filter") {
        row("dropped in native mode, beside xdp-filter", native, (filter.ns, "xdp-filter"), None);
    }
}

fn syns(world: &World) {
    let contenders: [(&str, SetUp); 5] = [
        ("control", control),
        ("weir, native", |world| Ok(Box::new((cookies(world, Attach::Native)?, listening()?)))),
        ("weir, generic", |world| Ok(Box::new((cookies(world, Attach::Generic)?, listening()?)))),
        ("tcp_syncookies=1", |world| Ok(Box::new((kernel_cookies(world)?, listening()?)))),
        ("SYNPROXY", |world| Ok(Box::new((synproxy(world)?, listening()?)))),
    ];
    let costs = compare(world, 0, &contenders);
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name);
    let (Some(native), Some(kernel)) = (cost("weir, native"), cost("tcp_syncookies=1")) else { return };
    let note =
        "CPU milliseconds for a million SYNs of any source, with their answers; deliveries are subtracted";
    let row = |what, ours: &Cost, peer: &Cost, goal| {
        let peer = Some((peer.ns, peer.name));
        Row {
            id: "P13",
            what,
            unit: "ms CPU",
            ours: ours.ns,
            spread: ours.spread,
            peer,
            floor: None,
            goal,
            note,
        }
        .keep();
    };
    row("a million SYNs answered, native", native, kernel, Some(Goal::Ratio(0.25)));
    if let Some(generic) = cost("weir, generic") {
        row("a million SYNs answered, generic", generic, kernel, None);
    }
    if let Some(proxy) = cost("SYNPROXY") {
        row("a million SYNs answered, native, beside SYNPROXY", native, proxy, None);
    }
}

/// Somebody to connect to, who takes nobody in.
fn listening() -> Outcome<TcpListener> {
    Ok(TcpListener::bind((SERVER, PORT))?)
}

/// What a packet costs beyond its delivery, in nanoseconds.
struct Cost {
    name: &'static str,
    ns: f64,
    spread: f64,
}

/// Floods every contender in turn, several times; the median counts.
fn compare(world: &World, sources: u32, contenders: &[(&'static str, SetUp)]) -> Vec<Cost> {
    prepare(world);
    let rounds = if is_quick() { 3 } else { 5 };
    let mut times = vec![Vec::new(); contenders.len()];
    let _peer = world.on_client(|| {
        let program = Draw::dropping(30).unwrap();
        program.attach(index(PEER), NATIVE).unwrap()
    });
    for _ in 0..rounds {
        for ((name, set_up), times) in contenders.iter().zip(&mut times) {
            match set_up(world) {
                Ok(defence) => {
                    times.extend(flood(world, sources));
                    drop(defence);
                }
                Err(error) => println!("{name} is not compared: {error}"),
            }
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    let floor = times.first_mut().and_then(median).unwrap_or_default();
    println!("{:<44} {floor:>6.0}", "a packet delivered and dropped, subtracted");
    let named = contenders.iter().zip(&mut times).skip(1);
    named
        .filter_map(|((name, _), times)| {
            let ns = (median(times)? - floor).max(LEAST_NS);
            let spread = (times.last()? - times.first()?) / ns;
            println!("{name:<44} {ns:>6.0}  ± {:.0} %", spread * 50.0);
            Some(Cost { name, ns, spread })
        })
        .collect()
}

/// Nanoseconds of one processor for each packet that came in; none if nothing did.
fn flood(world: &World, sources: u32) -> Option<f64> {
    let count = if is_quick() { 200_000 } else { 1_000_000 };
    let before = received();
    let spent = world.on_client(|| {
        let (program, frame) = flooder(sources);
        pin();
        program.send(&frame, 10_000, index(PEER)).unwrap();
        let began = Instant::now();
        program.send(&frame, count, index(PEER)).unwrap();
        began.elapsed()
    });
    let came = received().saturating_sub(before + 10_000);
    (came > u64::from(count) / 2).then(|| spent.as_secs_f64() * 1e9 / came as f64)
}

/// A program that floods, and the frame it begins with.
fn flooder(sources: u32) -> (Program, [u8; 60]) {
    let frame = flood_frame();
    (Draw { sources, offset: 26, words: Vec::new() }.flooding(&frame).unwrap(), frame)
}

/// The SYN that floods are made of.
pub(crate) fn flood_frame() -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&SERVER_MAC);
    frame[6..12].copy_from_slice(&CLIENT_MAC);
    frame[12] = 8;
    let packet = syn([0, 0, 0, 0].into(), SERVER.parse().unwrap(), 40_000, 0);
    frame[14..14 + packet.len()].copy_from_slice(&packet);
    frame
}

/// All on one processor: who sends also receives.
fn pin() {
    pin_to(0, 1);
}

/// Lets a thread, 0 for this one, run on one processor only: on the first where there is no other.
pub(crate) fn pin_to(thread: i32, cpu: usize) {
    let mut one = CpuSet::new();
    one.set(cpu).unwrap();
    let first = || {
        let mut first = CpuSet::new();
        first.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(thread), &first))
    };
    sched_setaffinity(Pid::from_raw(thread), &one).or_else(|_| first()).unwrap();
}

/// Packets that the server's interface has received.
pub(crate) fn received() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("s0:").map(str::to_owned)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
