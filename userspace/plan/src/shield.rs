//! The shield as meant: what the kernel obeys, compiled from the `shield` section.
//!
//! Nothing here reads a file or an interface: list files are named by pattern and read by the kernel room,
//! which also learns the operator's own peers, the gateway and the DNS servers.

use core::ops::RangeInclusive;
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the XDP program and its keeper in user space must know.
#[derive(Debug, Clone, PartialEq)]
pub struct Shield {
    /// Interfaces to attach to; none means that the shield is off.
    pub interfaces: Vec<String>,
    /// Which attach mode to ask for.
    pub attach: Attach,
    /// What to do when the wanted attach mode cannot be had.
    pub on_attach_failure: OnAttachFailure,
    /// What remains in the kernel when weir exits.
    pub on_exit: OnExit,
    /// The bpffs directory of the pinned maps and links.
    pub pin_directory: PathBuf,
    /// Whether weir may mount a bpffs where the pin directory needs one.
    pub mount_bpffs: bool,
    /// What weir may do about sysctls the SYN guard depends on.
    pub sysctls: Sysctls,
    /// How earnestly each stage acts.
    pub stages: Stages,
    /// What happens to fragments other than the first, which carry no ports.
    pub late_fragments: Fragments,
    /// Networks that are never dropped and never banned.
    pub trusted: Vec<IpNet>,
    /// Sources that pass every later stage.
    pub allow: PrefixList,
    /// Sources that are dropped.
    pub deny: PrefixList,
    /// Whether an allowed prefix wins over a denied one of equal length; otherwise the denied one wins.
    pub allow_wins_ties: bool,
    /// Port policy; a port that no rule names passes untouched.
    pub ports: Vec<PortRule>,
    /// Limits per source, per network and per protected port.
    pub limits: Limits,
    /// The defence against SYN floods.
    pub syn_guard: SynGuard,
    /// Bans that expire.
    pub bans: Bans,
    /// Sampled events about dropped packets.
    pub events: Events,
}

/// The attach mode asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attach {
    /// Native if the driver can, else what [`OnAttachFailure`] says.
    #[default]
    Auto,
    /// In the driver only.
    Native,
    /// In the network stack only, after the packet buffer is built.
    Generic,
}

/// What follows when native mode cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnAttachFailure {
    /// weir does not start.
    Refuse,
    /// Generic mode; if that fails too, the policies in user space hold alone.
    #[default]
    Generic,
    /// The policies in user space hold alone.
    Userspace,
}

/// What remains attached when weir exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExit {
    /// Program, lists and bans stay; the next start takes them over.
    #[default]
    Keep,
    /// Everything is taken off.
    Detach,
}

/// What weir may do about sysctls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sysctls {
    /// Read them and say what is amiss.
    #[default]
    Check,
    /// Set them at start and restore them at exit.
    Set,
}

/// How earnestly a stage acts, from not at all to fully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// The stage is skipped.
    Off,
    /// What it would drop is counted and passes.
    Observe,
    /// What it refuses is dropped.
    #[default]
    Enforce,
}

/// One mode per stage, in the order in which a packet meets them. The allow list only ever passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Malformed and impossible packets.
    pub anomaly: Mode,
    /// Dynamic bans.
    pub bans: Mode,
    /// The deny list.
    pub deny: Mode,
    /// Ports with the action `drop`.
    pub ports: Mode,
    /// The SYN guard.
    pub syn_guard: Mode,
    /// Rate limits.
    pub limits: Mode,
}

impl Stages {
    /// Every stage in the same mode.
    #[must_use]
    pub const fn all(mode: Mode) -> Self {
        Self { anomaly: mode, bans: mode, deny: mode, ports: mode, syn_guard: mode, limits: mode }
    }
}

/// What happens to fragments without ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragments {
    /// They pass, subject to the limits per source.
    #[default]
    Pass,
    /// They pass, and are counted as what would be dropped.
    Observe,
    /// They are dropped.
    Drop,
}

/// A list of networks, inline and from files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixList {
    /// Networks written in the configuration.
    pub networks: Vec<IpNet>,
    /// Plain list files; `*` may stand in the last component of a path.
    pub files: Vec<PathBuf>,
    /// What one bad line in a file means.
    pub bad_lines: BadLines,
}

/// What a line that is no network means for the rest of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadLines {
    /// The line is reported and the rest is kept.
    #[default]
    Keep,
    /// The whole list is refused and the previous one stays.
    Refuse,
}

/// What to do with packets to some ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRule {
    /// The transport.
    pub transport: Transport,
    /// Destination ports.
    pub ports: RangeInclusive<u16>,
    /// The rule for them.
    pub action: PortAction,
    /// What it takes in total, if that is not as for the others.
    pub total: Option<Rates>,
}

impl PortRule {
    /// A rule that is like the others.
    #[must_use]
    pub const fn new(transport: Transport, ports: RangeInclusive<u16>, action: PortAction) -> Self {
        Self { transport, ports, action, total: None }
    }
}

