//! The shield as meant: what the kernel obeys.

use std::path::PathBuf;

use weir_schema::shield as written;
use weir_schema::value::{Bind, ByteRate, Port, Rate};
use weir_schema::{At, Code, Diagnostic};

use super::{Build, limit, listener};
use crate::shield::{
    Attach, BadLines, Bans, Events, Fragments, Limits, Mode, OnAttachFailure, OnExit, PortAction, PortRule,
    PrefixList, Rates, Scope, Shield, Stages, SynGuard, SynWhen, Sysctls, Transport,
};

/// The shield, and whether its interfaces are those with a default route, which only the machine knows.
pub(super) fn shield(build: &mut Build<'_>) -> (Shield, bool) {
    let config = build.config;
    let written = &config.shield;
    let on = written.mode.value != written::Mode::Off;
    let interfaces: Vec<String> = written.interfaces.iter().map(|name| name.value.0.clone()).collect();
    let by_default_route = on && interfaces.is_empty();
    let (mut ports, limits) = (ports(build), limits(build));
    give_totals(&mut ports, limits.port, build);
    let shield = Shield {
        interfaces: if on { interfaces } else { Vec::new() },
        attach: match written.attach.value {
            written::Attach::Auto => Attach::Auto,
            written::Attach::Native => Attach::Native,
            written::Attach::Generic => Attach::Generic,
        },
        on_attach_failure: match written.on_attach_failure.value {
            written::AttachFailure::Userspace => OnAttachFailure::Userspace,
            written::AttachFailure::Refuse => OnAttachFailure::Refuse,
        },
        on_exit: match written.on_exit.value {
            written::OnExit::Keep => OnExit::Keep,
            written::OnExit::Detach => OnExit::Detach,
        },
        pin_directory: PathBuf::from(&written.pin_directory.value.0),
        mount_bpffs: written.mount_bpffs.value,
        sysctls: if written.set_sysctls.value { Sysctls::Set } else { Sysctls::Check },
        stages: stages(written),
        late_fragments: match mode(written.late_fragments.mode.as_ref(), written) {
            Mode::Enforce => Fragments::Drop,
            Mode::Observe => Fragments::Observe,
            Mode::Off => Fragments::Pass,
        },
        trusted: listener::networks(&written.trusted),
        allow: list(written.allow.as_ref().filter(|list| mode(list.mode.as_ref(), written) != Mode::Off)),
        deny: list(written.deny.as_ref()),
        allow_wins_ties: written.allow_wins_ties.value,
        ports,
        limits,
        syn_guard: SynGuard {
            when: match written.syn_guard.mode.value {
                written::CookieMode::Always => SynWhen::Always,
                _ => SynWhen::Auto,
            },
            above: per_second(&written.syn_guard.above.value),
            quiet: written.syn_guard.quiet.value,
            ..SynGuard::default()
        },
        bans: Bans {
            first: written.bans.first.value,
            factor: written.bans.factor.value,
            max: written.bans.max.value,
            decay: written.bans.forgive.value,
            per_minute_max: written.bans.per_minute_max.value,
            ..Bans::default()
        },
        events: Events { per_second_max: written.events_per_second.value },
    };
    (shield, by_default_route)
}

fn mode(own: Option<&At<written::Mode>>, shield: &written::Shield) -> Mode {
    match own.unwrap_or(&shield.mode).value {
        written::Mode::Off => Mode::Off,
        written::Mode::Observe => Mode::Observe,
        written::Mode::Enforce => Mode::Enforce,
    }
}

fn stages(shield: &written::Shield) -> Stages {
    let common = mode(None, shield);
    Stages {
        anomaly: mode(shield.malformed.mode.as_ref(), shield),
        bans: mode(shield.bans.mode.as_ref(), shield),
        deny: shield.deny.as_ref().map_or(common, |list| mode(list.mode.as_ref(), shield)),
        ports: common,
        syn_guard: match (common, shield.syn_guard.mode.value) {
            (Mode::Off, _) | (_, written::CookieMode::Off) => Mode::Off,
            (Mode::Observe, _) | (_, written::CookieMode::Observe) => Mode::Observe,
            (Mode::Enforce, _) => Mode::Enforce,
        },
        limits: scopes(shield).into_iter().max().unwrap_or(Mode::Off),
    }
}

/// The modes of the limits per source, per network and per port. One that is not written does not act.
fn scopes(shield: &written::Shield) -> [Mode; 3] {
    let network = shield.per_prefix.as_ref().map(|written| mode(written.mode.as_ref(), shield));
    let port = shield.per_port.as_ref().map(|written| mode(written.mode.as_ref(), shield));
    [mode(shield.per_source.mode.as_ref(), shield), network.unwrap_or(Mode::Off), port.unwrap_or(Mode::Off)]
}

fn list(written: Option<&At<written::AddressList>>) -> PrefixList {
    let Some(list) = written else { return PrefixList::default() };
    PrefixList {
        networks: listener::networks(&list.cidrs),
        files: list.files.iter().map(|file| PathBuf::from(&file.value.0)).collect(),
        bad_lines: match list.on_bad_line.value {
            written::BadLine::Refuse => BadLines::Refuse,
            written::BadLine::Skip => BadLines::Keep,
        },
    }
}

