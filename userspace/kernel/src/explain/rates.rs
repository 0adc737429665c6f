//! The limits that a source meets, in words.

use weir_plan::shield::{Mode, Rate, Rates, Shield};

/// What one source, its network and each port may send or receive in a second.
pub(super) fn describe(shield: &Shield, is_v6: bool) -> String {
    let limits = &shield.limits;
    let bits = |v4: u8, v6: u8| if is_v6 { v6 } else { v4 };
    let (source, network) = (&limits.source, &limits.network);
    let scopes = [
        (format!("its /{}", bits(source.v4_bits, source.v6_bits)), &source.rates, source.mode),
        (format!("its /{}", bits(network.v4_bits, network.v6_bits)), &network.rates, network.mode),
        ("each protected port".to_owned(), &limits.port, limits.port_mode),
    ];
    let own = shield
        .ports
        .iter()
        .filter_map(|rule| Some((format!("but {rule}"), rule.total.as_ref()?, limits.port_mode)));
    let told: Vec<String> =
        scopes.into_iter().chain(own).filter_map(|(who, rates, mode)| scope(&who, rates, mode)).collect();
    if told.is_empty() {
        "nothing is limited".to_owned()
    } else {
        format!("depends on the rate: {}", told.join("; "))
    }
}

fn scope(who: &str, rates: &Rates, mode: Mode) -> Option<String> {
    let all = [
        (rates.packets, "packets"),
        (rates.bytes, "bytes"),
        (rates.new_connections, "new connections"),
        (rates.udp, "UDP packets"),
        (rates.icmp, "ICMP packets"),
    ];
    let limited = all.into_iter().filter_map(|(rate, what)| {
        rate.map(|Rate { per_second, burst }| match burst == per_second {
            true => format!("{per_second} {what}"),
            false => format!("{per_second} {what} (at once {burst})"),
        })
    });
    let limited: Vec<String> = limited.collect();
    let softly = match mode {
        Mode::Off => return None,
        Mode::Observe => ", only observed",
        Mode::Enforce => "",
    };
    (!limited.is_empty()).then(|| format!("{who} has {} a second{softly}", limited.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plan::shield::{PortAction, PortRule, Transport};

    #[test]
    fn every_scope_is_told_with_its_mode() {
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        let mut shield = Shield::default();
        assert_eq!(describe(&shield, false), "nothing is limited");
        let limits = &mut shield.limits;
        limits.source.rates.packets = rate(20_000, 20_000);
        limits.source.rates.new_connections = rate(200, 400);
        limits.network.rates.icmp = rate(5, 5);
        limits.network.mode = Mode::Observe;
        limits.port.bytes = rate(9, 9);
        let mail = PortRule::new(Transport::Tcp, 25..=25, PortAction::Protect);
        let total = Some(Rates { packets: rate(7, 7), ..Rates::default() });
        shield.ports = vec![PortRule { total, ..mail }];
        assert_eq!(
            describe(&shield, true),
            "depends on the rate: its /64 has 20000 packets, 200 new connections (at once 400) a second; its /48 has 5 ICMP \
             packets a second, only observed; each protected port has 9 bytes a second; but \
             tcp/25 has 7 packets a second"
        );
        shield.limits.port_mode = Mode::Off;
        assert!(!describe(&shield, false).contains("port"));
    }
}
