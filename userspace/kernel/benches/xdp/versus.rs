//! Beside nftables, `xdp-filter` and the kernel's own defence against SYN floods, on packets that cross a veth pair.
//!
//! Frames are made in the kernel on the processor that also receives them, so the time that passes is the time spent. What
//! making and delivering them costs is measured with a program that does nothing but drop, and subtracted.
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use weir_kernel::Shield;
use weir_plan::shield::{Attach, Shield as Plan, SynWhen, Sysctls};

use crate::draw::{Draw, Program, source};
use crate::rig::Outcome;
use crate::row::{Goal, Row, is_quick};
use crate::traffic::{echo, exchange, syn};
use crate::world::{self, CLIENT, INTERFACE, PEER, PORT, SERVER, World};

/// Entries in every list, and as many sources that send.
const ENTRIES: u32 = 1024;
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const NATIVE: u32 = 1 << 2;
/// What a cost is taken for that the noise of the control hides.
const LEAST_NS: f64 = 1.0;
/// SYNs a second while honest clients are counted.
const FLOOD_PER_SECOND: u32 = 100_000;

/// Whoever defends the server, until it is dropped.
type Defence = Box<dyn std::any::Any>;
type SetUp = fn(&World) -> Outcome<Defence>;

/// Runs all comparisons, each in a world of its own.
pub(crate) fn run() -> Outcome<()> {
    if let Some(lack) = world::lack() {
        println!("no comparisons between namespaces: {lack}");
        return Ok(());
    }
    for trial in [drops, syns, goodput] {
        if let Err(error) = world::run(trial) {
            println!("a comparison is left out: {error}");
        }
    }
    Ok(())
}

fn drops(world: &World) {
    let contenders: [(&str, SetUp); 5] = [
        ("control", control),
        ("weir, native", |world| weir(world, Attach::Native)),
        ("weir, generic", |world| weir(world, Attach::Generic)),
        ("nftables", nftables),
        ("xdp-filter", xdp_filter),
    ];
    let costs = compare(world, ENTRIES, &contenders);
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name);
    let (Some(native), Some(nft)) = (cost("weir, native"), cost("nftables")) else { return };
    let note = if native.ns > LEAST_NS {
        "denied sources of 1,024; a program that only drops is subtracted from both"
    } else {
        "no dearer than a program that only drops, as far as the noise lets see; 1 ns stands for that"
    };
    let row = |what, ours: &Cost, peer: (f64, &'static str), goal| {
        let row = Row {
            id: "P12",
            what,
            unit: "ns CPU",
            ours: ours.ns,
            spread: ours.spread,
            peer: Some(peer),
            goal,
            note,
        };
        row.keep();
    };
    row("dropped in native mode", native, (nft.ns, "nftables set"), Some(Goal::Ratio(0.2)));
    if let Some(generic) = cost("weir, generic") {
        row("dropped in generic mode", generic, (nft.ns, "nftables set"), None);
    }
    if let Some(filter) = cost("xdp-filter") {
        row("dropped in native mode, beside xdp-filter", native, (filter.ns, "xdp-filter"), None);
    }
}

fn syns(world: &World) {
    let contenders: [(&str, SetUp); 5] = [
        ("control", control),
        ("weir, native", |world| cookies(world, Attach::Native)),
        ("weir, generic", |world| cookies(world, Attach::Generic)),
        ("tcp_syncookies=1", kernel_cookies),
        ("SYNPROXY", synproxy),
    ];
    let costs = compare(world, 0, &contenders);
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name);
    let (Some(native), Some(kernel)) = (cost("weir, native"), cost("tcp_syncookies=1")) else { return };
    let note =
        "CPU milliseconds for a million SYNs of any source, with their answers; deliveries are subtracted";
    let row = |what, ours: &Cost, peer: &Cost, goal| {
        let peer = Some((peer.ns, peer.name));
        Row { id: "P13", what, unit: "ms CPU", ours: ours.ns, spread: ours.spread, peer, goal, note }.keep();
    };
    row("a million SYNs answered, native", native, kernel, Some(Goal::Ratio(0.25)));
    if let Some(generic) = cost("weir, generic") {
        row("a million SYNs answered, generic", generic, kernel, None);
    }
    if let Some(proxy) = cost("SYNPROXY") {
        row("a million SYNs answered, native, beside SYNPROXY", native, proxy, None);
    }
}

/// What a packet costs beyond its delivery, in nanoseconds.
struct Cost {
    name: &'static str,
    ns: f64,
    spread: f64,
}

