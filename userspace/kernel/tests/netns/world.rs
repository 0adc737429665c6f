//! Two network namespaces, the veth pair between them, and a private bpffs.

use std::fs::File;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;
use weir_kernel::{Host, Shield};
use weir_plan::shield::{Attach, PortAction, PortRule, Shield as Plan, Stages, Transport};

/// The shielded side.
pub(crate) const SERVER: &str = "10.91.0.1";
pub(crate) const SERVER6: &str = "fd91::1";
/// The other side has the addresses 10.91.0.2 to .9, fd91::2 to ::9, and fd91:0:0:1::2.
pub(crate) const CLIENT: &str = "10.91.0.2";
pub(crate) const CLIENT6: &str = "fd91::2";
/// A port that the plan of [`World::plan`] protects, for TCP and UDP.
pub(crate) const PORT: u16 = 8080;

/// The shielded interface.
pub(crate) const INTERFACE: &str = "s0";
/// The other end.
pub(crate) const PEER: &str = "c0";
/// Where in the directory of a world its bpffs is mounted.
const BPFFS: &str = "bpf";

/// One trial's world. The thread of the trial stands in the server's namespace.
pub(crate) struct World {
    server: String,
    client: String,
    directory: TempDir,
}

/// What is missing on this machine, if anything is.
pub(crate) fn lack() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("they need root".to_owned());
    }
    match Host::default().missing_capabilities() {
        Ok(missing) if missing.is_empty() => {}
        missing => return Some(format!("capabilities: {missing:?}")),
    }
    let ip = Command::new("ip").args(["netns", "list"]).output();
    ip.is_err().then(|| "they need the command `ip` of iproute2".to_owned())
}

/// Makes a world, runs a trial in it on a thread of its own, and removes the world whatever happened.
pub(crate) fn run(trial: fn(&World)) -> Result<(), String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("weir-t-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let world = World {
        server: format!("{name}-s"),
        client: format!("{name}-c"),
        directory: tempfile::tempdir().map_err(|error| error.to_string())?,
    };
    world.build();
    let told = std::thread::scope(|scope| scope.spawn(|| world.inside(trial)).join());
    match told {
        Ok(told) => told,
        Err(_) => Err("the trial's thread panicked".to_owned()),
    }
}

impl World {
    fn build(&self) {
        let (s, c) = (&self.server, &self.client);
        for line in [
            format!("netns add {s}"),
            format!("netns add {c}"),
            format!("link add {INTERFACE} netns {s} type veth peer name {PEER} netns {c}"),
            format!("-n {s} link set lo up"),
            format!("-n {s} addr add {SERVER}/24 dev {INTERFACE}"),
            format!("-n {s} addr add {SERVER6}/32 dev {INTERFACE} nodad"),
            format!("-n {s} link set {INTERFACE} up"),
            format!("-n {c} link set lo up"),
            format!("-n {c} link set {PEER} up"),
            format!("-n {c} addr add fd91:0:0:1::2/32 dev {PEER} nodad"),
            // Answers to made-up sources must find a way back, or a flood costs the server nothing.
            format!("-n {s} route add 198.18.0.0/15 via {CLIENT}"),
        ] {
            if line.contains("route add") {
                (2..10).for_each(|last| self.add_client_address(last));
            }
            ip(&line);
        }
    }

    fn add_client_address(&self, last: u8) {
        ip(&format!("-n {} addr add 10.91.0.{last}/24 dev {PEER}", self.client));
        ip(&format!("-n {} addr add fd91::{last}/32 dev {PEER} nodad", self.client));
    }

    fn inside(&self, trial: fn(&World)) -> Result<(), String> {
        let wrong = |what: &str, error: nix::Error| format!("{what}: {error}");
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| wrong("unshare", error))?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            .map_err(|error| wrong("mount", error))?;
        std::fs::create_dir(self.bpffs()).map_err(|error| error.to_string())?;
        mount(Some("bpf"), &self.bpffs(), Some("bpf"), MsFlags::empty(), None::<&str>)
            .map_err(|error| wrong("mount a bpffs", error))?;
        enter(&self.server);
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| trial(self)));
        umount2(&self.bpffs(), MntFlags::MNT_DETACH).map_err(|error| wrong("umount", error))?;
        told.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
        })
    }

    /// The plan and the machine of the world that this process was started in.
    pub(crate) fn of_parent(directory: &Path) -> (Plan, Host) {
        (plan(directory), host(directory))
    }

    fn bpffs(&self) -> PathBuf {
        self.directory.path().join(BPFFS)
    }

    /// The pin directory of this world.
    pub(crate) fn pins(&self) -> PathBuf {
        self.plan().pin_directory
    }

    /// A directory for files of the trial.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The machine as the shield shall see it: this world's sysctls and routes, a state directory of its own.
    pub(crate) fn host(&self) -> Host {
        host(self.directory.path())
    }

    /// A plan that protects one port in generic mode, with every stage on.
    pub(crate) fn plan(&self) -> Plan {
        plan(self.directory.path())
    }

    /// Opens a shield, which must succeed.
    pub(crate) fn shield(&self, plan: &Plan) -> Shield {
        Shield::open(plan, &self.host()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs something on a thread in the client's namespace.
    pub(crate) fn on_client<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.client);
                run()
            });
            thread.join().expect("the client's thread panicked")
        })
    }

    /// Makes the veth pair anew, as a driver's reset would.
    pub(crate) fn remake_interface(&self) {
        let (s, c) = (&self.server, &self.client);
        ip(&format!("link add {INTERFACE} netns {s} type veth peer name {PEER} netns {c}"));
        ip(&format!("-n {s} addr add {SERVER}/24 dev {INTERFACE}"));
        ip(&format!("-n {s} link set {INTERFACE} up"));
        ip(&format!("-n {c} link set {PEER} up"));
        self.add_client_address(2);
    }

    /// Runs `ip` on the client's side.
    pub(crate) fn ip_client(&self, line: &str) {
        ip(&format!("-n {} {line}", self.client));
    }

    /// Runs `ip` on the server's side.
    pub(crate) fn ip_server(&self, line: &str) {
        ip(&format!("-n {} {line}", self.server));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            drop(Command::new("ip").args(["netns", "delete", name]).output());
        }
    }
}

fn host(directory: &Path) -> Host {
    let nowhere = directory.join("nowhere");
    Host { state: directory.join("state"), run: nowhere.clone(), resolv_conf: nowhere, ..Host::default() }
}

fn plan(directory: &Path) -> Plan {
    let rule = |transport| PortRule::new(transport, PORT..=PORT, PortAction::Protect);
    Plan {
        interfaces: vec![INTERFACE.to_owned()],
        attach: Attach::Generic,
        pin_directory: directory.join(BPFFS).join("weir"),
        stages: Stages::default(),
        ports: vec![rule(Transport::Tcp), rule(Transport::Udp)],
        ..Plan::default()
    }
}

fn enter(name: &str) {
    let file = File::open(format!("/run/netns/{name}")).expect("the namespace is there");
    setns(file, CloneFlags::CLONE_NEWNET).expect("setns");
}

fn ip(line: &str) {
    let told = Command::new("ip").args(line.split_whitespace()).output().expect("ip runs");
    assert!(told.status.success(), "ip {line}: {}", String::from_utf8_lossy(&told.stderr));
}

/// An address.
pub(crate) fn at(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Waits until something holds; fails after ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
