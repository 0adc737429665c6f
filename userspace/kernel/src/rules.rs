//! Turns the compiled shield into the record the kernel obeys. Pure: what the machine says is an argument.

use std::num::NonZeroU64;

use weir_plan::shield::{self, PortAction, Rate, Rates, Scope, Shield, SynWhen, Transport};
use weir_wire::config::{
    FLAG_BAN_FILTER, FLAG_CHECK_ACKS, FLAG_COOKIE_TIMESTAMPS, FLAG_COOKIES_FORCED, FLAG_DROP_LATE_FRAGMENTS,
    FLAG_GUARD_ALWAYS, FLAG_OBSERVE_LATE_FRAGMENTS, FLAG_OBSERVE_PORT, FLAG_OBSERVE_PREFIX,
    FLAG_OBSERVE_SOURCE,
};
use weir_wire::limit::{CLASSES, Class};
use weir_wire::port::{Action, PORT_RULES, PortPolicy, PortRule, PortWord};
use weir_wire::{Config, Limit, Mode, Rules, Stage};
use zerocopy::FromZeros;

use crate::Error;
use crate::sysctl::Cookies;

const SECOND_NS: u64 = 1_000_000_000;

/// The window that a SYN cookie advertises: 44 segments of 1460 bytes, as Linux does.
const COOKIE_WINDOW: u16 = 64_240;

/// The record for a shield, on a machine whose stack makes its cookies as `cookies` says.
pub(crate) fn compile(shield: &Shield, cookies: Cookies, salt: [u64; 2]) -> Result<Box<Rules>, Error> {
    let no_memory = |_| Error::unavailable("compile the shield", "no memory", "");
    let mut rules = Rules::new_box_zeroed().map_err(no_memory)?;
    rules.config = config(shield, cookies, salt);
    write_ports(shield, &mut rules)?;
    Ok(rules)
}

fn config(shield: &Shield, cookies: Cookies, salt: [u64; 2]) -> Config {
    let (source, network) = (shield.limits.source, shield.limits.network);
    let above = NonZeroU64::new(shield.syn_guard.above).unwrap_or(NonZeroU64::MIN);
    let below = NonZeroU64::new(above.get() / 2).unwrap_or(NonZeroU64::MIN);
    let mut config = Config {
        source_mask_v6: high_bits(source.v6_bits),
        prefix_mask_v6: high_bits(network.v6_bits),
        prefix_mask_v4: v4_mask(network.v4_bits),
        salt,
        source: limits(&source),
        prefix: limits(&network),
        syn_above: Limit::new(above, SECOND_NS, above.get() / 10),
        syn_below: Limit::new(below, SECOND_NS, below.get() / 10),
        syn_quiet_ns: u64::try_from(shield.syn_guard.quiet.as_nanos()).unwrap_or(u64::MAX),
        flags: flags(shield, cookies),
        events_per_second_max: shield.events.per_second_max,
        cookie_window: COOKIE_WINDOW,
        cookie_window_scale: shield.syn_guard.window_scale.unwrap_or(cookies.window_scale),
        cookie_hop_limit: cookies.hop_limit,
        syn_batch_mask: batch_mask(below.get() / 10),
        ..Config::default()
    };
    let stages = shield.stages;
    config.set_mode(Stage::Malformed, mode(stages.anomaly));
    config.set_mode(Stage::Allow, Mode::Enforce);
    config.set_mode(Stage::Ban, mode(stages.bans));
    config.set_mode(Stage::Deny, mode(stages.deny));
    config.set_mode(Stage::Port, mode(stages.ports));
    config.set_mode(Stage::SynGuard, mode(stages.syn_guard));
    config.set_mode(Stage::Limit, mode(stages.limits));
    config
}

/// SYNs are weighed in batches small beside what the pressure tolerates, so that the guard is not late.
fn batch_mask(tolerated: u64) -> u32 {
    let batch = (tolerated / 16).clamp(1, 64);
    // One less than the largest power of two that is not above the batch.
    (1_u32 << batch.ilog2()) - 1
}

