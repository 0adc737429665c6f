//! A running program replaced by another one: nobody is refused, and a successor that fails changes nothing.

use crate::process::{Weir, free_port, until, weir};
use libtest_mimic::{Failed, Trial};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("succession::f16_nobody_is_refused_while_a_successor_takes_over", takes_over),
        Trial::test("succession::f17_a_successor_that_fails_changes_nothing", fails),
    ]
}

fn config(port: u16, metrics: u16) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{metrics}\" }} }}
limits: {{ drain_timeout: 2s }}
listeners: [ {{ bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ match: /*, respond: {{ body: hello }} }} ]
"
    )
}

/// Clients that open a connection for each request, and go on until one of them fails or all are told to stop.
struct Clients {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Clients {
    fn start(port: u16) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    ask(port)?;
                    answered.fetch_add(1, Relaxed);
                }
                Ok(())
            })
        };
        let threads = (0..4).map(client).collect();
        Self { stop, answered, threads }
    }

    /// Waits until some hundred more have been answered.
    fn go_on(&self) {
        let before = self.answered.load(Relaxed);
        until("requests go on", || self.answered.load(Relaxed) > before + 300);
    }

    fn stop(self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            thread.join().unwrap().expect("nobody is refused or cut off");
        }
    }
}

fn ask(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(crate::process::PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let whole = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello");
    whole.then_some(()).ok_or_else(|| std::io::Error::other(format!("cut off after {answer:?}")))
}

/// Copies a program in another process: a descriptor open for writing in this one would pass to whatever another trial starts
/// meanwhile, and the kernel executes no file that somebody may write.
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// The program under test at a place of its own, so that another one can be put there.
pub(crate) fn installed(directory: &Path) -> Command {
    let program = directory.join("weir");
    copy(Path::new(weir().get_program()), &program);
    let mut command = Command::new(program);
    command.env_remove("WEIR_LOG").env_remove("WEIR_SOCKET");
    command
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// A process that is not our child. Dropping it ends it.
pub(crate) struct Stranger(pub(crate) u32);

impl Stranger {
    fn is_alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.0.to_string()).status());
        until("the successor ends", || !self.is_alive());
    }
}

fn takes_over() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let (port, metrics) = (free_port(), free_port());
    let mut first = Weir::start_by(installed(place.path()), &config(port, metrics));
    let clients = Clients::start(port);
    clients.go_on();
    // A newer version is put in the place of the running one, as a package manager does.
    std::fs::rename(place.path().join("weir"), place.path().join("old"))?;
    copy(&place.path().join("old"), &place.path().join("weir"));
    first.signal("USR2");
    let mut second = None;
    until("a successor starts", || {
        second = children(first.pid()).first().copied().map(Stranger);
        second.is_some()
    });
    let second = second.unwrap();
    assert_eq!(first.end(), Some(0), "relieved");
    clients.go_on();
    clients.stop();
    assert!(second.is_alive());
    assert!(first.ask(&["status"]).status.success(), "the admin socket has passed over");
    let mut stream = TcpStream::connect(("127.0.0.1", metrics))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    assert!(page.contains("weir_connections_accepted_total"), "{page}");
    Ok(())
}

fn fails() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let port = free_port();
    let mut weir = Weir::start_by(installed(place.path()), &config(port, free_port()));
    let clients = Clients::start(port);
    std::fs::rename(place.path().join("weir"), place.path().join("old"))?;
    let started = place.path().join("started");
    std::fs::write(place.path().join("weir"), format!("#!/bin/sh\ntouch {}\nexit 1\n", started.display()))?;
    std::fs::set_permissions(place.path().join("weir"), PermissionsExt::from_mode(0o755))?;
    weir.signal("USR2");
    until("the successor was started", || started.exists());
    until("and has ended", || children(weir.pid()).is_empty());
    clients.go_on();
    clients.stop();
    assert!(weir.ask(&["status"]).status.success());
    weir.signal("TERM");
    assert_eq!(weir.end(), Some(0));
    Ok(())
}
