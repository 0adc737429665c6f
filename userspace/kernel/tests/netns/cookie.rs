//! SYN cookies answered by the driver, believed by the real listener.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use weir_kernel::Counters;
use weir_kernel::counters::total;
use weir_plan::shield::{Attach, Shield as Plan, SynWhen, Sysctls};
use weir_wire::Pass;

use crate::attach::passing;
use crate::traffic::{self, Stopped, echo, exchange};
use crate::world::{CLIENT, CLIENT6, PEER, SERVER, SERVER6, World};

/// How long is waited for what comes in milliseconds on a machine that has time.
const PATIENCE: Duration = Duration::from_secs(20);

fn guarded(world: &World, when: SynWhen, attach: Attach) -> Plan {
    let mut plan = Plan { attach, sysctls: Sysctls::Set, ..world.plan() };
    plan.syn_guard.when = when;
    plan
}

fn sysctl(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap().trim().to_owned()
}

pub(crate) fn handshakes(world: &World) {
    let _peer = world.on_client(|| passing(PEER));
    echo(SERVER);
    echo(SERVER6);
    let before = [sysctl("tcp_syncookies"), sysctl("tcp_timestamps")];
    for attach in [Attach::Generic, Attach::Native] {
        let shield = world.shield(&guarded(world, SynWhen::Always, attach));
        assert_eq!([sysctl("tcp_syncookies"), sysctl("tcp_timestamps")], ["2", "2"]);
        for (from, to) in [(CLIENT, SERVER), (CLIENT6, SERVER6)] {
            let counted = |pass| shield.counters().unwrap().passed(pass).packets;
            let (sent, valid) = (counted(Pass::CookieSent), counted(Pass::CookieValid));
            let told = world.on_client(|| exchange(from, to, 1_000_000, PATIENCE));
            told.unwrap_or_else(|error| {
                panic!("{attach:?} {from}: {error}; {}", moved(&shield.counters().unwrap()))
            });
            assert!(counted(Pass::CookieSent) > sent, "{attach:?} {from}: the listener answered itself");
            assert!(counted(Pass::CookieValid) > valid, "{attach:?} {from}: no cookie came back");
        }
        shield.close().unwrap();
        assert_eq!([sysctl("tcp_syncookies"), sysctl("tcp_timestamps")], before, "sysctls were not restored");
    }
}

/// The counters that are not zero, in one line.
fn moved(counters: &Counters) -> String {
    let refused = counters.refused.iter().map(|refused| (refused.reason, total(&refused.dropped).packets));
    let passed = counters.passed.iter().map(|passed| (passed.name, total(&passed.by_cpu).packets));
    let all = refused.chain(passed).filter(|(_, packets)| *packets > 0);
    all.map(|(name, packets)| format!("{name} {packets}")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn flood(world: &World) {
    let _peer = world.on_client(|| passing(PEER));
    echo(SERVER);
    let mut plan = guarded(world, SynWhen::Auto, Attach::Native);
    plan.syn_guard.above = 1000;
    let shield = world.shield(&plan);
    let stop = AtomicBool::new(false);
    let mut slowest = Duration::ZERO;
    let sent = std::thread::scope(|scope| {
        let flooder = scope.spawn(|| world.on_client(|| flood_at_server(&stop)));
        let stopped = Stopped(&stop);
        let enough = || shield.counters().unwrap().passed(Pass::CookieSent).packets > 2000;
        let deadline = Instant::now() + PATIENCE;
        let mut number = 0;
        while number < 20 || !enough() && Instant::now() < deadline {
            number += 1;
            let began = Instant::now();
            let told = world.on_client(|| exchange(CLIENT, SERVER, 1000, PATIENCE));
            told.unwrap_or_else(|error| panic!("honest connection {number} under the flood: {error}"));
            slowest = slowest.max(began.elapsed());
        }
        drop(stopped);
        flooder.join().expect("the flooder panicked")
    });
    let counters = shield.counters().unwrap();
    println!(
        "SYN flood: {sent} SYNs, {} cookies, every honest connection served, the slowest in {} ms",
        counters.passed(Pass::CookieSent).packets,
        slowest.as_millis()
    );
    assert!(sent > 2000, "too small a flood to prove anything: {sent}");
    assert!(counters.passed(Pass::CookieSent).packets > 0, "the guard never acted: {counters:?}");
    assert_eq!(shield.guarded().unwrap(), [format!("tcp/{}", crate::world::PORT)]);
}

fn flood_at_server(stop: &AtomicBool) -> u32 {
    traffic::flood(SERVER.parse().unwrap(), 100_000, stop)
}
