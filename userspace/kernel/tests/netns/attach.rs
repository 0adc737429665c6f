//! Getting onto an interface, and what is said when that cannot be.

use std::time::{Duration, Instant};

use aya::programs::{Xdp, XdpMode};
use weir_kernel::{Cause, Placement, Shield, Status, doctor};
use weir_plan::shield::{Attach, OnAttachFailure, Shield as Plan, SynWhen, Sysctls};
use weir_wire::Pass;

use crate::traffic::{echo, exchange};
use crate::world::{CLIENT, INTERFACE, PEER, SERVER, World, at, until};

/// A program that passes everything, attached to an interface of this thread's namespace until it is dropped.
pub(crate) fn passing(interface: &str) -> aya::Ebpf {
    static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("WEIR_BPF_OBJECT"));
    let mut ebpf = aya::Ebpf::load(OBJECT).expect("the object loads");
    let program: &mut Xdp = ebpf.program_mut("weir_parse").expect("the program").try_into().expect("XDP");
    program.load().expect("the verifier takes it");
    program.attach(interface, XdpMode::Driver).expect("attach");
    ebpf
}

fn counts_and_passes(world: &World, plan: &Plan, placement: Placement) {
    let shield = world.shield(plan);
    assert_eq!(shield.attached()[0].placement, placement, "{:?}", shield.attached());
    let before = shield.counters().unwrap().passed(Pass::Clean).packets;
    echo(SERVER);
    world.on_client(|| exchange(CLIENT, SERVER, 100_000, Duration::from_secs(5))).expect("an exchange");
    let counters = shield.counters().unwrap();
    assert!(counters.passed(Pass::Clean).packets >= before + 5, "{counters:?}");
    assert_eq!(counters.dropped_in_all().packets, 0);
    let status = Status::read(&world.pins()).unwrap();
    assert_eq!(status.interfaces[0].placement, placement);
    assert!(status.program.is_some());
    let report = doctor::examine(plan, &world.host());
    let ours =
        report.iter().find(|line| line.found.starts_with("shielded")).expect("a line about the interface");
    assert!(ours.found.ends_with(placement.as_str()), "{ours:?}");
}

pub(crate) fn generic(world: &World) {
    counts_and_passes(world, &world.plan(), Placement::Generic);
}

pub(crate) fn native(world: &World) {
    // A veth delivers natively only to a peer that has a program too.
    let _peer = world.on_client(|| passing(PEER));
    counts_and_passes(world, &Plan { attach: Attach::Auto, ..world.plan() }, Placement::Native);
}

pub(crate) fn verify_only(world: &World) {
    let began = Instant::now();
    let verified = weir_kernel::verify_only(&world.host()).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "the verifier walked {:?} instructions in {} ms",
        verified.instructions,
        began.elapsed().as_millis()
    );
    assert!(verified.instructions.is_none_or(|count| count > 1000), "{verified:?}");
    assert!(Status::read(&world.pins()).is_err(), "something was pinned");
}

pub(crate) fn foreign(world: &World) {
    let foreign = passing(INTERFACE);
    let error = Shield::open(&world.plan(), &world.host()).expect_err("the interface is taken");
    let said = error.to_string();
    assert_eq!(error.exit_code(), 69, "{said}");
    assert!(
        said.contains("(weir_parse) owns the interface") && said.contains("ip link set dev s0 xdp off"),
        "{said}"
    );
    let report = doctor::examine(&world.plan(), &world.host());
    assert_eq!(doctor::worst(&report), doctor::Health::Fault);

    let lenient = Plan { on_attach_failure: OnAttachFailure::Userspace, ..world.plan() };
    let mut shield = world.shield(&lenient);
    assert_eq!(shield.attached()[0].placement, Placement::Off);
    drop(foreign);
    let changed = shield.tick().unwrap();
    assert_eq!(changed[0].placement, Placement::Generic, "{changed:?}");
}

pub(crate) fn missing(world: &World) {
    let plan = Plan { interfaces: vec![INTERFACE.to_owned(), "none0".to_owned()], ..world.plan() };
    let error = Shield::open(&plan, &world.host()).expect_err("there is no such interface");
    assert!(error.to_string().contains("attach to none0: there is no such interface"), "{error}");
    // What was attached before the error is off again.
    assert_eq!(Status::read(&world.pins()).unwrap().interfaces, []);
}

