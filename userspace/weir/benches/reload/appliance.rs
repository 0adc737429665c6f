//! The program under load.

use nix::time::ClockId;
use nix::unistd::Pid;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use weir_admin::Client;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running weir with a directory of its own. Dropping it ends it.
pub(crate) struct Appliance {
    room: tempfile::TempDir,
    child: Child,
    port: u16,
    reloads: usize,
    /// Sections of the configuration beside those that every one has.
    more: String,
}

impl Appliance {
    pub(crate) fn start(more: &str) -> Self {
        let room = tempfile::tempdir().expect("a directory");
        let port = free_port();
        write(&room, (port, more), 0);
        let child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["run", "--config"])
            .arg(room.path().join("weir.yaml"))
            .env("STATE_DIRECTORY", room.path().join("state"))
            .env("WEIR_LOG", "error")
            .stdin(Stdio::null())
            .spawn()
            .expect("weir starts");
        let appliance = Self { room, child, port, reloads: 0, more: more.to_owned() };
        let deadline = Instant::now() + PATIENCE;
        while appliance.client().ask("GET", "/v1/status", None).is_err() {
            assert!(Instant::now() < deadline, "weir serves");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        appliance
    }

    fn client(&self) -> Client {
        Client::new(&self.room.path().join("admin.sock"), PATIENCE)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Takes a configuration that differs from the one before.
    pub(crate) fn reload(&mut self) {
        self.reloads += 1;
        write(&self.room, (self.port, &self.more), self.reloads);
        self.client().ask("POST", "/v1/reload", None).expect("the reload is taken");
    }

    /// How much CPU time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let process = Pid::from_raw(i32::try_from(self.process()).expect("a process id"));
        let clock = ClockId::pid_cpu_clock_id(process).expect("its clock");
        clock.now().expect("a time").into()
    }

    /// How much of it the threads have used that are always there: the workers, and the one that controls.
    pub(crate) fn standing_cpu(&self) -> [Duration; 2] {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.process())).expect("its threads").flatten();
        let mut sums = [Duration::ZERO; 2];
        for task in tasks.map(|task| task.path()) {
            let read = |file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
            let (name, used) = (read("comm"), read("schedstat"));
            let ns = used.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
            match name.trim().strip_prefix("weir") {
                Some("") => sums[1] += Duration::from_nanos(ns),
                Some(rest) if rest.trim_start_matches('-').parse::<u32>().is_ok() => {
                    sums[0] += Duration::from_nanos(ns);
                }
                _ => {}
            }
        }
        sums
    }

    /// How much memory it holds.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

/// A listener, a thousand routes, and one that changes each time.
fn write(room: &tempfile::TempDir, (port, more): (u16, &str), number: usize) {
    let mut text = format!(
        "version: 1\n{more}shield: {{ mode: off }}\nadmin: {{ socket: \"{}/admin.sock\" }}\n\
         listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\", limits: {{ requests_max: 4000000 }} }} ]\nroutes:\n  \
         - {{ name: hello, match: /*, respond: {{ body: hello, headers: {{ X-Number: \"{number}\" }} }} }}\n",
        room.path().display()
    );
    for route in 0..1_000 {
        text.push_str(&format!("  - {{ match: /route/{route}/*, respond: {{ body: other }} }}\n"));
    }
    std::fs::write(room.path().join("weir.yaml"), text).expect("room for the configuration");
}