/// The ports written, or else those that listeners hold.
fn ports(build: &Build<'_>) -> Vec<PortRule> {
    let shield = &build.config.shield;
    let rule = |port: &Port, action| PortRule::new(transport(port), port.number..=port.number, action);
    let mut rules: Vec<PortRule> =
        shield.protect.iter().map(|port| rule(&port.value, PortAction::Protect)).collect();
    if rules.is_empty() {
        let mut own: Vec<u16> =
            build.config.listeners.iter().flat_map(|listener| &listener.bind).filter_map(bound).collect();
        own.sort_unstable();
        own.dedup();
        let tcp = |port| PortRule::new(Transport::Tcp, port..=port, PortAction::Protect);
        rules.extend(own.into_iter().map(tcp));
    }
    rules.extend(shield.closed.iter().map(|port| rule(&port.value, PortAction::Drop)));
    rules
}

const fn transport(port: &Port) -> Transport {
    match port.transport {
        weir_schema::value::Transport::Tcp => Transport::Tcp,
        weir_schema::value::Transport::Udp => Transport::Udp,
    }
}

/// Gives single ports their own totals, and says which of them are not protected.
fn give_totals(rules: &mut [PortRule], common: Rates, build: &mut Build<'_>) {
    let config = build.config;
    for one in config.shield.per_port.iter().flat_map(|written| &written.ports) {
        let port = one.port.value;
        let is_meant = |rule: &&mut PortRule| {
            rule.action == PortAction::Protect
                && rule.transport == transport(&port)
                && rule.ports.contains(&port.number)
        };
        let own = Rates {
            packets: one.packets.as_ref().map(|it| rate(it, build)).or(common.packets),
            bytes: one.bytes.as_ref().map(byte_rate).or(common.bytes),
            new_connections: one
                .new_connections
                .as_ref()
                .map(|it| rate(it, build))
                .or(common.new_connections),
            ..common
        };
        match rules.iter_mut().find(is_meant) {
            Some(rule) => rule.total = Some(own),
            None => {
                let found =
                    Diagnostic::new(Code::Tier, one.port.span, "the shield does not protect this port");
                build.report.push(
                    found.hint("Write it under `shield.protect`, with all others that are to be protected."),
                );
            }
        }
    }
}

fn bound(bind: &At<Bind>) -> Option<u16> {
    bind.value.socket_addr().map(|address| address.port())
}

fn limits(build: &mut Build<'_>) -> Limits {
    let shield = &build.config.shield;
    let source = &shield.per_source;
    let bits = source.ipv6_prefix.value;
    if bits > 64 {
        let message = "the kernel tells IPv6 sources apart by 64 bits at most, and so does this limit";
        let found = Diagnostic::new(Code::Tier, source.ipv6_prefix.span, message);
        build.report.push(found.hint("A network of 64 bits is one site; who has it has all its addresses."));
    }
    let (network, port) = (shield.per_prefix.as_ref(), shield.per_port.as_ref());
    let [source_mode, network_mode, port_mode] = scopes(shield);
    let mut rate = |written: Option<&At<Rate>>| written.map(|rate| self::rate(rate, build));
    let defaults = Limits::default();
    Limits {
        source: Scope {
            v4_bits: 32,
            v6_bits: bits.min(64),
            rates: Rates {
                packets: rate(Some(&source.packets)),
                bytes: source.bytes.as_ref().map(byte_rate),
                new_connections: rate(Some(&source.new_connections)),
                udp: rate(source.udp.as_ref()),
                icmp: rate(Some(&source.icmp)),
            },
            mode: source_mode,
        },
        network: Scope {
            v4_bits: network.map_or(defaults.network.v4_bits, |it| it.ipv4_prefix.value),
            v6_bits: network.map_or(defaults.network.v6_bits, |it| it.ipv6_prefix.value.min(64)),
            rates: Rates {
                packets: rate(network.and_then(|it| it.packets.as_ref())),
                bytes: network.and_then(|it| it.bytes.as_ref()).map(byte_rate),
                new_connections: rate(network.and_then(|it| it.new_connections.as_ref())),
                udp: rate(network.and_then(|it| it.udp.as_ref())),
                icmp: rate(network.and_then(|it| it.icmp.as_ref())),
            },
            mode: network_mode,
        },
        port: Rates {
            packets: rate(port.and_then(|it| it.packets.as_ref())),
            bytes: port.and_then(|it| it.bytes.as_ref()).map(byte_rate),
            new_connections: rate(port.and_then(|it| it.new_connections.as_ref())),
            ..Rates::default()
        },
        port_mode,
    }
}

fn byte_rate(written: &At<ByteRate>) -> crate::shield::Rate {
    let per_second = limit::per_second(written.value).max(1);
    crate::shield::Rate { per_second, burst: per_second }
}

/// The kernel counts whole units a second, so a slower rate becomes one a second, and one that does not divide is rounded up.
fn rate(written: &At<Rate>, build: &mut Build<'_>) -> crate::shield::Rate {
    let (rate, secs) = (&written.value, written.value.per.as_secs().max(1));
    if !rate.count.is_multiple_of(secs) {
        let held = rate.count.div_ceil(secs);
        let message = format!("the kernel counts whole units a second, so it allows {held}/s here");
        let found = Diagnostic::new(Code::Tier, written.span, message);
        build.report.push(found.hint("Write a rate per second, or limit requests by a `rate_limit` policy."));
    }
    crate::shield::Rate {
        per_second: per_second(rate),
        burst: rate.burst.unwrap_or_else(|| per_second(rate)).max(1),
    }
}

fn per_second(rate: &Rate) -> u64 {
    rate.count.div_ceil(rate.per.as_secs().max(1)).max(1)
}
