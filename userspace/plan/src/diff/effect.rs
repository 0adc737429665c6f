//! What a change means for those who are connected, as sentences.

use std::collections::HashSet;

use weir_schema::consumer::Consumer;
use weir_schema::policy::Policy;

use super::{Fate, Leaf, Part};
use crate::Plan;
use crate::balance::{Balance, State};
use crate::hash::digest;
use crate::listener::{Bind, Listener};
use crate::tls::CertificateRecord;
use crate::upstream::Upstream;

pub(super) fn listener(before: &Plan, after: &Plan, name: &str) -> String {
    let find = |plan: &Plan| plan.listeners.iter().find(|listener| *listener.name == *name).cloned();
    let drain = after.limits.drain_timeout.as_secs();
    match (find(before), find(after)) {
        (None, Some(new)) => format!("It opens {}.", addresses(&new.binds)),
        (Some(old), None) => {
            format!("It closes {}; its connections have {drain} s to end.", addresses(&old.binds))
        }
        (Some(old), Some(new)) => changed_listener(&old, &new, drain),
        (None, None) => String::new(),
    }
}

fn changed_listener(old: &Listener, new: &Listener, drain_s: u64) -> String {
    let lacks = |list: &[Bind], other: &[Bind]| -> Vec<Bind> {
        list.iter().filter(|bind| !other.contains(bind)).cloned().collect()
    };
    let (opened, closed) = (lacks(&new.binds, &old.binds), lacks(&old.binds, &new.binds));
    let mut words = Vec::new();
    if !opened.is_empty() {
        words.push(format!("It opens {}.", addresses(&opened)));
    }
    if !closed.is_empty() {
        words.push(format!("It closes {}; connections there have {drain_s} s to end.", addresses(&closed)));
    }
    words.push("Open connections stay; requests in flight end as they began.".to_owned());
    words.join(" ")
}

fn addresses(binds: &[Bind]) -> String {
    let spell = |bind: &Bind| match bind {
        Bind::Ip(address) => address.to_string(),
        Bind::Any(port) => format!(":{port}"),
        Bind::Unix(path) => format!("unix:{}", path.display()),
    };
    binds.iter().map(spell).collect::<Vec<_>>().join(", ")
}

pub(super) fn route(was: bool, is: bool, drain_s: u64) -> String {
    let words = match (was, is) {
        (false, _) => "New requests can find it.",
        (true, true) => "New requests obey it; those in flight end as they began, and WebSockets stay.",
        (true, false) => {
            return format!(
                "New requests no longer find it; those in flight end as they began, and its WebSockets have {drain_s} s to end."
            );
        }
    };
    words.to_owned()
}

pub(super) fn upstream(before: &Plan, after: &Plan, name: &str) -> String {
    let find = |plan: &Plan| plan.upstreams.iter().find(|upstream| *upstream.name == *name).cloned();
    match (find(before), find(after)) {
        (None, _) => "Routes can lead to it.".to_owned(),
        (Some(_), None) => format!(
            "Its connections close when their requests have ended; WebSockets and tunnels to it have {} s.",
            after.limits.drain_timeout.as_secs()
        ),
        (Some(old), Some(new)) => changed_upstream(&old, &new),
    }
}

fn changed_upstream(old: &Upstream, new: &Upstream) -> String {
    let names = |upstream: &Upstream| -> HashSet<String> {
        upstream.targets.iter().map(|target| target.name.to_string()).collect()
    };
    let (was, is) = (names(old), names(new));
    let list = |one: &HashSet<String>, other: &HashSet<String>| {
        let mut names: Vec<_> = one.difference(other).map(|name| format!("`{name}`")).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let (added, removed) = (list(&is, &was), list(&was, &is));
    let mut words = Vec::new();
    if !added.is_empty() {
        words.push(format!("{added} joins."));
    }
    if !removed.is_empty() {
        words.push(format!("{removed} leaves once its requests have ended."));
    }
    if let Some(moved) = moved(old, new).filter(|moved| *moved > 0.0) {
        words.push(format!("{:.1} % of the keys move to another target.", moved * 100.0));
    }
    words.push("Connections to the others stay.".to_owned());
    words.join(" ")
}

/// How many of the keys that are drawn as a sample.
const SAMPLE: u32 = 10_000;

/// The share of keys that go to another target than before, where both choose by hash.
fn moved(old: &Upstream, new: &Upstream) -> Option<f64> {
    let hashes = |upstream: &Upstream| matches!(upstream.balance, Balance::Ring(..) | Balance::Maglev(..));
    if !hashes(old) || !hashes(new) {
        return None;
    }
    let target = |upstream: &Upstream, key: u32| {
        let place = upstream.balance.pick(digest(&key.to_le_bytes()), &Calm)?;
        upstream.targets.get(place).map(|target| target.name.clone())
    };
    let moved = (0..SAMPLE).filter(|key| target(old, *key) != target(new, *key)).count();
    Some(f64::from(u32::try_from(moved).unwrap_or(SAMPLE)) / f64::from(SAMPLE))
}

/// Every target is well and idle.
pub(crate) struct Calm;

impl State for Calm {
    fn is_usable(&self, _target: usize) -> bool {
        true
    }

    fn load(&self, _target: usize) -> u32 {
        0
    }

    fn total(&self) -> u32 {
        0
    }
}

pub(super) fn policy(_name: &str, old: Option<&Policy>, new: Option<&Policy>) -> String {
    let words = match (old, new) {
        (None, _) => "It judges new requests where a chain names it.",
        (Some(_), None) => "It judges no further request; what it counted is forgotten.",
        (Some(_), Some(_)) => "New requests are judged by it; what it counted is forgotten.",
    };
    words.to_owned()
}

pub(super) fn consumer(_name: &str, old: Option<&Consumer>, new: Option<&Consumer>) -> String {
    let words = match (old, new) {
        (None, _) => "It is recognised from now on.",
        (Some(_), None) => "It is no longer recognised.",
        (Some(_), Some(_)) => "It is recognised by its new settings from now on.",
    };
    words.to_owned()
}

pub(super) fn certificate(record: &CertificateRecord, fate: Fate) -> String {
    let until = record.not_after.as_secs() / 86_400;
    let day = civil(until);
    match fate {
        Fate::Added => format!("New handshakes are shown it; it counts until {day}."),
        Fate::Removed => "No further handshake is shown it; open connections stay.".to_owned(),
        Fate::Changed => format!("New handshakes are shown the new one, which counts until {day}."),
    }
}

/// The date of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> String {
    let shifted = days.saturating_add(719_468);
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// Of a part of which there is one, by the settings that differ.
pub(super) fn one(part: Part, leaves: &[Leaf]) -> String {
    let words = match part {
        Part::Tls => "New handshakes obey it; open connections stay.",
        Part::Shield => "The kernel obeys it at once; lists and bans that stay are not interrupted.",
        Part::Limits => "It holds at once for all.",
        Part::Telemetry => "What is reported changes; no connection is touched.",
        Part::Admin => "Commands and the web page obey it; no connection of a client is touched.",
        _ => "It holds for new connections.",
    };
    let differs = |begin: &str| leaves.iter().any(|leaf| leaf.path.starts_with(begin));
    let further = match part {
        Part::Limits if differs("workers") => {
            " Connections of a worker that is not needed any more end after the exchange they are in."
        }
        Part::Admin if differs("socket") => " Commands must name the new socket: `--socket` or WEIR_SOCKET.",
        Part::Telemetry if differs("metrics") => " Scrapers must ask where the metrics are from then on.",
        _ => "",
    };
    format!("{words}{further}")
}
