//! How many SYNs a second it takes until honest connects begin to fail.
//!
//! All packets come in through one queue that one thread on one processor takes care of; the flood is made on another, as
//! on a network. What the thread is too slow for is lost, whoever sent it.
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use weir_plan::shield::Attach;

use crate::defence::{NATIVE, SetUp, control, cookies, index, kernel_cookies, prepare, synproxy, tool};
use crate::draw::Draw;
use crate::goodput::{flood, forget_ports, pace};
use crate::rig::Outcome;
use crate::row::{Row, is_quick};
use crate::traffic::{Stopped, echo, exchange};
use crate::versus::{pin_to, received};
use crate::world::{CLIENT, INTERFACE, PEER, SERVER, World};

/// Where a ramp begins, and where it ends at the latest.
const FIRST: u32 = 100_000;
const LAST: u32 = 12_800_000;
/// Exchanges that are tried beside each rate, and how many of them may fail: 2 of 100, or 1 of 50 with `--quick`.
const TRIES: [u32; 2] = [100, 50];
const FAILURES_MAX: [u32; 2] = [2, 1];
/// How long an exchange is waited for: less than it takes to send anything a second time.
const PATIENCE: Duration = Duration::from_millis(190);
/// How long a flood runs before anybody is counted.
const LEAD: Duration = Duration::from_millis(300);
/// Asked for twice as much, a generator that makes less than so many times as much as before makes all that it can.
const MORE_MIN: f64 = 1.2;

/// What is known of a contender.
struct Limit {
    per_second: f64,
    /// Nobody failed at the highest rate that could be made.
    is_open: bool,
}

/// Lets contenders withstand ever more, each until honest connects fail.
pub(crate) fn run(world: &World) {
    prepare(world);
    forget_ports(world);
    one_queue(world).unwrap();
    echo(SERVER);
    let _peer = world.on_client(|| Draw::dropping(30).unwrap().attach(index(PEER), NATIVE).unwrap());
    let contenders: [(&str, SetUp); 5] = [
        ("dropped at once", control),
        ("weir, native", |world| cookies(world, Attach::Native)),
        ("weir, generic", |world| cookies(world, Attach::Generic)),
        ("tcp_syncookies=1", kernel_cookies),
        ("SYNPROXY", synproxy),
    ];
    let mut limits = Vec::new();
    // What the generator can make at most is told only where there is time for it.
    for (name, set_up) in contenders.into_iter().skip(usize::from(is_quick())) {
        match set_up(world).and_then(|defence| Ok((defence, one_thread(world)?))) {
            Ok((defence, ())) => {
                limits.push((name, climb(world, name)));
                drop(defence);
            }
            Err(error) => println!("{name} does not climb: {error}"),
        }
    }
    report(&limits);
}

