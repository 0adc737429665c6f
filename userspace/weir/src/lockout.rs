//! Keeps operators from shutting themselves out: rules of the shield against those who are logged in are refused.

use crate::failure::{CONFIG, failure};
use crate::guard::meant;
use anyhow::Result;
use weir_admin::Operator;
use weir_kernel::Host;
use weir_kernel::bans::Protected;
use weir_kernel::lists::{self, Origin};
use weir_plan::Plan;
use weir_plan::shield::{Mode, PortAction, Shield, Transport};

/// The port of SSH where nobody says otherwise.
const SSH_PORT: u16 = 22;

/// Refuses a plan whose shield would drop packets of the operator who asks, or of anybody who is logged in from elsewhere.
/// To be merely connected to port 22 is not enough: that would be a way around every list.
pub(crate) fn check(plan: &Plan, operator: Option<Operator>) -> Result<()> {
    let shield = meant(plan);
    if shield.interfaces.is_empty() {
        return Ok(());
    }
    let machine = Protected::of_machine(&Host::default());
    let sessions = machine.iter().filter(|(_, why)| why.ends_with("session"));
    let sessions = sessions.map(|(network, _)| Operator { address: network.addr(), port: SSH_PORT });
    for operator in operator.into_iter().chain(sessions) {
        if let Some(rule) = against(&shield, operator) {
            let words = format!(
                "the shield would cut off {}, who is logged in over SSH: {rule}; --force takes it all the same",
                operator.address
            );
            return Err(failure(CONFIG, words));
        }
    }
    Ok(())
}

/// The rule that would drop the packets of an operator.
fn against(shield: &Shield, operator: Operator) -> Option<String> {
    let address = operator.address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    // A file that cannot be read is told when the kernel's tables are made.
    let origins = lists::origins(shield, address).unwrap_or_default();
    let longest = origins.first().map(|origin| origin.network.prefix_len());
    let finds = |list: &str| {
        origins.iter().find(|origin| origin.list == list && Some(origin.network.prefix_len()) == longest)
    };
    let denied = finds("deny").filter(|_| shield.stages.deny == Mode::Enforce);
    let passes = origins.iter().any(|origin| origin.list == "trusted")
        || finds("allow").is_some_and(|_| finds("deny").is_none() || shield.allow_wins_ties);
    if passes {
        return None;
    }
    denied.map(|origin| format!("{} is on the list `deny`{}", origin.network, place(origin))).or_else(|| {
        let closed = shield.ports.iter().any(|rule| {
            rule.transport == Transport::Tcp
                && rule.action == PortAction::Drop
                && rule.ports.contains(&operator.port)
        });
        (closed && shield.stages.ports == Mode::Enforce).then(|| format!("port {} is closed", operator.port))
    })
}

fn place(origin: &Origin) -> String {
    origin.file.as_ref().map(|file| format!(" in {}", file.display())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plan::shield::{PortRule, PrefixList};

    fn networks<N: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<N> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_would_drop_the_operator_is_found() {
        let check =
            |trusted: &[&str], allow: &[&str], deny: &[&str], closed: &[u16], expect: Option<&str>| {
                let list = |texts: &[&str]| PrefixList { networks: networks(texts), ..PrefixList::default() };
                let port = |port: &u16| PortRule::new(Transport::Tcp, *port..=*port, PortAction::Drop);
                let shield = Shield {
                    trusted: networks(trusted),
                    allow: list(allow),
                    deny: list(deny),
                    ports: closed.iter().map(port).collect(),
                    ..Shield::default()
                };
                let operator = Operator { address: [198, 51, 100, 7].into(), port: 2222 };
                let found = against(&shield, operator);
                assert_eq!(found.as_deref(), expect, "{trusted:?} {allow:?} {deny:?} {closed:?}");
            };
        let (net, host) = ("198.51.100.0/24", "198.51.100.7/32");
        let denied = Some("198.51.100.0/24 is on the list `deny`");
        check(&[], &[], &[], &[22], None);
        check(&[], &[], &["203.0.113.0/24"], &[], None);
        check(&[], &[], &[net], &[], denied);
        check(&[], &["198.51.0.0/16"], &[net], &[], denied);
        check(&[], &[net], &[net], &[], denied);
        check(&[], &[host], &["0.0.0.0/0"], &[2222], None);
        check(&[host], &[], &[net], &[2222], None);
        check(&[], &[], &[], &[2222], Some("port 2222 is closed"));
    }

    #[test]
    fn a_shield_that_only_observes_cuts_nobody_off() {
        let mut shield = Shield {
            deny: PrefixList { networks: networks(&["0.0.0.0/0"]), ..PrefixList::default() },
            ..Shield::default()
        };
        shield.stages.deny = Mode::Observe;
        assert_eq!(against(&shield, Operator { address: [198, 51, 100, 7].into(), port: 22 }), None);
    }
}