fn flags(shield: &Shield, cookies: Cookies) -> u32 {
    let choices = [
        (shield.late_fragments == shield::Fragments::Drop, FLAG_DROP_LATE_FRAGMENTS),
        (shield.syn_guard.when == SynWhen::Always, FLAG_GUARD_ALWAYS),
        (cookies.carry_timestamps, FLAG_COOKIE_TIMESTAMPS),
        (shield.late_fragments == shield::Fragments::Observe, FLAG_OBSERVE_LATE_FRAGMENTS),
        (cookies.forced, FLAG_COOKIES_FORCED),
        (shield.syn_guard.drop_bad_acks, FLAG_CHECK_ACKS),
        (shield.limits.source.mode == shield::Mode::Observe, FLAG_OBSERVE_SOURCE),
        (shield.limits.network.mode == shield::Mode::Observe, FLAG_OBSERVE_PREFIX),
        (shield.limits.port_mode == shield::Mode::Observe, FLAG_OBSERVE_PORT),
    ];
    // Bans keep their filter true from before the first rules on.
    choices.into_iter().filter(|&(chosen, _)| chosen).fold(FLAG_BAN_FILTER, |flags, (_, flag)| flags | flag)
}

const fn mode(mode: shield::Mode) -> Mode {
    match mode {
        shield::Mode::Off => Mode::Off,
        shield::Mode::Observe => Mode::Observe,
        shield::Mode::Enforce => Mode::Enforce,
    }
}

fn limits(scope: &Scope) -> [Limit; CLASSES] {
    let mut limits = [Limit::OFF; CLASSES];
    if scope.mode == shield::Mode::Off {
        return limits;
    }
    let rates = scope.rates;
    let by_class = [
        (Class::Packets, rates.packets),
        (Class::Bytes, rates.bytes),
        (Class::Connections, rates.new_connections),
        (Class::Udp, rates.udp),
        (Class::Icmp, rates.icmp),
    ];
    for (class, rate) in by_class {
        if let Some(slot) = limits.get_mut(class as usize) {
            *slot = limit(rate);
        }
    }
    limits
}

fn limit(rate: Option<Rate>) -> Limit {
    rate.and_then(|rate| Some((NonZeroU64::new(rate.per_second)?, rate.burst)))
        .map_or(Limit::OFF, |(per_second, burst)| Limit::new(per_second, SECOND_NS, burst))
}

/// Every protected rule draws on a budget of its own; the ports of one rule share it.
fn write_ports(shield: &Shield, rules: &mut Rules) -> Result<(), Error> {
    let none = Rates::default();
    let is_off = shield.limits.port_mode == shield::Mode::Off;
    let mut budget = 0_u8;
    for rule in &shield.ports {
        let mut policy = PortPolicy { action: action(rule.action), rule: 0 };
        if rule.action == PortAction::Protect {
            budget += 1;
            policy.rule = budget;
            let total = if is_off { &none } else { rule.total.as_ref().unwrap_or(&shield.limits.port) };
            *rules.port_rules.get_mut(usize::from(budget)).ok_or_else(too_many_rules)? = PortRule {
                packets: limit(total.packets),
                bytes: limit(total.bytes),
                connections: limit(total.new_connections),
            };
        }
        for port in rule.ports.clone() {
            if let Some(word) = rules.ports.get_mut(usize::from(port)) {
                *word = match rule.transport {
                    Transport::Tcp => PortWord::new(policy, word.udp()),
                    Transport::Udp => PortWord::new(word.tcp(), policy),
                };
            }
        }
    }
    Ok(())
}

const fn action(action: PortAction) -> Action {
    match action {
        PortAction::Protect => Action::Protect,
        PortAction::Pass => Action::Pass,
        PortAction::Drop => Action::Drop,
    }
}

fn too_many_rules() -> Error {
    Error::config(
        "compile the shield",
        format!("more than {} protected port rules", PORT_RULES - 1),
        "join neighbouring ports into ranges",
    )
}