fn report(limits: &[(&'static str, Limit)]) {
    let find = |name: &str| limits.iter().find(|(own, _)| *own == name).map(|(name, limit)| (*name, limit));
    for ours in ["weir, native", "weir, generic"] {
        for peer in ["tcp_syncookies=1", "SYNPROXY"] {
            let (Some((_, own)), Some((peer_name, peer))) = (find(ours), find(peer)) else { continue };
            let what = format!("SYNs a second before honest connects fail: {ours}, beside {peer_name}");
            let note = if own.is_open {
                "at least: none failed at the highest rate that could be made"
            } else {
                "one queue and one processor to receive; more than 2 of 100 exchanges fail above this rate"
            };
            let peer = Some((peer.per_second, peer_name));
            Row {
                id: "P14",
                what: &what,
                unit: "SYN/s",
                ours: own.per_second,
                spread: 0.0,
                peer,
                floor: None,
                goal: None,
                note,
            }
            .keep();
        }
    }
}

/// Doubles the rate until connects fail, then closes in on where that begins.
fn climb(world: &World, name: &str) -> Limit {
    let (mut low, mut high) = (0.0, None);
    let mut rate = FIRST;
    while high.is_none() && rate <= LAST {
        let (made, failed) = step(world, rate);
        if is_too_many(failed) {
            high = Some(made);
        } else {
            let before = std::mem::replace(&mut low, made);
            if made < before * MORE_MIN {
                break;
            }
        }
        rate *= 2;
    }
    for _ in 0..if is_quick() { 1 } else { 3 } {
        let Some(end) = high else { break };
        let (made, failed) = step(world, ((low.max(1.0) * end).sqrt()) as u32);
        if is_too_many(failed) { high = Some(made.min(end)) } else { low = made.max(low) }
    }
    let open = if high.is_none() { ", and more could not be made" } else { "" };
    println!("SYN/s before honest connects fail, {name:<18} {low:>9.0}{open}");
    Limit { per_second: low, is_open: high.is_none() }
}

/// The rate that was really made, and how many exchanges failed beside it. Whatever else the machine does may hold them up
/// once: a rate that too many fail at is tried a second time.
fn step(world: &World, per_second: u32) -> (f64, u32) {
    let first = beside(world, per_second);
    if is_too_many(first.1) { beside(world, per_second) } else { first }
}

fn beside(world: &World, per_second: u32) -> (f64, u32) {
    let (stop, flood) = (AtomicBool::new(false), flood(per_second));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            world.on_client(|| {
                pin_to(0, 1);
                pace(&flood, &stop);
            });
        });
        let _stopped = Stopped(&stop);
        std::thread::park_timeout(LEAD);
        let (began, before, came) = (Instant::now(), flood.sent().unwrap(), received());
        let failed = world.on_client(failures);
        let (sent, came) = (flood.sent().unwrap() - before, received() - came);
        let made = sent as f64 / began.elapsed().as_secs_f64();
        assert!(came > sent / 100, "the flood does not arrive: {came} of {sent}");
        (made, failed)
    })
}

fn is_too_many(failed: u32) -> bool {
    failed > FAILURES_MAX[usize::from(is_quick())]
}

/// Stops trying when the answer is known.
fn failures() -> u32 {
    let mut failed = 0;
    for _ in 0..TRIES[usize::from(is_quick())] {
        failed += u32::from(exchange(CLIENT, SERVER, 100, PATIENCE).is_err());
        if is_too_many(failed) {
            break;
        }
        // So that the exchanges of a step see more than one of the generator's steps.
        std::thread::park_timeout(Duration::from_millis(5));
    }
    failed
}

/// Leaves both ends of the wire one queue.
fn one_queue(world: &World) -> Outcome<()> {
    for interface in [INTERFACE, PEER] {
        let told =
            || tool("ethtool", &["-L", interface, "rx", "1", "tx", "1"]).map_err(|error| error.to_string());
        if interface == PEER { world.on_client(told)? } else { told()? }
    }
    Ok(())
}

/// Has one thread on the first processor receive for the server. Attaching a program makes queues anew, and with them
/// their threads. A sender that leaves segmenting to the other end goes around the queue, and would not meet the flood.
fn one_thread(world: &World) -> Outcome<()> {
    tool("ethtool", &["-K", INTERFACE, "gro", "on"])?;
    world.on_client(|| tool("ethtool", &["-K", PEER, "tso", "off"]).map_err(|error| error.to_string()))?;
    let sys = world.files().join("sys");
    if !sys.exists() {
        std::fs::create_dir(&sys)?;
        mount(Some("sysfs"), &sys, Some("sysfs"), MsFlags::empty(), None::<&str>)?;
    }
    let threaded = sys.join("class/net").join(INTERFACE).join("threaded");
    std::fs::write(&threaded, "0")?;
    let before = receivers()?;
    std::fs::write(&threaded, "1")?;
    let mine: Vec<i32> = receivers()?.into_iter().filter(|thread| !before.contains(thread)).collect();
    if mine.is_empty() {
        return Err("the kernel gives the interface no thread".into());
    }
    mine.into_iter().for_each(|thread| pin_to(thread, 0));
    Ok(())
}

/// The kernel's threads that receive for an interface of the server's name.
fn receivers() -> Outcome<Vec<i32>> {
    let name = format!("napi/{INTERFACE}-");
    let all =
        std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_one = |thread: &i32| {
        std::fs::read_to_string(format!("/proc/{thread}/comm")).is_ok_and(|comm| comm.starts_with(&name))
    };
    Ok(all.filter(is_one).collect())
}
