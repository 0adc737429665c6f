//! Who defends the server in a comparison, and the two ends of the wire as they must be for all of them.
use std::process::Command;

use weir_kernel::Shield;
use weir_plan::shield::{Attach, Shield as Plan, SynWhen, Sysctls};

use crate::draw::{Draw, source};
use crate::rig::Outcome;
use crate::world::{CLIENT, INTERFACE, PEER, PORT, SERVER, World};

/// Entries in every list, and as many sources that send.
pub(crate) const ENTRIES: u32 = 1024;
pub(crate) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const NATIVE: u32 = 1 << 2;

/// Whoever defends the server, until it is dropped.
pub(crate) type Defence = Box<dyn std::any::Any>;
pub(crate) type SetUp = fn(&World) -> Outcome<Defence>;

pub(crate) fn index(interface: &str) -> u32 {
    nix::net::if_::if_nametoindex(interface).unwrap()
}

/// Known neighbours, a way back to every source, and receiving in batches also where there is no program.
pub(crate) fn prepare(world: &World) {
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

pub(crate) fn tool(name: &str, arguments: &[&str]) -> Outcome<()> {
    let told = Command::new(name)
        .args(arguments)
        .output()
        .map_err(|error| format!("{name}: {error}; is it installed?"))?;
    if told.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&told.stderr).trim().into()) }
}

pub(crate) fn sysctl(name: &str, value: &str) -> Outcome<()> {
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

/// Drops what is made up before anything else sees it.
pub(crate) fn control(_: &World) -> Outcome<Defence> {
    Ok(Box::new(Draw::dropping(26)?.attach(index(INTERFACE), NATIVE)?))
}

fn addresses() -> impl Iterator<Item = std::net::Ipv4Addr> {
    (0..ENTRIES).map(|number| std::net::Ipv4Addr::from_bits(source(number)))
}

/// A shield that takes itself away.
struct Shielded(Option<Shield>, std::path::PathBuf, weir_kernel::Host);

impl Drop for Shielded {
    fn drop(&mut self) {
        drop(self.0.take().map(Shield::close));
        weir_kernel::detach(&self.1, &self.2).unwrap();
    }
}

pub(crate) fn shield(world: &World, plan: &Plan) -> Outcome<Defence> {
    Ok(shielded(world, Shield::open(plan, &world.host())?))
}

pub(crate) fn shielded(world: &World, shield: Shield) -> Defence {
    Box::new(Shielded(Some(shield), world.pins(), world.host()))
}

/// A shield that denies every source that sends.
pub(crate) fn weir(world: &World, attach: Attach) -> Outcome<Defence> {
    let mut plan = Plan { attach, ..world.plan() };
    plan.deny.networks = addresses().map(|address| std::net::IpAddr::V4(address).into()).collect();
    shield(world, &plan)
}

pub(crate) fn nftables(_: &World) -> Outcome<Defence> {
    let elements: Vec<String> = addresses().map(|address| address.to_string()).collect();
    let rules = format!(
        "table inet weir {{\nset denied {{\ntype ipv4_addr\nelements = {{ {} }}\n}}\nchain first {{\ntype filter hook prerouting \
         priority raw\nip saddr @denied drop\n}}\n}}",
        elements.join(", ")
    );
    tool("nft", &[&rules])?;
    Ok(Box::new(Undo(&["nft", "delete table inet weir"])))
}

pub(crate) fn xdp_filter(_: &World) -> Outcome<Defence> {
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

/// A shield that answers every SYN.
pub(crate) fn cookies(world: &World, attach: Attach) -> Outcome<Defence> {
    let mut plan = Plan { attach, sysctls: Sysctls::Set, ..world.plan() };
    plan.syn_guard.when = SynWhen::Always;
    shield(world, &plan)
}

pub(crate) fn kernel_cookies(_: &World) -> Outcome<Defence> {
    sysctl("ipv4/tcp_syncookies", "1")?;
    Ok(Box::new(()))
}

pub(crate) fn synproxy(_: &World) -> Outcome<Defence> {
    let rules = format!(
        "table inet weir {{\nchain first {{\ntype filter hook prerouting priority raw\ntcp dport {PORT} tcp flags syn \
         notrack\n}}\nchain in {{\ntype filter hook input priority filter\ntcp dport {PORT} ct state invalid,untracked \
         synproxy mss 1460 wscale 7 timestamp sack-perm\n}}\n}}"
    );
    tool("nft", &[&rules])?;
    let undo = Undo(&["nft", "delete table inet weir"]);
    sysctl("netfilter/nf_conntrack_tcp_loose", "0")?;
    Ok(Box::new(undo))
}
