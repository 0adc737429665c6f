//! What goes wrong around the shield: strangers, interfaces that come and go, floods of every kind, a reboot.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use weir_kernel::{Cause, Placement, Shield};
use weir_plan::shield::{Rate, Shield as Plan};
use weir_wire::{Pass, Reason};

use crate::traffic::{Sink, ack, echo, exchange, send, send_raw, source, udp};
use crate::world::{CLIENT, INTERFACE, SERVER, World, at, until};

/// Ticks come every second, and a loss must be known within five.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// A stranger may not take the program off; if one detaches its link all the same, the next tick attaches it again.
pub(crate) fn detached(world: &World) {
    let mut shield = world.shield(&world.plan());
    let off =
        Command::new("ip").args(["link", "set", "dev", INTERFACE, "xdpgeneric", "off"]).output().unwrap();
    assert!(!off.status.success(), "a stranger took the program off with ip(8)");
    let link = world.pins().join(format!("link-{INTERFACE}"));
    detach(&link);
    let began = Instant::now();
    let changed = shield.tick().unwrap();
    println!("a detached link was noticed and attached again in {} us", began.elapsed().as_micros());
    assert!(began.elapsed() < KNOWN_WITHIN);
    // It sits as it did before, so nothing has changed for the operator but the moment without.
    assert!(changed.iter().all(|how| how.placement == Placement::Generic), "{changed:?}");
    drops_again(world, &mut shield);
}

/// Takes a pinned link off as `bpftool link detach` does.
#[allow(unsafe_code, reason = "the bare system call, as a stranger would make it")]
fn detach(link: &std::path::Path) {
    const OBJ_GET: i64 = 7;
    const LINK_DETACH: i64 = 34;
    let path = std::ffi::CString::new(link.to_str().unwrap()).unwrap();
    let call = |command: i64, attribute: &mut [u64; 2]| {
        // SAFETY: the attribute lives through the call, is as long as it is said to be, and points at a path that does too.
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), size_of_val(attribute)) }
    };
    let link = call(OBJ_GET, &mut [path.as_ptr().addr() as u64, 0]);
    assert!(link > 0, "the link is not pinned");
    // The attribute of the second is shorter; the rest of it is zero.
    let detached = call(LINK_DETACH, &mut [u64::try_from(link).unwrap(), 0]);
    assert_eq!(detached, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has made the descriptor above, and nobody else knows of it.
    drop(unsafe {
        <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(i32::try_from(link).unwrap())
    });
}

pub(crate) fn down_and_up(world: &World) {
    let mut shield = world.shield(&world.plan());
    world.ip_server(&format!("link set {INTERFACE} down"));
    shield.tick().unwrap();
    world.ip_server(&format!("link set {INTERFACE} up"));
    shield.tick().unwrap();
    assert_eq!(shield.attached()[0].placement, Placement::Generic);
    drops_again(world, &mut shield);
}

fn drops_again(world: &World, shield: &mut Shield) {
    shield.bans().ban(at("10.91.0.3"), None, Cause::by_hand("x")).unwrap();
    let sink = Sink::open(SERVER);
    send(&source(world, "10.91.0.4"), SERVER);
    assert!(sink.receives());
    send(&source(world, "10.91.0.3"), SERVER);
    assert!(!sink.receives(), "the shield is not there");
}

/// After a reboot nothing is pinned; the journal knows who was banned.
pub(crate) fn reboot(world: &World) {
    let mut shield = world.shield(&world.plan());
    let hour = Some(Duration::from_secs(3600));
    shield.bans().ban(at("10.91.0.3"), hour, Cause::by_hand("before the reboot")).unwrap();
    shield.bans().ban(at("10.91.0.5"), hour, Cause::by_hand("lifted")).unwrap();
    shield.bans().unban(at("10.91.0.5")).unwrap();
    drop(shield);
    weir_kernel::detach(&world.pins(), &world.host()).unwrap();
    let mut shield = world.shield(&world.plan());
    let listed = shield.bans().list().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (listed[0].source, listed[0].entry.cause.rule.as_str()),
        (at("10.91.0.3"), "before the reboot")
    );
    let sink = Sink::open(SERVER);
    send(&source(world, "10.91.0.3"), SERVER);
    assert!(!sink.receives(), "the ban did not survive");
    assert_eq!(shield.counters().unwrap().dropped(Reason::Banned).packets, 1);
}

