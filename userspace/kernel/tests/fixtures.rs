//! Fixtures: tables in a known state, a frame in, and exactly what must come of it: verdict, counter, event, frame out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says why it did not begin"
)]
use std::{
    net::TcpListener,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};
use weir_wire::{
    Address, Ban, Event, Pass, Reason, Rules, counter,
    list::image::{Entry, Tie},
    table,
};

#[path = "fixtures/concurrent.rs"]
mod concurrent;
#[path = "fixtures/cookies.rs"]
mod cookies;
#[path = "fixtures/frames.rs"]
mod frames;
#[path = "fixtures/limits.rs"]
mod limits;
#[path = "fixtures/lists.rs"]
mod lists;
#[path = "fixtures/malformed.rs"]
mod malformed;
#[path = "fixtures/modes.rs"]
mod modes;
#[path = "fixtures/ports.rs"]
mod ports;
#[path = "fixtures/rig.rs"]
#[allow(dead_code, reason = "shared with the comparison of the parsers and the bench")]
mod rig;

use rig::{Outcome, Ran, Rig};

/// The verdicts, as the kernel numbers them.
const DROP: u32 = 1;
const PASS: u32 = 2;
const ANSWER: u32 = 3;

/// The port on which a listener waits, in the namespace of this test.
const LISTENED: u16 = 8443;

/// What the tables hold before the frames come in.
struct State {
    rules: Box<Rules>,
    entries: Vec<Entry>,
    tie: Tie,
    bans: Vec<(u64, Ban)>,
}

/// A judgement that no row can say.
type Judge = Box<dyn Fn(&Rig) -> Outcome<()> + Send>;

/// What must come of a frame.
enum Expect {
    /// Dropped, counted and reported for this reason.
    Drop(Reason),
    /// Passed unchanged, and counted for this cause.
    Pass(Pass),
    /// Passed unchanged, and counted and reported as what would have been dropped.
    Observed(Reason, Pass),
    /// Answered; the rest is checked by hand.
    Answer(fn(&[u8], &[u8]) -> Outcome<()>),
    /// Judged by hand.
    Custom(Judge),
}

/// One row of the table.
struct Fixture {
    name: String,
    state: Box<dyn Fn(&mut State) + Send>,
    steps: Vec<(Vec<u8>, Expect)>,
}

fn fixture(
    name: impl Into<String>,
    state: impl Fn(&mut State) + Send + 'static,
    steps: impl IntoIterator<Item = (Vec<u8>, Expect)>,
) -> Fixture {
    Fixture { name: name.into(), state: Box::new(state), steps: steps.into_iter().collect() }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One kernel, one set of tables: fixtures take turns.
    arguments.test_threads = Some(1);
    let (rig, listener, missing) = match prepare() {
        Ok((rig, listener)) => (Some(rig), Some(listener), String::new()),
        Err(error) => (None, None, error.to_string()),
    };
    let is_missing = rig.is_none();
    if rig::is_refused(&missing) {
        println!("the verifier refuses the object: {missing}");
        return ExitCode::FAILURE;
    }
    if is_missing {
        println!("skipped, for want of root, CAP_BPF or a kernel that takes the object: {missing}");
    }
    let rig = Arc::new(Mutex::new(rig));
    let rows = [
        malformed::rows(),
        lists::rows(),
        ports::rows(),
        limits::rows(),
        modes::rows(),
        cookies::rows(),
        concurrent::rows(),
    ];
    let trials = rows.into_iter().flatten().map(|row| {
        let rig = Arc::clone(&rig);
        let name = row.name.clone();
        let trial = Trial::test(name, move || {
            let mut rig = rig.lock().map_err(|_| "an earlier fixture panicked")?;
            let rig = rig.as_mut().ok_or("not loaded")?;
            run(&row, rig).map_err(|error| Failed::from(error.to_string()))
        });
        trial.with_ignored_flag(is_missing)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(listener);
    conclusion.exit_code()
}

/// A network namespace of our own, in which cookies are forced and a listener waits.
fn prepare() -> Outcome<(Rig, TcpListener)> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2")?;
    std::fs::write("/proc/sys/net/ipv4/tcp_timestamps", "2")?;
    let listener = TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, LISTENED))?;
    Ok((Rig::load()?, listener))
}

fn run(fixture: &Fixture, rig: &mut Rig) -> Outcome<()> {
    let mut state = State { rules: rig::enforcing(), entries: Vec::new(), tie: Tie::Deny, bans: Vec::new() };
    (fixture.state)(&mut state);
    rig.rule(&state.rules)?;
    rig.list(state.entries, state.tie)?;
    rig.ban(&state.bans)?;
    rig.forget()?;
    rig.events()?;
    for (number, (frame, expect)) in fixture.steps.iter().enumerate() {
        if let Expect::Custom(judge) = expect {
            judge(rig).map_err(|error| format!("step {number}: {error}"))?;
            continue;
        }
        let ran = rig.run(table::PROGRAM_MAIN, frame)?;
        let events = rig.events()?;
        judge(frame, &ran, &events, expect).map_err(|error| format!("step {number}: {error}\n{ran:x?}"))?;
    }
    Ok(())
}

fn judge(frame: &[u8], ran: &Ran, events: &[Event], expect: &Expect) -> Outcome<()> {
    let (action, slots, reported) = match expect {
        Expect::Drop(reason) => (DROP, vec![counter::dropped(*reason)], Some((*reason, 0))),
        Expect::Pass(pass) => (PASS, vec![pass.slot()], None),
        Expect::Observed(reason, pass) => {
            (PASS, vec![counter::observed(*reason), pass.slot()], Some((*reason, 1)))
        }
        Expect::Answer(_) => (ANSWER, vec![Pass::CookieSent.slot()], None),
        Expect::Custom(_) => return Ok(()),
    };
    if ran.action != action {
        return Err(format!("action {} instead of {action}", ran.action).into());
    }
    let expected: Vec<_> = slots.iter().map(|slot| (*slot, 1)).collect();
    let extras = weir_wire::Extra::EventSuppressed.slot()..;
    let counted: Vec<_> = ran.counted.iter().filter(|(slot, _)| !extras.contains(slot)).copied().collect();
    if counted != expected {
        return Err(format!("counted {counted:?} instead of {expected:?}").into());
    }
    let is_reported = match (events, reported) {
        ([], None) => true,
        ([event], Some((reason, observed))) => event.reason == reason as u8 && event.observed == observed,
        _ => false,
    };
    if !is_reported {
        return Err(format!("reported {events:?}").into());
    }
    match expect {
        Expect::Answer(check) => check(frame, &ran.frame),
        _ if ran.frame == frame => Ok(()),
        _ => Err("the frame was changed".into()),
    }
}

impl State {
    fn list(&mut self, prefix: &str, list: weir_wire::list::image::List) {
        self.entries.push(rig::entry(prefix, list));
    }

    /// A ban that ends so many seconds from now; a negative number has ended.
    fn ban(&mut self, source: &str, seconds: i64) {
        let until_ns = rig::now_ns().saturating_add_signed(seconds * 1_000_000_000);
        let address: std::net::IpAddr = source.parse().unwrap();
        self.bans.push((Address::from(address).key(u64::MAX), Ban { until_ns, hits: 0 }));
    }
}
