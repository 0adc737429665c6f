//! Which tier holds what: the kernel, the moment of accepting, or the request; and why there.

use std::fmt;

use weir_schema::Config;
use weir_schema::policy::{Policy, PolicyUse};
use weir_schema::shield::Mode;

use crate::Plan;

/// Something that is held, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What: a key of the configuration.
    pub what: String,
    /// Where.
    pub tier: Tier,
    /// Why there and not earlier.
    pub why: &'static str,
}

/// Where something is held, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// By the XDP program, before any socket.
    Kernel,
    /// When a connection is accepted.
    Accept,
    /// When a request has been read.
    Request,
}

/// Everything that is held, the cheapest tier first. Without the XDP program what the kernel would hold is held when
/// connections are accepted.
#[must_use]
pub fn offload(plan: &Plan) -> Vec<Held> {
    let Some(written) = &plan.written else { return Vec::new() };
    let mut held = shield(written);
    let accept = |what: &str, why| Held { what: what.to_owned(), tier: Tier::Accept, why };
    held.push(accept(
        "limits.connections",
        "it counts what is open, which the kernel's program does not see",
    ));
    held.push(accept(
        "limits.connections_per_ip",
        "it counts what is open, which the kernel's program does not see",
    ));
    let inline = written.listeners.iter().flat_map(|listener| &listener.policies);
    let inline = inline.chain(written.routes.iter().flat_map(|route| &route.policies));
    let inline = inline.filter_map(|used| match &used.value {
        PolicyUse::Inline(policy) => Some((policy.as_str().to_owned(), &**policy)),
        PolicyUse::Named(_) => None,
    });
    let named = written.policies.iter().map(|(name, policy)| (name.value.clone(), &policy.value));
    let mut policies: Vec<Held> = named
        .map(|(name, policy)| (format!("policies.{name}"), policy))
        .chain(inline)
        .map(|(what, policy)| Held { what, tier: Tier::Request, why: reason(policy) })
        .collect();
    policies.sort_by(|a, b| a.what.cmp(&b.what));
    policies.dedup();
    held.extend(policies);
    held.sort_by_key(|held| held.tier);
    held
}

fn shield(written: &Config) -> Vec<Held> {
    let shield = &written.shield;
    let off = shield.mode.value == Mode::Off;
    let parts = [
        ("shield.trusted", !shield.trusted.is_empty()),
        ("shield.allow", shield.allow.is_some()),
        ("shield.deny", shield.deny.is_some()),
        ("shield.bans", true),
    ];
    let (tier, why) = if off {
        (Tier::Accept, "the shield is off, so the address is judged when it connects")
    } else {
        (Tier::Kernel, "the address alone decides")
    };
    let lists = parts.into_iter().filter(|(_, is_there)| *is_there).map(|(what, _)| Held {
        what: what.to_owned(),
        tier,
        why,
    });
    let packets = [
        ("shield.malformed", true),
        ("shield.per_source", true),
        ("shield.per_prefix", shield.per_prefix.is_some()),
        ("shield.per_port", shield.per_port.is_some()),
        ("shield.syn_guard", true),
    ];
    let packets = packets.into_iter().filter(|(_, is_there)| *is_there && !off).map(|(what, _)| Held {
        what: what.to_owned(),
        tier: Tier::Kernel,
        why: "packets are counted before any socket sees them",
    });
    lists.chain(packets).collect()
}

/// Why a policy cannot be held before a request has been read.
fn reason(policy: &Policy) -> &'static str {
    match policy {
        Policy::IpList(_) => "it judges the address behind trusted proxies, which only a request names",
        Policy::RateLimit(_) => "it counts requests, not packets",
        Policy::Verdicts(_) => "it learns from requests; the bans it leads to are held under `shield.bans`",
        _ => "it reads the request",
    }
}

impl Tier {
    /// Its name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Accept => "accept",
            Self::Request => "request",
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7}  {}: {}", self.tier.as_str(), self.what, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::plan;

    #[test]
    fn without_the_shield_addresses_are_judged_when_they_connect() {
        let plan = plan(
            "listeners: [ { bind: ':80' } ]
policies: { fair: { rate_limit: { rate: 10/s } } }
routes: [ { match: /a, policies: [ fair, { ip_list: { allow: 10.0.0.0/8 } } ], respond: {} } ]
",
        );
        let told: Vec<_> = offload(&plan).iter().map(|held| (held.tier, held.what.clone())).collect();
        let expect = [
            (Tier::Accept, "shield.bans"),
            (Tier::Accept, "limits.connections"),
            (Tier::Accept, "limits.connections_per_ip"),
            (Tier::Request, "ip_list"),
            (Tier::Request, "policies.fair"),
        ];
        assert_eq!(told, expect.map(|(tier, what)| (tier, what.to_owned())));
    }
}