/// Floods every contender in turn, several times; the median counts.
fn compare(world: &World, sources: u32, contenders: &[(&'static str, SetUp)]) -> Vec<Cost> {
    prepare(world);
    let rounds = if is_quick() { 2 } else { 5 };
    let mut times = vec![Vec::new(); contenders.len()];
    let _peer = world.on_client(|| {
        let program = Draw::dropping(30).unwrap();
        program.attach(index(PEER), NATIVE).unwrap()
    });
    for _ in 0..rounds {
        for ((name, set_up), times) in contenders.iter().zip(&mut times) {
            match set_up(world) {
                Ok(defence) => {
                    times.extend(flood(world, sources));
                    drop(defence);
                }
                Err(error) => println!("{name} is not compared: {error}"),
            }
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    let floor = times.first_mut().and_then(median).unwrap_or_default();
    println!("{:<44} {floor:>6.0}", "a packet delivered and dropped, subtracted");
    let named = contenders.iter().zip(&mut times).skip(1);
    named
        .filter_map(|((name, _), times)| {
            let ns = (median(times)? - floor).max(LEAST_NS);
            let spread = (times.last()? - times.first()?) / ns;
            println!("{name:<44} {ns:>6.0}  ± {:.0} %", spread * 50.0);
            Some(Cost { name, ns, spread })
        })
        .collect()
}

/// Nanoseconds of one processor for each packet that came in; none if nothing did.
fn flood(world: &World, sources: u32) -> Option<f64> {
    let count = if is_quick() { 300_000 } else { 1_000_000 };
    let before = received();
    let spent = world.on_client(|| {
        let (program, frame) = flooder(sources);
        pin();
        program.send(&frame, 10_000, index(PEER)).unwrap();
        let began = Instant::now();
        program.send(&frame, count, index(PEER)).unwrap();
        began.elapsed()
    });
    let came = received().saturating_sub(before + 10_000);
    (came > u64::from(count) / 2).then(|| spent.as_secs_f64() * 1e9 / came as f64)
}

fn flooder(sources: u32) -> (Program, [u8; 60]) {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&SERVER_MAC);
    frame[6..12].copy_from_slice(&CLIENT_MAC);
    frame[12] = 8;
    let packet = syn([0, 0, 0, 0].into(), SERVER.parse().unwrap(), 40_000, 0);
    frame[14..14 + packet.len()].copy_from_slice(&packet);
    (Draw { sources, offset: 26, words: Vec::new() }.flooding(&frame).unwrap(), frame)
}

/// All on one processor: who sends also receives.
fn pin() {
    let mut one = CpuSet::new();
    one.set(1).or_else(|_| one.set(0)).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

fn index(interface: &str) -> u32 {
    nix::net::if_::if_nametoindex(interface).unwrap()
}

/// Packets that the server's interface has received.
fn received() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("s0:").map(str::to_owned)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Known neighbours, a way back to every source, and receiving in batches also where there is no program.
fn prepare(world: &World) {
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    world.ip_server(&format!("link set {INTERFACE} address {}", mac(SERVER_MAC)));
    world.ip_client(&format!("link set {PEER} address {}", mac(CLIENT_MAC)));
    world.ip_server(&format!(
        "neigh replace {CLIENT} lladdr {} dev {INTERFACE} nud permanent",
        mac(CLIENT_MAC)
    ));
    world.ip_client(&format!("neigh replace {SERVER} lladdr {} dev {PEER} nud permanent", mac(SERVER_MAC)));
    world.ip_server(&format!("route add 128.0.0.0/2 via {CLIENT}"));
    tool("ethtool", &["-K", INTERFACE, "gro", "on"]).unwrap();
}

fn tool(name: &str, arguments: &[&str]) -> Outcome<()> {
    let told = Command::new(name).args(arguments).output()?;
    if told.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&told.stderr).trim().into()) }
}

fn sysctl(name: &str, value: &str) -> Outcome<()> {
    Ok(std::fs::write(format!("/proc/sys/net/{name}"), value)?)
}

/// Something that is undone by a command.
struct Undo(&'static [&'static str]);

impl Drop for Undo {
    fn drop(&mut self) {
        if let [name, arguments @ ..] = self.0 {
            tool(name, arguments).unwrap();
        }
    }
}

fn control(_: &World) -> Outcome<Defence> {
    Ok(Box::new(Draw::dropping(26)?.attach(index(INTERFACE), NATIVE)?))
}

fn addresses() -> impl Iterator<Item = std::net::Ipv4Addr> {
    (0..ENTRIES).map(|number| std::net::Ipv4Addr::from_bits(source(number)))
}

/// A shield that takes itself away.
struct Shielded(Option<Shield>, std::path::PathBuf);

impl Drop for Shielded {
    fn drop(&mut self) {
        drop(self.0.take().map(Shield::close));
        weir_kernel::detach(&self.1).unwrap();
    }
}

fn shield(world: &World, plan: &Plan) -> Outcome<Defence> {
    let shield = Shield::open(plan, &world.host())?;
    Ok(Box::new(Shielded(Some(shield), world.pins())))
}

fn weir(world: &World, attach: Attach) -> Outcome<Defence> {
    let mut plan = Plan { attach, ..world.plan() };
    plan.deny.networks = addresses().map(|address| std::net::IpAddr::V4(address).into()).collect();
    shield(world, &plan)
}

fn nftables(_: &World) -> Outcome<Defence> {
    let elements: Vec<String> = addresses().map(|address| address.to_string()).collect();
    let rules = format!(
        "table inet weir {{\nset denied {{\ntype ipv4_addr\nelements = {{ {} }}\n}}\nchain first {{\ntype filter hook prerouting \
         priority raw\nip saddr @denied drop\n}}\n}}",
        elements.join(", ")
    );
    tool("nft", &[&rules])?;
    Ok(Box::new(Undo(&["nft", "delete table inet weir"])))
}