/// The mask that keeps the first bits of an IPv6 address's upper half.
pub(crate) fn high_bits(bits: u8) -> u64 {
    u64::MAX.checked_shl(64_u32.saturating_sub(u32::from(bits))).unwrap_or(0)
}

/// The mask that keeps the first bits of the IPv4 address in a mapped address's lower half, and the mapping itself.
fn v4_mask(bits: u8) -> u64 {
    u64::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plan::shield::{PortRule as Written, Stages};

    const COOKIES: Cookies =
        Cookies { forced: false, carry_timestamps: true, window_scale: 10, hop_limit: 64 };

    fn compiled(change: impl FnOnce(&mut Shield)) -> Box<Rules> {
        let mut shield = Shield::default();
        change(&mut shield);
        compile(&shield, COOKIES, [1, 2]).unwrap()
    }

    fn tcp(ports: std::ops::RangeInclusive<u16>, action: PortAction) -> Written {
        Written::new(Transport::Tcp, ports, action)
    }

    #[test]
    fn masks_keep_the_leading_bits() {
        let check = |bits: u8, v6: u64| assert_eq!(high_bits(bits), v6, "{bits}");
        check(64, u64::MAX);
        check(48, 0xffff_ffff_ffff_0000);
        check(0, 0);
        let check = |bits: u8, v4: u64| assert_eq!(v4_mask(bits), v4, "{bits}");
        check(32, u64::MAX);
        check(24, 0xffff_ffff_ffff_ff00);
        check(0, 0xffff_ffff_0000_0000);
    }

    #[test]
    fn every_stage_gets_its_own_mode() {
        let stages = Stages { deny: shield::Mode::Observe, ..Stages::all(shield::Mode::Enforce) };
        let rules = compiled(|shield| shield.stages = stages);
        for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Request) {
            let expect = if stage == Stage::Deny { Mode::Observe } else { Mode::Enforce };
            assert_eq!(rules.config.mode(stage), expect, "{stage:?}");
        }
        let off = compiled(|shield| shield.stages = Stages::all(shield::Mode::Off));
        assert_eq!(off.config.mode(Stage::Limit), Mode::Off);
    }

    #[test]
    fn ports_keep_tcp_and_udp_apart_and_budgets_to_themselves() {
        let rules = compiled(|shield| {
            shield.ports = vec![
                tcp(443..=443, PortAction::Protect),
                tcp(80..=81, PortAction::Protect),
                tcp(23..=23, PortAction::Drop),
                Written::new(Transport::Udp, 443..=443, PortAction::Protect),
            ];
            shield.limits.port.new_connections = Some(Rate { per_second: 1000, burst: 100 });
        });
        let word = |port: usize| (rules.ports[port].tcp(), rules.ports[port].udp());
        let protect = |rule| PortPolicy { action: Action::Protect, rule };
        assert_eq!(word(443), (protect(1), protect(3)));
        assert_eq!(word(80), word(81));
        assert_eq!(word(80).0, protect(2));
        assert_eq!(word(23).0.action, Action::Drop);
        assert_eq!(word(22), (PortPolicy::default(), PortPolicy::default()));
        assert!(rules.port_rules[1].connections.is_on() && !rules.port_rules[1].packets.is_on());
        assert!(!rules.port_rules[0].connections.is_on() && !rules.port_rules[4].connections.is_on());
    }

    #[test]
    fn a_port_may_have_totals_of_its_own() {
        let rate = |per_second| Some(Rate { per_second, burst: 1_000_000 });
        let with = |mode| {
            compiled(move |shield| {
                let own = Rates { new_connections: rate(10), ..Rates::default() };
                let smtp = Written { total: Some(own), ..tcp(25..=25, PortAction::Protect) };
                shield.ports = vec![tcp(443..=443, PortAction::Protect), smtp];
                shield.limits.port.new_connections = rate(1000);
                shield.limits.port.packets = rate(1000);
                shield.limits.port_mode = mode;
            })
        };
        let rules = with(shield::Mode::Enforce);
        let price_ns = |rule: usize| rules.port_rules[rule].connections.price_ns(1);
        assert_eq!((price_ns(1), price_ns(2)), (1_000_000, 100_000_000));
        assert!(rules.port_rules[1].packets.is_on() && !rules.port_rules[2].packets.is_on());
        assert!(!with(shield::Mode::Off).port_rules[2].connections.is_on());
    }

    #[test]
    fn more_rules_than_budgets_are_refused() {
        let many = |count: u16| Shield {
            ports: (1..=count).map(|port| tcp(port..=port, PortAction::Protect)).collect(),
            ..Shield::default()
        };
        assert!(compile(&many(63), COOKIES, [0, 0]).is_ok());
        assert_eq!(compile(&many(64), COOKIES, [0, 0]).err().map(|error| error.exit_code()), Some(78));
    }

    #[test]
    fn batches_stay_small_beside_the_pressure() {
        let check = |tolerated: u64, mask: u32| assert_eq!(batch_mask(tolerated), mask, "{tolerated}");
        check(0, 0);
        check(50, 1);
        check(1000, 31);
        check(u64::MAX, 63);
    }

    #[test]
    fn switches_become_flags() {
        let plain = compiled(|_| {}).config;
        assert_eq!(plain.flags, FLAG_BAN_FILTER | FLAG_COOKIE_TIMESTAMPS | FLAG_CHECK_ACKS);
        let other = compiled(|shield| {
            shield.syn_guard.when = SynWhen::Always;
            shield.syn_guard.drop_bad_acks = false;
            shield.syn_guard.window_scale = Some(3);
            shield.late_fragments = shield::Fragments::Drop;
        });
        let expect = FLAG_BAN_FILTER | FLAG_COOKIE_TIMESTAMPS | FLAG_GUARD_ALWAYS | FLAG_DROP_LATE_FRAGMENTS;
        assert_eq!((other.config.flags, other.config.cookie_window_scale), (expect, 3));
    }

    #[test]
    fn each_scope_of_limits_has_its_own_mode() {
        let with = |source, network, port| {
            compiled(move |shield| {
                let rate = Some(Rate { per_second: 1000, burst: 100 });
                shield.ports = vec![tcp(443..=443, PortAction::Protect)];
                let limits = &mut shield.limits;
                (limits.source.rates.packets, limits.network.rates.bytes) = (rate, rate);
                limits.port.packets = rate;
                (limits.source.mode, limits.network.mode, limits.port_mode) = (source, network, port);
            })
        };
        let on = |rules: &Rules| {
            [
                rules.config.source[0].is_on(),
                rules.config.prefix[1].is_on(),
                rules.port_rules[1].packets.is_on(),
            ]
        };
        use shield::Mode::{Enforce, Observe, Off};
        let rules = with(Off, Observe, Enforce);
        assert_eq!(on(&rules), [false, true, true]);
        let mode = |flag| rules.config.mode_of_part(Stage::Limit, flag);
        assert_eq!((mode(FLAG_OBSERVE_PREFIX), mode(FLAG_OBSERVE_PORT)), (Mode::Observe, Mode::Enforce));
        let rules = with(Observe, Enforce, Off);
        assert_eq!(on(&rules), [true, true, false]);
        assert_eq!(rules.config.mode_of_part(Stage::Limit, FLAG_OBSERVE_SOURCE), Mode::Observe);
    }

    #[test]
    fn rates_reach_their_class() {
        let rules = compiled(|shield| {
            shield.limits.source.rates.udp = Some(Rate { per_second: 1000, burst: 5000 });
        });
        let on: Vec<bool> = rules.config.source.iter().map(Limit::is_on).collect();
        assert_eq!(on, [false, false, false, true, false]);
        assert_eq!(rules.config.source[3].price_ns(1), 1_000_000);
        assert_eq!(rules.config.source[3].tolerance_ns, 5_000_000_000);
    }
}
