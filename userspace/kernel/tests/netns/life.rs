//! What outlives weir: restarts, kills, and an orderly end.

use std::io::{BufRead, BufReader};
use std::os::fd::IntoRawFd;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use weir_kernel::{Cause, Claim, Shield, Status};
use weir_plan::shield::{OnExit, Shield as Plan};
use weir_wire::Reason;

use crate::traffic::{Sink, Stopped, probe, send, source};
use crate::world::{INTERFACE, SERVER, World, at, until};

/// Tells the test binary to be a weir that holds a shield in this directory until it is killed.
const CHILD: &str = "WEIR_TEST_CHILD";
const BANNED: &str = "10.91.0.4";

pub(crate) fn restart(world: &World) {
    no_gap(world, |mut shield| {
        for _ in 0..5 {
            shield.close().unwrap();
            let began = Instant::now();
            shield = world.shield(&world.plan());
            println!("restart: shield open after {} ms", began.elapsed().as_millis());
        }
        shield
    });
}

/// A weir of another build finds another program pinned, and lists of another shape: it loads its own and puts it in its
/// place.
pub(crate) fn upgrade(world: &World) {
    no_gap(world, |shield| {
        let before = Status::read(&world.pins()).unwrap().program;
        drop(shield);
        for entry in std::fs::read_dir(world.pins()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("program-") {
                std::fs::rename(entry.path(), world.pins().join("program-other")).unwrap();
            }
        }
        std::fs::rename(world.pins().join("RULES-now"), world.pins().join("LISTS-now")).unwrap();
        let shield = world.shield(&world.plan());
        assert_ne!(Status::read(&world.pins()).unwrap().program, before);
        assert!(!world.pins().join("program-other").exists());
        shield
    });
}

/// A successor whose build lays a table out otherwise fails late: what is pinned is what the program before goes on with.
pub(crate) fn late_failure(world: &World) {
    let mut first = world.shield(&world.plan());
    let claim = Claim::inherit(first.share_claim().unwrap().into_raw_fd()).unwrap();
    let names = || {
        let all = std::fs::read_dir(world.pins()).unwrap().flatten();
        let mut names: Vec<_> = all.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    std::fs::remove_file(world.pins().join("COUNTS")).unwrap();
    let second = Shield::succeed(&world.plan(), &world.host(), claim).unwrap();
    let strange = world.pins().join("STRANGE");
    std::fs::rename(world.pins().join("TRACE"), &strange).unwrap();
    drop(second);
    first.resume().unwrap();
    assert_eq!(names(), before);
    first.bans().ban(at(BANNED), None, Cause::by_hand("x")).unwrap();
    send(&source(world, BANNED), SERVER);
    until("the packet is counted", || first.counters().unwrap().dropped(Reason::Banned).packets == 1);
    let pinned = Status::read(&world.pins()).unwrap();
    assert_eq!(pinned.dropped.packets, 1, "the pinned counters are another's");
}

pub(crate) fn sigkill(world: &World) {
    let shield = no_gap(world, |shield| {
        drop(shield);
        for _ in 0..3 {
            let mut child = child_command(world, &std::env::current_exe().unwrap().display().to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "open\n");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        world.shield(&world.plan())
    });
    // Nobody holds it now, and everything is still there; pins are enough to take it away.
    drop(shield);
    let status = Status::read(&world.pins()).unwrap();
    assert_eq!((status.bans, status.interfaces.len()), (1, 1));
    assert_eq!(weir_kernel::detach(&world.pins(), &world.host()).unwrap(), [INTERFACE]);
    assert!(Status::read(&world.pins()).is_err());
    assert_eq!(weir_kernel::detach(&world.pins(), &world.host()).unwrap(), Vec::<String>::new());
}

/// Bans a source that sends without pause, lets something happen, and finds every datagram dropped, none through.
fn no_gap(world: &World, happen: impl FnOnce(Shield) -> Shield) -> Shield {
    let mut shield = world.shield(&world.plan());
    shield.bans().ban(at(BANNED), None, Cause::by_hand("for good")).unwrap();
    let sink = Sink::open(SERVER);
    let sources = [source(world, BANNED)];
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut shield = std::thread::scope(|scope| {
        scope.spawn(|| probe(&sources, SERVER, &stop, &sent));
        let _stopped = Stopped(&stop);
        happen(shield)
    });
    let sent = sent.load(Ordering::Relaxed);
    until("every datagram to be counted as dropped", || {
        shield.counters().unwrap().dropped(Reason::Banned).packets == sent
    });
    let mut arrived = [0; 256];
    sink.drain(&mut arrived);
    assert_eq!(arrived.iter().sum::<u64>(), 0, "of {sent} datagrams of a banned source");
    assert!(sent > 200, "too few datagrams to prove anything: {sent}");
    let listed = shield.bans().list().unwrap();
    assert_eq!((listed.len(), listed[0].entry.cause.rule.as_str(), listed[0].hits), (1, "for good", sent));
    println!("{sent} datagrams of a banned source, none through");
    shield
}

pub(crate) fn detach_on_exit(world: &World) {
    let plan = Plan { on_exit: OnExit::Detach, ..world.plan() };
    world.shield(&plan).close().unwrap();
    assert!(Status::read(&world.pins()).is_err());
    assert!(!world.pins().exists(), "the pin directory is left behind");
    assert_eq!(
        weir_kernel::doctor::examine(&plan, &world.host())
            .iter()
            .filter(|line| line.found.starts_with("shielded"))
            .count(),
        0
    );
}

/// A command that becomes the child, in this thread's namespaces.
pub(crate) fn child_command(world: &World, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env(CHILD, world.files());
    command
}

/// What the child does: opens the shield, says so, and waits to be killed.
pub(crate) fn child() -> Option<ExitCode> {
    let directory = std::env::var_os(CHILD)?;
    let (plan, host) = World::of_parent(directory.as_ref());
    let told = Shield::open(&plan, &host);
    match &told {
        Ok(_) => println!("open"),
        Err(error) => {
            println!("{error}");
            return Some(ExitCode::from(error.exit_code()));
        }
    }
    loop {
        std::thread::park();
    }
}