fn xdp_filter(_: &World) -> Outcome<Defence> {
    if std::fs::read_dir("/sys/fs/bpf")?.next().is_none() {
        let none = None::<&str>;
        nix::mount::mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), nix::mount::MsFlags::empty(), none)?;
    }
    tool("xdp-filter", &["load", "-m", "native", "-f", "ipv4", INTERFACE])?;
    let undo = Undo(&["xdp-filter", "unload", INTERFACE]);
    // A table per CPU; the word says which direction is denied, and above it packets are counted.
    let table = aya::maps::MapData::from_pin("/sys/fs/bpf/xdp-filter/filter_ipv4")?;
    let mut table: aya::maps::PerCpuHashMap<_, u32, u64> = aya::maps::Map::PerCpuHashMap(table).try_into()?;
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    for address in addresses() {
        const SOURCE: u64 = 1;
        table.insert(address.to_bits().to_be(), aya::maps::PerCpuValues::try_from(vec![SOURCE; cpus])?, 0)?;
    }
    Ok(Box::new(undo))
}

fn cookies(world: &World, attach: Attach) -> Outcome<Defence> {
    let mut plan = Plan { attach, sysctls: Sysctls::Set, ..world.plan() };
    plan.syn_guard.when = SynWhen::Always;
    Ok(Box::new((shield(world, &plan)?, TcpListener::bind((SERVER, PORT))?)))
}

fn kernel_cookies(_: &World) -> Outcome<Defence> {
    sysctl("ipv4/tcp_syncookies", "1")?;
    Ok(Box::new(TcpListener::bind((SERVER, PORT))?))
}

fn synproxy(_: &World) -> Outcome<Defence> {
    let rules = format!(
        "table inet weir {{\nchain first {{\ntype filter hook prerouting priority raw\ntcp dport {PORT} tcp flags syn \
         notrack\n}}\nchain in {{\ntype filter hook input priority filter\ntcp dport {PORT} ct state invalid,untracked \
         synproxy mss 1460 wscale 7 timestamp sack-perm\n}}\n}}"
    );
    tool("nft", &[&rules])?;
    let undo = Undo(&["nft", "delete table inet weir"]);
    sysctl("netfilter/nf_conntrack_tcp_loose", "0")?;
    Ok(Box::new((undo, TcpListener::bind((SERVER, PORT))?)))
}

/// Honest exchanges that succeed in a while: without flood beside the same work of sending it, under it, and undefended.
fn goodput(world: &World) {
    prepare(world);
    echo(SERVER);
    let _peer = world.on_client(|| Draw::dropping(30).unwrap().attach(index(PEER), NATIVE).unwrap());
    let defences: [(&str, SetUp); 3] = [
        ("control", control),
        ("weir, native", |world| {
            let mut plan = Plan { attach: Attach::Native, sysctls: Sysctls::Set, ..world.plan() };
            plan.syn_guard.above = 1000;
            shield(world, &plan)
        }),
        ("undefended", |_| {
            sysctl("ipv4/tcp_syncookies", "0")?;
            Ok(Box::new(()))
        }),
    ];
    let mut served = [0.0; 3];
    for _ in 0..if is_quick() { 1 } else { 3 } {
        for ((name, set_up), served) in defences.iter().zip(&mut served) {
            let defence = set_up(world).unwrap();
            let count = honest(world);
            drop(defence);
            sysctl("ipv4/tcp_syncookies", "1").unwrap();
            println!("honest exchanges under a flood, {name:<25} {count:>6}");
            *served += f64::from(count);
        }
    }
    let [control, weir, undefended] = served;
    let note =
        "exchanges a second beside 100,000 SYNs a second, which the peer of the first row drops at no cost";
    let row = |what, peer, goal| {
        Row {
            id: "P14",
            what,
            unit: "exchanges",
            ours: weir,
            spread: 0.0,
            peer: Some(peer),
            goal: Some(goal),
            note,
        }
        .keep();
    };
    row("goodput under a SYN flood", (control, "no flood to answer"), Goal::RatioMin(0.9));
    row(
        "goodput under a SYN flood, undefended",
        (undefended.max(1.0), "tcp_syncookies=0"),
        Goal::RatioMin(2.0),
    );
}

fn honest(world: &World) -> u32 {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| world.on_client(|| pace(&stop)));
        let began = Instant::now();
        let count = world.on_client(|| {
            let mut count = 0;
            while began.elapsed() < Duration::from_secs(2) {
                count += u32::from(exchange(CLIENT, SERVER, 1000, Duration::from_millis(200)).is_ok());
            }
            count
        });
        stop.store(true, Ordering::Relaxed);
        count
    })
}

/// Sends SYNs of made-up sources at a rate, until told to stop.
fn pace(stop: &AtomicBool) {
    const STEP: u32 = FLOOD_PER_SECOND / 100;
    let (program, frame) = flooder(0);
    let interface = index(PEER);
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        program.send(&frame, STEP, interface).unwrap();
        due += Duration::from_millis(10);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
}