/// Two processes with one pin directory would undo each other's tables.
pub(crate) fn second(world: &World) {
    let first = world.shield(&world.plan());
    let error = Shield::open(&world.plan(), &world.host()).expect_err("the directory is taken");
    assert_eq!(error.exit_code(), 69, "{error}");
    assert!(error.to_string().contains("another weir keeps its shield there"), "{error}");
    drop(first);
    world.shield(&world.plan());
}

/// Acknowledgements that belong to nothing are dropped while the guard is on; who is honest is served.
pub(crate) fn ack_flood(world: &World) {
    let mut plan = Plan { sysctls: weir_plan::shield::Sysctls::Set, ..world.plan() };
    plan.syn_guard.when = weir_plan::shield::SynWhen::Always;
    let shield = world.shield(&plan);
    echo(SERVER);
    let sent = u64::from(world.on_client(|| flood(20_000, ack)));
    world
        .on_client(|| exchange(CLIENT, SERVER, 1000, Duration::from_secs(20)))
        .expect("an honest connection");
    until("the flood to be refused", || {
        shield.counters().unwrap().dropped(Reason::CookieInvalid).packets >= sent
    });
}

/// A flood of datagrams from sources without number: each has its budget, and nobody's table fills up. The honest and
/// the trusted are not touched.
pub(crate) fn udp_flood(world: &World) {
    let mut plan = world.plan();
    plan.limits.port.packets = None;
    plan.limits.source.rates.udp = Some(Rate { per_second: 1, burst: 1 });
    plan.trusted = vec!["10.91.0.5/32".parse().unwrap()];
    let shield = world.shield(&plan);
    let sink = Sink::open(SERVER);
    // A thousand sources send twenty each: one passes, or a few for the least tolerance of a limit, and one a second.
    let begun = Instant::now();
    let sent = u64::from(world.on_client(|| flood(20_000, |number| udp(number % 1000))));
    let refused = || shield.counters().unwrap().dropped(Reason::SourceUdp).packets;
    until("the flood to be judged", || {
        refused() + shield.counters().unwrap().passed(Pass::Clean).packets >= sent
    });
    let (refused, took) = (refused(), begun.elapsed());
    println!("UDP flood: {sent} datagrams of 1,000 sources in {took:?}, {refused} refused");
    assert!(
        sent - refused < 1000 * (4 + took.as_secs()),
        "only {refused} of {sent} were refused in {took:?}"
    );
    let mut arrived = [0; 256];
    sink.drain(&mut arrived);
    send(&source(world, "10.91.0.6"), SERVER);
    assert!(sink.receives(), "an honest source is refused after the flood");
    let trusted = source(world, "10.91.0.5");
    for number in 0..50 {
        send(&trusted, SERVER);
        assert!(sink.receives(), "datagram {number} of a trusted source");
    }
}

/// More sources than there are cells, and a table of bans that is full: the honest keep their budget, the trusted pass,
/// and what does not fit is said.
pub(crate) fn full_tables(world: &World) {
    let mut plan = world.plan();
    plan.bans.entries_max = 3;
    plan.limits.source.rates.packets = Some(Rate { per_second: 1000, burst: 1000 });
    plan.trusted = vec!["10.91.0.5/32".parse().unwrap()];
    let mut shield = world.shield(&plan);
    for last in 10..13 {
        shield.bans().ban(at(&format!("198.51.100.{last}")), None, Cause::by_hand("x")).unwrap();
    }
    let full =
        shield.bans().ban(at("198.51.100.99"), None, Cause::by_hand("x")).expect_err("there is no room");
    assert!(full.to_string().contains("the table of bans is full"), "{full}");
    let sent = u64::from(world.on_client(|| flood(60_000, udp)));
    let seen = || {
        let counters = shield.counters().unwrap();
        counters.passed(Pass::Clean).packets + counters.dropped_in_all().packets
    };
    until("the flood to be judged", || seen() >= sent);
    let sink = Sink::open(SERVER);
    for from in ["10.91.0.5", "10.91.0.6"] {
        let client = source(world, from);
        for number in 0..20 {
            send(&client, SERVER);
            assert!(sink.receives(), "datagram {number} of {from}");
        }
    }
}

/// Sends packets from the client's side; at most as many.
fn flood(count: u32, packet: impl Fn(u32) -> Vec<u8>) -> u32 {
    let to: Ipv4Addr = SERVER.parse().unwrap();
    send_raw(to, (0..count).map(packet))
}