/// A new plan may name further interfaces: they are protected before it is adopted, and bare again if it comes to nothing.
pub(crate) fn another(world: &World) {
    const OTHER: &str = "s1";
    world.ip_server(&format!("link add {OTHER} type veth peer name s1p"));
    let mut shield = world.shield(&world.plan());
    let linked = || {
        let status = Status::read(&world.pins()).unwrap();
        let mut names: Vec<String> = status.interfaces.into_iter().map(|how| how.interface).collect();
        names.sort();
        names
    };
    let with = |more: &[&str]| {
        let names = [INTERFACE].iter().chain(more).map(|name| (*name).to_owned());
        Plan { interfaces: names.collect(), ..world.plan() }
    };
    let error = shield.sync(&with(&[OTHER, "none0"])).expect_err("there is no such interface");
    assert!(error.to_string().contains("attach to none0"), "{error}");
    assert_eq!(linked(), [INTERFACE], "what was new is taken off again");

    let mut compiled = shield.draft(&with(&[OTHER]), &[]).compile().unwrap();
    compiled.write().unwrap();
    assert_eq!(linked(), [INTERFACE, OTHER], "whoever writes the lists attaches, too");
    shield.adopt(compiled, Vec::new()).unwrap();
    let placements: Vec<_> =
        shield.attached().iter().map(|how| (how.interface.as_str(), how.placement)).collect();
    assert_eq!(placements, [(INTERFACE, Placement::Generic), (OTHER, Placement::Generic)]);
    assert!(shield.tick().unwrap().is_empty(), "nothing is amiss");

    shield.sync(&with(&[])).unwrap();
    assert_eq!(linked(), [INTERFACE], "an interface that the plan leaves out is bare");
}

pub(crate) fn mtu(world: &World) {
    // A veth judges by the MTU of its peer, from where the frames come.
    world.ip_server(&format!("link set {INTERFACE} mtu 9000"));
    world.ip_client(&format!("link set {PEER} mtu 9000"));
    let strict = Plan { attach: Attach::Native, on_attach_failure: OnAttachFailure::Refuse, ..world.plan() };
    let error = Shield::open(&strict, &world.host()).expect_err("the MTU is too large");
    assert!(error.to_string().contains("the MTU of 9000 does not fit"), "{error}");
    let shield = world.shield(&Plan { attach: Attach::Auto, ..world.plan() });
    assert_eq!(shield.attached()[0].placement, Placement::Generic);
    assert!(shield.attached()[0].why.contains("native mode: the MTU of 9000"), "{:?}", shield.attached());
}

pub(crate) fn no_bpffs(world: &World) {
    let elsewhere = world.files().join("plain");
    let plan = Plan { pin_directory: elsewhere.join("weir"), ..world.plan() };
    let error = Shield::open(&plan, &world.host()).expect_err("there is no bpffs");
    assert_eq!(error.exit_code(), 69, "{error}");
    assert!(error.to_string().contains(&format!("mount -t bpf bpf {}", elsewhere.display())), "{error}");
    let shield = world.shield(&Plan { mount_bpffs: true, ..plan });
    assert_eq!(shield.attached()[0].placement, Placement::Generic);
    drop(shield);
    assert_eq!(weir_kernel::detach(&elsewhere.join("weir"), &world.host()).unwrap(), [INTERFACE]);
    nix::mount::umount(&elsewhere).unwrap();
}

pub(crate) fn no_capabilities(world: &World) {
    let out = crate::life::child_command(world, "setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(std::env::current_exe().unwrap())
        .output()
        .expect("setpriv of util-linux");
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(77), "{said}");
    assert!(said.contains("weir lacks CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON"), "{said}");
}

pub(crate) fn recreated(world: &World) {
    let mut shield = world.shield(&world.plan());
    assert_eq!(shield.tick().unwrap(), []);
    world.ip_server(&format!("link delete {INTERFACE}"));
    let changed = shield.tick().unwrap();
    assert_eq!((changed[0].placement, changed[0].why.as_str()), (Placement::Off, "the interface is gone"));
    assert_eq!(shield.tick().unwrap(), []);
    world.remake_interface();
    let mut back = Vec::new();
    until("the interface to be taken back", || {
        back = shield.tick().unwrap();
        !back.is_empty()
    });
    assert_eq!(back[0].placement, Placement::Generic, "{back:?}");
    assert_eq!(Status::read(&world.pins()).unwrap().interfaces[0].placement, Placement::Generic);
}

/// Taken down by hand, it stays down while its program runs on, and the machine is as before. The next one puts it up.
pub(crate) fn detached(world: &World) {
    let cookies = || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap();
    let mut plan = Plan { sysctls: Sysctls::Set, ..world.plan() };
    plan.syn_guard.when = SynWhen::Always;
    let before = cookies();
    let mut shield = world.shield(&plan);
    assert_eq!(cookies().trim(), "2");
    assert!(!shield.is_detached());
    assert_eq!(weir_kernel::detach(&world.pins(), &world.host()).unwrap(), [INTERFACE]);
    assert_eq!(cookies(), before);
    let changed = shield.tick().unwrap();
    assert_eq!(changed[0].placement, Placement::Off, "{changed:?}");
    assert!(changed[0].why.contains("weir shield detach"), "{changed:?}");
    assert_eq!(shield.tick().unwrap(), []);
    assert!(shield.is_detached() && Status::read(&world.pins()).is_err(), "it has come back by itself");
    // Bans go on being kept: the next shield enforces them.
    shield.bans().ban(at("10.91.0.9"), None, Cause::by_hand("still")).unwrap();
    let next = world.shield(&plan);
    shield.close().unwrap();
    assert_eq!(cookies().trim(), "2", "the one that was down has put back what the next one has set");
    let status = Status::read(&world.pins()).unwrap();
    assert_eq!((status.bans, status.interfaces[0].placement), (1, Placement::Generic));
    next.close().unwrap();
    assert_eq!(cookies(), before);
}
