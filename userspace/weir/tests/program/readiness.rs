//! B64: whether this host is ready, and what is in the way. Whoever asks is a balancer.

use crate::lists::crowded;
use crate::process::{Weir, curl, free_port, until};
use crate::unit::worker_of;
use crate::wire::{Bpffs, SERVER, Wire};
use libtest_mimic::{Failed, Trial};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("readiness::b64_it_follows_the_targets_that_this_host_needs", needs),
        Trial::test("readiness::b64_a_worker_that_stands_still_is_in_the_way", stuck)
            .with_ignored_flag(!root),
        Trial::test("readiness::b64_a_shield_that_is_demanded_and_gone_is_in_the_way", detached)
            .with_ignored_flag(!root),
        Trial::test("readiness::b64_a_shield_without_an_interface_is_in_the_way", nowhere)
            .with_ignored_flag(!root),
    ]
}

fn needs() -> Result<(), Failed> {
    let status = free_port();
    let running = Weir::start(&crowded(free_port(), status));
    let ready = || curl(&[&format!("http://127.0.0.1:{status}/readyz")]);
    assert_eq!(ready().0, 200);
    assert!(running.ask(&["upstream", "drain", "a", "127.0.0.1:9"]).status.success());
    assert_eq!(ready().0, 200, "nobody needs it");
    assert!(running.ask(&["upstream", "drain", "c", "127.0.0.1:9"]).status.success());
    let (code, said) = ready();
    assert!(code == 503 && said.contains("upstream `c`"), "{said}");
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/healthz")]).0, 200, "it lives all the same");
    assert!(running.ask(&["upstream", "undrain", "c", "127.0.0.1:9"]).status.success());
    assert_eq!(ready().0, 200);
    running.rewrite(&crowded(free_port(), status).replace("needs: [ c ]", "needs: [ sea ]"));
    let refused = running.ask(&["reload"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no upstream `sea`"), "{refused:?}");
    Ok(())
}

/// A debugger holds one worker still, as a loop without end would.
fn stuck() -> Result<(), Failed> {
    let status = free_port();
    let running = Weir::start(&crowded(free_port(), status));
    let ready = || curl(&[&format!("http://127.0.0.1:{status}/readyz")]);
    assert_eq!(ready().0, 200);
    let worker = worker_of(running.pid())?;
    ptrace::attach(worker)?;
    waitpid(worker, Some(WaitPidFlag::__WALL))?;
    until("it is not ready", || ready().0 == 503);
    let said = ready().1;
    assert!(said.contains("1 of ") && said.contains("workers do not answer"), "{said}");
    assert_eq!(curl(&[&format!("http://127.0.0.1:{status}/healthz")]).0, 200, "it lives all the same");
    ptrace::detach(worker, None)?;
    until("it is ready again", || ready().0 == 200);
    Ok(())
}

/// A program whose configuration demands a shield.
fn demanding(shield: &str, pins: &str) -> String {
    format!(
        "version: 1
shield: {{ {shield} attach: generic, on_attach_failure: refuse, on_exit: detach, pin_directory: {pins} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:8080\" }} ]
routes: [ {{ match: /*, respond: {{ body: hello }} }} ]
telemetry: {{ metrics: {{ bind: \"{SERVER}:9900\" }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// What a balancer on the other side of the wire is told.
fn ready_over(wire: &Wire) -> (bool, String) {
    let mut curl = Wire::inside(&wire.client, "curl");
    let output = curl.args(["--silent", "--include", "--max-time", "30"]);
    let output = output.arg(format!("http://{SERVER}:9900/readyz")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said.starts_with("HTTP/1.1 200 "), said)
}

fn detached() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let running = Weir::start_by(program, &demanding("interfaces: [ edge ],", &bpffs.pins()));
    let ready = || ready_over(&wire);
    until("it is ready", || ready().0);
    let mut detach: Command = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    detach.args(["shield", "detach", "--pins", &bpffs.pins(), "--state"]);
    assert!(detach.arg(running.room.path().join("state")).output()?.status.success());
    until("it is not ready", || !ready().0);
    let said = ready().1;
    assert!(said.contains("HTTP/1.1 503 ") && said.contains("the shield was taken off"), "{said}");
    assert!(running.ask(&["reload", "--wait"]).status.success());
    until("it is ready again", || ready().0);
    Ok(())
}

/// Where no interface has a default route, one that is asked for by it is nowhere.
fn nowhere() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let _running = Weir::start_by(program, &demanding("", &bpffs.pins()));
    let (ready, said) = ready_over(&wire);
    assert!(!ready && said.contains("the shield is off: no interface has a default route"), "{said}");
    Ok(())
}
