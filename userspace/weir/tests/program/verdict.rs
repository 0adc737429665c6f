//! What the proxy learns about an abuser, the kernel enforces: from wrong tokens to packets dropped by XDP.

use crate::process::{PATIENCE, Stopped, Weir, ask_over, until};
use crate::service::{LOGIN, TOKEN};
use crate::wire::{ABUSER, Bpffs, HONEST, SERVER, Wire};
use libtest_mimic::{Failed, Trial};
use std::io::Read;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    let trial = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(name, run).with_ignored_flag(!root);
    vec![
        trial("verdict::wrong_tokens_lead_to_a_ban_in_the_kernel", wrong_tokens),
        trial("verdict::the_kernel_drops_at_once_and_forgives_by_itself", at_once),
        trial("verdict::behind_a_trusted_proxy_a_client_is_refused_and_nobody_banned", proxied),
        trial("verdict::who_authenticates_has_credit", credit),
        trial("verdict::f11_killed_starved_or_restarted_the_shield_stands_and_bans_stay", dead),
    ]
}

/// What a token that nobody signed looks like, and one that is good.
const WRONG: &str = "Authorization: Bearer wrong.token.here\r\n";

fn right() -> String {
    format!("Authorization: Bearer {TOKEN}\r\n")
}

/// A ban comes with the twentieth wrong token, even if a slow machine forgets a little of the score meanwhile.
fn config(pins: &str, shield: &str, listener: &str, abuse: &str) -> String {
    format!(
        "version: 1
shield: {{ interfaces: [ edge ], attach: generic, on_attach_failure: refuse, pin_directory: {pins}, {shield} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:8080\"{listener} }} ]
policies:
  login: {LOGIN}
  abuse: {{ verdicts: {{ score: {{ bad_token: 5 }}, ban_at: 97, half_life: 1h{abuse} }} }}
routes: [ {{ name: hello, match: {{ path: /* }}, policies: [ abuse, login ], respond: {{ status: 200, body: hello }} }} ]
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

fn wrong_tokens() -> Result<(), Failed> {
    let bpffs = Bpffs::mount();
    let wire = Wire::lay();
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(program, &config(&bpffs.pins(), "on_exit: detach", "", ""));
    for attempt in 1..=20 {
        assert_eq!(wire.status(ABUSER, "wrong.token.here"), 401, "attempt {attempt}");
    }
    until("the abuser is shut out", || wire.is_silent(ABUSER));
    assert_eq!(wire.status(HONEST, "wrong.token.here"), 401, "another client is heard");

    let bans = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(bans.contains(ABUSER) && bans.contains("bad_token") && !bans.contains(HONEST), "{bans}");
    let why = String::from_utf8(weir.ask(&["shield", "explain", ABUSER]).stdout)?;
    assert!(why.contains("drop") && why.contains("bad_token (login) by request "), "{why}");

    assert!(weir.ask(&["shield", "unban", ABUSER]).status.success());
    until("the abuser is heard again", || wire.status(ABUSER, "wrong.token.here") == 401);
    Ok(())
}

/// A port that nobody protects but that lies behind the kernel's bans.
const SINK: u16 = 9999;

/// Lets something happen while the abuser sends a datagram every millisecond; when the last of them came through.
fn last_through(wire: &Wire, happen: impl FnOnce()) -> Instant {
    let sink = Wire::on(&wire.server, || UdpSocket::bind((SERVER, SINK)).unwrap());
    let source = Wire::on(&wire.client, || UdpSocket::bind((ABUSER, 0)).unwrap());
    sink.set_read_timeout(Some(PATIENCE)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                source.send_to(b"x", (SERVER, SINK)).unwrap();
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        let _stopped = Stopped(&stop);
        sink.recv(&mut [0; 8]).expect("they come through at first");
        happen();
        sink.set_read_timeout(Some(QUIET)).unwrap();
        let (deadline, mut last) = (Instant::now() + PATIENCE, Instant::now());
        while sink.recv(&mut [0; 8]).is_ok() && Instant::now() < deadline {
            last = Instant::now();
        }
        last
    })
}

/// So long nothing must come from a client that sends every millisecond for it to be shut out.
const QUIET: Duration = Duration::from_millis(500);
/// How long after the refusal that turns the scale a packet may still come through on a machine that is busy. What it took
/// is printed: a tenth of a second is meant.
const SHUT_OUT_WITHIN: Duration = Duration::from_secs(10);

fn at_once() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let text = config(&bpffs.pins(), "on_exit: detach, bans: { first: 5m }", "", "");
    let weir = Weir::start_by(program, &text);
    let bans = || String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout).unwrap();
    let (mut abuser, mut idle, mut honest) = (wire.dial(ABUSER), wire.dial(ABUSER), wire.dial(HONEST));
    assert_eq!((ask_over(&mut idle, WRONG), ask_over(&mut honest, WRONG)), (401, 401));
    for attempt in 2..=19 {
        assert_eq!(ask_over(&mut abuser, WRONG), 401, "attempt {attempt}");
    }
    assert!(!bans().contains(ABUSER), "after 19: {}", bans());
    let mut crossed = Instant::now();
    let last = last_through(&wire, || {
        assert_eq!(ask_over(&mut abuser, WRONG), 401, "attempt 20");
        crossed = Instant::now();
    });
    let took = last.saturating_duration_since(crossed);
    println!("verdict: the last packet came through {} ms after the twentieth wrong token", took.as_millis());
    assert!(took < SHUT_OUT_WITHIN, "{took:?}");
    assert!(bans().contains(ABUSER) && !bans().contains(HONEST), "{}", bans());
    // What it had open has ended, and another client of the same route goes on.
    assert!(matches!(idle.read(&mut [0; 1]), Ok(0) | Err(_)), "an open connection is still served");
    assert_eq!(ask_over(&mut honest, WRONG), 401);
    let status: serde_json::Value =
        serde_json::from_slice(&weir.ask(&["shield", "status", "-o", "json"]).stdout)?;
    let banned = status["refused"].as_array().unwrap().iter().find(|one| one["reason"] == "banned").unwrap();
    assert!(banned["dropped"]["packets"].as_u64() > Some(0), "the kernel has not dropped them: {status}");
    // A ban ends by itself, in the kernel too. An operator may also shorten one.
    assert!(weir.ask(&["shield", "ban", ABUSER, "--for", "1s"]).status.success());
    until("the abuser is heard again", || wire.status(ABUSER, "wrong.token.here") == 401);
    assert!(!bans().contains(ABUSER), "{}", bans());
    Ok(())
}

/// The abuser's address is that of a proxy that is trusted, behind which there are many.
fn proxied() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let trusted = format!(", trusted_proxies: [ {ABUSER}/32 ]");
    let weir = Weir::start_by(program, &config(&bpffs.pins(), "on_exit: detach", &trusted, ""));
    let mut proxy = wire.dial(ABUSER);
    for attempt in 1..=60 {
        let fields = format!("X-Forwarded-For: 198.51.100.{}\r\n{WRONG}", attempt % 2);
        assert_eq!(ask_over(&mut proxy, &fields), 401, "attempt {attempt}");
    }
    let fields = format!("X-Forwarded-For: 198.51.100.1\r\n{}", right());
    assert_eq!(ask_over(&mut proxy, &fields), 200, "the proxy is heard");
    // Whoever is not the proxy may say what it likes: the socket's address is banned, and never the one that is named.
    let mut liar = wire.dial(HONEST);
    for attempt in 1..=20 {
        let fields = format!("X-Forwarded-For: 198.51.100.1\r\n{WRONG}");
        assert_eq!(ask_over(&mut liar, &fields), 401, "attempt {attempt}");
    }
    let bans = || String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout).unwrap();
    until("the liar is banned", || bans().contains(HONEST));
    assert!(!bans().contains(ABUSER) && !bans().contains("198.51.100."), "{}", bans());
    assert_eq!(ask_over(&mut proxy, &fields), 200, "the proxy is still heard, over the same connection");
    Ok(())
}

/// Many honest people and one who is not, behind one address.
fn credit() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(program, &config(&bpffs.pins(), "on_exit: detach", "", ", credit: 5"));
    let bans = || String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout).unwrap();
    let mut carrier = wire.dial(ABUSER);
    for attempt in 1..=60 {
        assert_eq!(ask_over(&mut carrier, WRONG), 401, "attempt {attempt}");
        assert_eq!(ask_over(&mut carrier, &right()), 200, "attempt {attempt}");
    }
    assert!(!bans().contains(ABUSER), "{}", bans());
    // Twenty in a row without anybody honest between them are too many even so.
    for attempt in 1..=20 {
        assert_eq!(ask_over(&mut carrier, WRONG), 401, "attempt {attempt}");
    }
    until("the address is banned", || bans().contains(ABUSER));
    Ok(())
}

fn dead() -> Result<(), Failed> {
    let bpffs = Bpffs::mount();
    let wire = Wire::lay();
    let program = || Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    // What curl makes of an attempt to connect: 7 if the host refuses, 28 if nothing comes back.
    let knock = |from: &str, seconds: &str| {
        let url = format!("http://{SERVER}:8080/");
        let mut curl = Wire::inside(&wire.client, "curl");
        curl.args(["--silent", "--max-time", seconds, "--interface", from, &url]).status().unwrap().code()
    };
    let mut weir = Weir::start_by(program(), &config(&bpffs.pins(), "on_exit: keep", "", ""));
    let ban = ["shield", "ban", ABUSER, "--for", "10m", "--reason", "by a hand"];
    assert!(weir.ask(&ban).status.success());
    // Killed, by the watchdog of the service manager (systemd.service(5), WatchdogSignal=), and by a restart.
    for signal in ["KILL", "ABRT", "TERM", "KILL"] {
        weir = weir.ended_by(signal, program(), || {
            assert_eq!(knock(ABUSER, "1"), Some(28), "{signal}: packets of the banned are dropped");
            assert_eq!(knock(HONEST, "30"), Some(7), "{signal}: the host itself answers others");
        });
        assert!(wire.is_silent(ABUSER), "{signal}");
        assert_eq!(wire.status(HONEST, "x"), 401, "{signal}");
        let bans = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
        assert_eq!(bans.matches(ABUSER).count(), 1, "{signal}: {bans}");
        assert!(bans.contains("by a hand"), "{signal}: the reason is not lost either: {bans}");
    }
    drop(weir);
    assert!(program().args(["shield", "detach", "--pins", &bpffs.pins()]).status()?.success());
    Ok(())
}
