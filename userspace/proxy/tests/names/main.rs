//! Targets that are named, in a world with a name service of its own: a network namespace in which everything that asks
//! for a name reaches a stub, which lies, is silent, or answers too much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

#[path = "../serve/client.rs"]
mod client;
#[path = "../serve/origin.rs"]
mod origin;
#[path = "../serve/plans.rs"]
mod plans;
#[path = "../serve/rig.rs"]
mod rig;
mod service;

use client::Client;
use libtest_mimic::{Arguments, Failed, Trial};
use origin::Origin;
use plans::Draft;
use rig::Rig;
use service::{Answers, Service};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_plan::route::Action;
use weir_plan::upstream::Address;

/// Set for the process inside of the namespace.
const INSIDE: &str = "WEIR_TEST_INSIDE";
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let missing = rig::missing().or_else(no_namespace);
    if let Some(reason) = &missing {
        eprintln!("ignored, because {reason}");
    }
    let trial = Trial::test("f18_a_name_service_that_fails_stalls_nobody", || {
        let status = isolated(std::env::current_exe()?.to_str().unwrap()).env(INSIDE, "1").status()?;
        if status.success() { Ok(()) } else { Err(Failed::from(format!("inside: {status}"))) }
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(missing.is_some())]).exit();
}

fn isolated(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", program]);
    command
}

fn no_namespace() -> Option<String> {
    let made = isolated("true").output().is_ok_and(|output| output.status.success());
    (!made).then(|| "network and mount namespaces cannot be made here (they need root)".to_owned())
}

/// Gives the namespace a loopback, and a resolver that asks the stub.
fn furnish() {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    };
    run("ip", &["link", "set", "lo", "up"]);
    let directory = std::env::temp_dir().join(format!("weir-names-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (file, text) in [
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ] {
        let own = directory.join(file);
        std::fs::write(&own, text).unwrap();
        run("mount", &["--bind", own.to_str().unwrap(), &format!("/etc/{file}")]);
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn inside() {
    furnish();
    let service = Service::start();
    let (one, two) = (Origin::at("127.0.0.1:8080"), Origin::at("127.0.0.2:8080"));
    let mut draft = Draft::default();
    for (path, name) in [("/app/*", "app.test"), ("/never/*", "never.test")] {
        let id = draft.upstreams.len();
        drop(draft.upstream(&["127.0.0.1:8080".parse().unwrap()]));
        let upstream = Arc::get_mut(&mut draft.upstreams[id]).unwrap();
        upstream.targets[0].address = Address::Name(name.into(), 8080);
        // Every request asks for an address.
        upstream.keep_alive.connections_max = 0;
        draft.route(path, |draft| Action::Upstream(Arc::clone(&draft.upstreams[id])));
    }
    let rig = Rig::new(draft.finish());
    let get = |path: &str| {
        let mut client = Client::new(rig.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.answer()
    };
    assert!(get("/app/").starts_with("HTTP/1.1 200 "), "a name that is known");
    let served = |from: &Origin| {
        let before = from.seen().len();
        assert!(get("/app/").starts_with("HTTP/1.1 200 "));
        from.seen().len() > before
    };
    for answers in [
        Answers::NoSuchName,
        Answers::Failure,
        Answers::Nothing,
        Answers::Truncated,
        Answers::Garbage,
        Answers::Empty,
    ] {
        service.say(answers);
        let asked = service.asked();
        // The name is asked for anew, and what comes of that changes nothing.
        until("the name is asked for", || served(&one) && service.asked() > asked);
        for _ in 0..20 {
            assert!(served(&one), "{answers:?}: the last good address is used");
        }
        let unknown = get("/never/");
        assert!(unknown.starts_with("HTTP/1.1 50"), "{answers:?}: {unknown}");
        assert!(served(&one), "{answers:?}: who waits for a name holds nobody up");
    }
    service.say(Answers::Address([127, 0, 0, 2]));
    until("the new address is used", || served(&two));
    until("a name that was not known is", || get("/never/").starts_with("HTTP/1.1 200 "));
    let before = one.seen().len();
    (0..5).for_each(|_| assert!(served(&two)));
    assert_eq!(one.seen().len(), before, "the old address is not used any more");
}
