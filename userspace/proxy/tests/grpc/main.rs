//! gRPC end to end: the client and the server of `grpcio`, with a worker between them.
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

#[path = "../serve/plans.rs"]
mod plans;
#[path = "../serve/rig.rs"]
mod rig;

use libtest_mimic::{Arguments, Trial};
use plans::Draft;
use rig::Rig;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use weir_plan::listener::{Protocols, Service};
use weir_plan::route::Action;
use weir_plan::upstream::UpProtocol;

fn main() {
    let arguments = Arguments::from_args();
    let python = if arguments.list { Err("not looked for".to_owned()) } else { python() };
    let missing = rig::missing().or_else(|| python.clone().err());
    if let Some(reason) = &missing {
        eprintln!("ignored, because {reason}");
    }
    let run = move || {
        let python = python?;
        calls(&python);
        Ok(())
    };
    let trial = Trial::test("b36_grpc_calls_and_errors", run).with_ignored_flag(missing.is_some());
    libtest_mimic::run(&arguments, vec![trial]).exit();
}

/// A Python that has `grpcio`, from the package index into `target/`.
fn python() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc");
    let python = place.join("bin/python");
    let has_it = || {
        let asked = Command::new(&python).args(["-c", "import grpc"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    if has_it() {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return Err("python3 cannot make a virtual environment".to_owned());
    }
    let fetch = ["-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "20", "grpcio"];
    let _ = Command::new(&python).args(fetch).output();
    if has_it() { Ok(python) } else { Err("grpcio cannot be fetched from the package index".to_owned()) }
}

struct Server {
    child: Child,
    address: SocketAddr,
    _stdin: ChildStdin,
}

impl Server {
    fn new(python: &Path) -> Server {
        let mut child = Command::new(python)
            .arg(script("server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
        Server { _stdin: child.stdin.take().unwrap(), child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grpc").join(name)
}

fn calls(python: &Path) {
    let server = Server::new(python);
    let mut draft = Draft::default();
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    let to = |draft: &mut Draft, address: SocketAddr| {
        let at = draft.upstreams.len();
        drop(draft.upstream(&[address]));
        let own = Arc::get_mut(&mut draft.upstreams[at]).unwrap();
        own.protocol = UpProtocol::H2;
        own.retry.attempts_max = 0;
        own.timeouts.first_byte = Duration::from_secs(5);
        Action::Upstream(Arc::clone(&draft.upstreams[at]))
    };
    draft.route("/t.T/*", |draft| to(draft, server.address));
    // Nobody listens there.
    draft.route("/gone/*", |draft| to(draft, "127.0.0.1:1".parse().unwrap()));
    let rig = Rig::new(draft.finish());
    let names = ["echo", "fail", "none", "count", "gather", "chat", "slow", "lost", "gone"];
    let done = Command::new(python)
        .arg(script("client.py"))
        .arg(rig.address.to_string())
        .args(names)
        .output()
        .unwrap();
    let numbers: String = (0..100).map(|number| number.to_string()).collect();
    let expect = [
        "echo 100000 [('x-bin-bin', b'\\x00\\x01'), ('x-own', 'kept')]".to_owned(),
        "fail FAILED_PRECONDITION: 50% 'ü'".to_owned(),
        "none UNIMPLEMENTED: Method not found!".to_owned(),
        format!("count {numbers}"),
        "gather a,b,c".to_owned(),
        "chat 0! 1! 2! 3! 4!".to_owned(),
        "slow DEADLINE_EXCEEDED".to_owned(),
        "lost UNIMPLEMENTED: Nothing is served under this host and path.".to_owned(),
        "gone UNAVAILABLE: The upstream server could not be reached.".to_owned(),
    ];
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(said.lines().collect::<Vec<_>>(), expect, "{}", String::from_utf8_lossy(&done.stderr));
}