/// As it is written: `tcp/443`, or `tcp/8000-8010`.
impl core::fmt::Display for PortRule {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let (first, last) = (self.ports.start(), self.ports.end());
        if first == last {
            write!(out, "{transport}/{first}")
        } else {
            write!(out, "{transport}/{first}-{last}")
        }
    }
}

/// A transport with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The rule for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortAction {
    /// Ours: SYN guard, limits per source, and the limit per port.
    Protect,
    /// Not ours: untouched.
    Pass,
    /// Refused.
    Drop,
}

/// A sustained rate and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Units per second; at least 1.
    pub per_second: u64,
    /// Units that may come at once; at least 1.
    pub burst: u64,
}

/// Limits of every scope. A rate that is absent is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Per source address.
    pub source: Scope,
    /// Per network of the source.
    pub network: Scope,
    /// Per protected rule of ports, over all sources, unless the rule has [`PortRule::total`]; only packets, bytes and new
    /// connections count here.
    pub port: Rates,
    /// How earnestly the totals per port act, where the stage does.
    pub port_mode: Mode,
}

/// Limits that hold for one group of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Leading bits that make one IPv4 source, 1 to 32.
    pub v4_bits: u8,
    /// Leading bits that make one IPv6 source, 1 to 64.
    pub v6_bits: u8,
    /// The rates.
    pub rates: Rates,
    /// How earnestly they act, where the stage does.
    pub mode: Mode,
}

/// The rates of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Packets of any kind.
    pub packets: Option<Rate>,
    /// Bytes on the wire.
    pub bytes: Option<Rate>,
    /// TCP SYNs.
    pub new_connections: Option<Rate>,
    /// UDP packets.
    pub udp: Option<Rate>,
    /// ICMP and ICMPv6 packets.
    pub icmp: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source: Scope { v4_bits: 32, v6_bits: 64, rates: Rates::default(), mode: Mode::Enforce },
            network: Scope { v4_bits: 24, v6_bits: 48, rates: Rates::default(), mode: Mode::Enforce },
            port: Rates::default(),
            port_mode: Mode::Enforce,
        }
    }
}

/// The defence against SYN floods: cookies answered before the packet reaches the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynGuard {
    /// When it acts.
    pub when: SynWhen,
    /// SYNs per second and protected port that turn it on.
    pub above: u64,
    /// How long the rate must stay below half of `above` until it turns off.
    pub quiet: Duration,
    /// Whether ACKs with a wrong cookie are dropped while it acts.
    pub drop_bad_acks: bool,
    /// The window scale to offer; none asks the machine.
    pub window_scale: Option<u8>,
}

/// When the SYN guard acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SynWhen {
    /// Under pressure, port by port.
    #[default]
    Auto,
    /// For every SYN.
    Always,
}

impl Default for SynGuard {
    fn default() -> Self {
        Self {
            when: SynWhen::Auto,
            above: 20_000,
            quiet: Duration::from_secs(30),
            drop_bad_acks: true,
            window_scale: None,
        }
    }
}

/// Bans that expire, and how they grow.
#[derive(Debug, Clone, PartialEq)]
pub struct Bans {
    /// The first ban of a source.
    pub first: Duration,
    /// Each further one is longer by this factor; at least 1.
    pub factor: u32,
    /// No ban is longer.
    pub max: Duration,
    /// A source forgets one step of escalation for each such time without a ban.
    pub decay: Duration,
    /// Bans made by rules in any minute; those by hand do not count.
    pub per_minute_max: u32,
    /// Bans in force at once.
    pub entries_max: u32,
    /// Networks that are never banned, beside the trusted ones and those the machine depends on.
    pub never: Vec<IpNet>,
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            factor: 4,
            max: Duration::from_secs(24 * 3600),
            decay: Duration::from_secs(3600),
            per_minute_max: 500,
            entries_max: 1 << 17,
            never: Vec::new(),
        }
    }
}

/// Sampled events about dropped packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// Events per second and CPU; what exceeds it is only counted.
    pub per_second_max: u32,
}

impl Default for Events {
    fn default() -> Self {
        Self { per_second_max: 100 }
    }
}

impl Default for Shield {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            attach: Attach::default(),
            on_attach_failure: OnAttachFailure::default(),
            on_exit: OnExit::default(),
            pin_directory: PathBuf::from("/sys/fs/bpf/weir"),
            mount_bpffs: false,
            sysctls: Sysctls::default(),
            stages: Stages::default(),
            late_fragments: Fragments::default(),
            trusted: Vec::new(),
            allow: PrefixList::default(),
            deny: PrefixList::default(),
            allow_wins_ties: false,
            ports: Vec::new(),
            limits: Limits::default(),
            syn_guard: SynGuard::default(),
            bans: Bans::default(),
            events: Events::default(),
        }
    }
}
