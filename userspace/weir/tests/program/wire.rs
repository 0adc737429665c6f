//! A wire of the test's own, and a place for pins: XDP is tried where it harms nobody.

use crate::process::dial;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Two hosts on one wire: weir's, and that of its clients, who have two addresses. Dropping it takes them away.
pub(crate) struct Wire {
    pub(crate) server: String,
    pub(crate) client: String,
}

/// RFC 5737, TEST-NET-3: no host of the world has these addresses, and they exist inside the namespaces only.
pub(crate) const SERVER: &str = "203.0.113.1";
pub(crate) const ABUSER: &str = "203.0.113.2";
pub(crate) const HONEST: &str = "203.0.113.3";

impl Wire {
    pub(crate) fn lay() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let wire = Self { server: format!("weir-t-s{id}"), client: format!("weir-t-c{id}") };
        let (server, client) = (&wire.server, &wire.client);
        for line in [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("-n {server} link add edge type veth peer name far netns {client}"),
            format!("-n {server} addr add {SERVER}/24 dev edge"),
            format!("-n {server} link set edge up"),
            format!("-n {server} link set lo up"),
            format!("-n {client} addr add {ABUSER}/24 dev far"),
            format!("-n {client} addr add {HONEST}/24 dev far"),
            format!("-n {client} link set far up"),
        ] {
            assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
        }
        wire
    }

    /// A command inside one of the namespaces; files and mounts are those of the test.
    pub(crate) fn inside(name: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{name}")).arg(program);
        command
    }

    /// Runs something on a thread inside one of the namespaces.
    pub(crate) fn on<T: Send>(name: &str, run: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{name}")).unwrap();
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                run()
            });
            thread.join().unwrap()
        })
    }

    /// A connection of the client at `from`.
    pub(crate) fn dial(&self, from: &str) -> TcpStream {
        Self::on(&self.client, || dial(from, &format!("{SERVER}:8080")))
    }

    /// The status that a client at `from` gets, however busy this machine is; 0 if there is no answer.
    pub(crate) fn status(&self, from: &str, token: &str) -> u16 {
        self.status_within(30, from, token)
    }

    /// Whether a client at `from` hears nothing for a second.
    pub(crate) fn is_silent(&self, from: &str) -> bool {
        self.status_within(1, from, "wrong.token.here") == 0
    }

    fn status_within(&self, seconds: u32, from: &str, token: &str) -> u16 {
        let output = Self::inside(&self.client, "curl")
            .args(["--silent", "--max-time", &seconds.to_string(), "--interface", from])
            .args(["--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "-H", &format!("authorization: Bearer {token}")])
            .arg(format!("http://{SERVER}:8080/"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

/// A bpffs of the test's own.
pub(crate) struct Bpffs(tempfile::TempDir);

impl Bpffs {
    pub(crate) fn mount() -> Self {
        let room = tempfile::tempdir().unwrap();
        assert!(
            Command::new("mount").args(["-t", "bpf", "bpf"]).arg(room.path()).status().unwrap().success()
        );
        Self(room)
    }

    /// A pin directory in it.
    pub(crate) fn pins(&self) -> String {
        self.0.path().join("weir").to_str().unwrap().to_owned()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}
