//! Starting weir and waiting for what it does.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test fails; the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command of the program under test.
pub(crate) fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_remove("WEIR_LOG").env_remove("WEIR_SOCKET").stdin(Stdio::null());
    command
}

/// A port that nobody uses at this moment, nor gets from the kernel before it is listened on: it lies below those that
/// outgoing connections are given (`ip_local_port_range`), at another place for every process of tests.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let place = std::process::id() % 200 * 100;
    let mut ports = std::iter::repeat_with(|| 12_000 + (place + TAKEN.fetch_add(1, Relaxed)) % 20_000)
        .map(|port| u16::try_from(port).unwrap());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A test that fails must not leave threads behind that go on for ever.
pub(crate) struct Stopped<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A running weir with a directory of its own. Dropping it ends it.
pub(crate) struct Weir {
    pub(crate) room: TempDir,
    child: Child,
}

impl Weir {
    /// Starts it with a configuration and waits until it serves. `{dir}` in the text becomes its directory.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_by(weir(), config)
    }

    /// The same by another command, to which the verb and its arguments are appended.
    pub(crate) fn start_by(command: Command, config: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        write_config(room.path(), config);
        Self::launch(command, room)
    }

    /// The same for a command that runs as another user, who has the directory then.
    pub(crate) fn start_as(user: u32, command: Command, config: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        write_config(room.path(), config);
        std::os::unix::fs::chown(room.path(), Some(user), Some(user)).unwrap();
        Self::launch(command, room)
    }

    fn launch(mut command: Command, room: TempDir) -> Self {
        command.env("STATE_DIRECTORY", room.path().join("state"));
        command.arg("run").arg("--config").arg(room.path().join("weir.yaml"));
        // A pipe that nobody reads fills up, and whoever writes to it waits.
        command.stderr(std::fs::File::create(room.path().join("stderr")).unwrap());
        let mut weir = Self { child: command.spawn().unwrap(), room };
        until("weir serves", || {
            if let Some(status) = weir.child.try_wait().unwrap() {
                panic!("weir ended with {status}: {}", weir.words());
            }
            weir.ask(&["status"]).status.success()
        });
        weir
    }

    /// Ends it, and starts it anew with what it has left behind.
    pub(crate) fn again(mut self) -> Self {
        self.signal("TERM");
        self.end();
        let room = std::mem::replace(&mut self.room, tempfile::tempdir().unwrap());
        Self::launch(weir(), room)
    }

    /// Kills it without a word, and starts it anew in the same way.
    pub(crate) fn killed(self, command: Command, meanwhile: impl FnOnce()) -> Self {
        self.ended_by("KILL", command, meanwhile)
    }

    /// Ends it by a signal, and starts it anew by another command with what it has left behind. `meanwhile` is called while it is
    /// dead.
    pub(crate) fn ended_by(mut self, signal: &str, command: Command, meanwhile: impl FnOnce()) -> Self {
        self.signal(signal);
        self.end();
        meanwhile();
        let room = std::mem::replace(&mut self.room, tempfile::tempdir().unwrap());
        Self::launch(command, room)
    }

    /// Runs a verb against its admin socket.
    pub(crate) fn ask(&self, verb: &[&str]) -> Output {
        weir().args(verb).arg("--socket").arg(self.socket()).output().unwrap()
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.room.path().join("admin.sock")
    }

    /// Writes another configuration into the file it runs with.
    pub(crate) fn rewrite(&self, config: &str) {
        write_config(self.room.path(), config);
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// How many threads it has, without those that the kernel keeps for its rings.
    pub(crate) fn threads(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| !name.starts_with("iou-")).count()
    }

    /// How much memory it holds.
    pub(crate) fn memory_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits for its end and returns the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        until("weir ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }

    /// What it has said on stderr.
    fn words(&self) -> String {
        std::fs::read_to_string(self.room.path().join("stderr")).unwrap()
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a configuration into a directory and returns its path.
pub(crate) fn write_config(directory: &Path, config: &str) -> PathBuf {
    let path = directory.join("weir.yaml");
    std::fs::write(&path, config.replace("{dir}", directory.to_str().unwrap())).unwrap();
    path
}

/// What curl got: status and body.
pub(crate) fn curl(arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// A connection from one of this host's addresses.
pub(crate) fn dial(from: &str, to: &str) -> TcpStream {
    let address = |text: &str| SockaddrStorage::from(text.parse::<SocketAddr>().unwrap());
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(socket.as_raw_fd(), &address(&format!("{from}:0"))).unwrap();
    connect(socket.as_raw_fd(), &address(to)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The status of the answer to one request over a connection that is kept; `fields` are whole lines.
pub(crate) fn ask_over(stream: &mut TcpStream, fields: &str) -> u16 {
    write!(stream, "GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").unwrap();
    answer(&mut BufReader::new(stream)).split(' ').nth(1).unwrap().parse().unwrap()
}

/// Reads an answer whose length is declared; its head.
pub(crate) fn answer(reader: &mut impl BufRead) -> String {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        let line = head[start..].to_ascii_lowercase();
        length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    head
}
