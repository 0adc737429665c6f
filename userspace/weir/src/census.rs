//! Numbers about the process as a whole, for a scraper: what the kernel says, what the reactors count, what expires.

use crate::voice;
use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::time::Duration;
use weir_meter::Page;
use weir_meter::names::{self, Name};
use weir_plan::Plan;
use weir_policy::jwt::Verifier;
use weir_policy::{Library, Link, Step};
use weir_reactor::Counters;

/// `sysconf(_SC_CLK_TCK)`: the kernel shows times to programs in hundredths of a second on every architecture it is built for.
const TICKS_PER_SECOND: u32 = 100;
const KIB: u64 = 1024;

/// What the kernel says about this process (proc(5)).
pub(crate) fn process(page: &mut Page) {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(ticks) = ticks(&stat) {
        page.single(&names::CPU, f64::from(ticks) / f64::from(TICKS_PER_SECOND));
    }
    if let Some(bytes) = resident(&read_to_string("/proc/self/status").unwrap_or_default()) {
        page.single(&names::MEMORY, bytes);
    }
    page.single(&names::OWN_LINES_LOST, voice::lost());
    if let Ok(files) = read_dir("/proc/self/fd") {
        // One of them is that of the list itself.
        page.single(&names::FILES, files.count().saturating_sub(1));
    }
}

/// User and system time: the 14th and 15th field, counted from behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u32>().ok();
    field(11)?.checked_add(field(12)?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(KIB)
}

/// What the reactors of the workers have counted, added up.
pub(crate) fn reactors(page: &mut Page, counters: impl Iterator<Item = Counters>) {
    let mut all = Counters::default();
    for one in counters {
        all.buffers_live += one.buffers_live;
        all.buffers_exhausted += one.buffers_exhausted;
        all.operations_live += one.operations_live;
        all.operations_refused += one.operations_refused;
        all.overflows += one.overflows;
        all.turns_long += one.turns_long;
        all.turn_us_max = all.turn_us_max.max(one.turn_us_max);
        all.accept_pauses += one.accept_pauses;
        all.recv_bytes += one.recv_bytes;
        all.send_bytes += one.send_bytes;
        all.splice_bytes += one.splice_bytes;
        all.panics += one.panics;
    }
    page.single(&names::BUFFERS, all.buffers_live);
    page.single(&names::BUFFERS_OUT, all.buffers_exhausted);
    page.single(&names::RING_LIVE, all.operations_live);
    page.single(&names::RING_REFUSED, all.operations_refused);
    page.single(&names::RING_OVERFLOWS, all.overflows);
    page.single(&names::TURNS_LONG, all.turns_long);
    page.single(&names::TURN_MAX, Duration::from_micros(all.turn_us_max).as_secs_f64());
    page.single(&names::ACCEPT_PAUSES, all.accept_pauses);
    // What moves from socket to socket inside the kernel is received and sent as well.
    page.single(&names::RECEIVED, all.recv_bytes + all.splice_bytes);
    page.single(&names::SENT, all.send_bytes + all.splice_bytes);
    page.single(&names::PANICS, all.panics);
}

/// When each certificate expires; of several from one source, the first.
pub(crate) fn certificates(page: &mut Page, plan: &Plan) {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let records = plan.records();
    for record in &records {
        let end = record.not_after.as_secs();
        ends.entry(&record.source).and_modify(|known| *known = end.min(*known)).or_insert(end);
    }
    page.family(&names::CERTIFICATE_END);
    for (source, end) in ends {
        page.sample(&names::CERTIFICATE_END, &[("source", source)], end);
    }
    page.family(&names::STAPLE_END);
    let answers: BTreeMap<&str, u64> = records
        .iter()
        .filter_map(|record| Some((&*record.source, record.stapled_until?.as_secs())))
        .collect();
    for (source, end) in answers {
        page.sample(&names::STAPLE_END, &[("source", source)], end);
    }
}

/// What policies have verified, and what they had to forget for want of room.
pub(crate) fn policies(page: &mut Page, plan: &Plan) {
    let steps = plan.library.iter().flat_map(Library::steps);
    let each: Vec<(&str, &Name, u64)> = steps.flat_map(counts).collect();
    for name in [
        &names::TOKENS_VERIFIED,
        &names::TOKENS_FORGOTTEN,
        &names::KEYS_FORGOTTEN,
        &names::UNCOUNTED,
        &names::CLIENTS_FORGOTTEN,
    ] {
        page.family(name);
        for (rule, _, count) in each.iter().filter(|(_, own, _)| own.name == name.name) {
            page.sample(name, &[("rule", rule)], *count);
        }
    }
}

fn counts(step: &Step) -> Vec<(&str, &'static Name, u64)> {
    let counts = match &step.link {
        Link::RateLimit(limit) => {
            vec![(&names::KEYS_FORGOTTEN, limit.evicted()), (&names::UNCOUNTED, limit.uncounted())]
        }
        Link::Verdicts(verdicts) => vec![(&names::CLIENTS_FORGOTTEN, verdicts.evicted())],
        link => {
            let issuers = link.issuers();
            let sum = |count: fn(&Verifier) -> u64| -> u64 {
                issuers.iter().map(|(verifier, _)| count(verifier)).sum()
            };
            match issuers.len() {
                0 => Vec::new(),
                _ => vec![
                    (&names::TOKENS_VERIFIED, sum(Verifier::verified)),
                    (&names::TOKENS_FORGOTTEN, sum(Verifier::forgotten)),
                ],
            }
        }
    };
    counts.into_iter().map(|(name, count)| (&*step.rule, name, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weir_policy::Verdicts;
    use weir_policy::verdicts::Weights;
    use weir_wire::Reason;

    #[test]
    fn clients_whose_score_was_forgotten_are_told() {
        let weights = Weights {
            points: vec![(Reason::BadToken, 5)],
            ban_at: 100,
            half_life_ns: 1 << 40,
            credit: 0,
            observe: false,
        };
        let verdicts = Arc::new(Verdicts::new(weights, 8));
        let step = Step { rule: "abuse".into(), link: Link::Verdicts(Arc::clone(&verdicts)), observe: false };
        let told = || {
            counts(&step).into_iter().map(|(rule, name, count)| (rule, name.name, count)).collect::<Vec<_>>()
        };
        let is = |count: u64| vec![("abuse", "weir_verdicts_clients_forgotten_total", count)];
        assert_eq!(told(), is(0));
        for client in 0..1_000_u32 {
            let address = std::net::Ipv4Addr::from(client).to_ipv6_mapped();
            assert_eq!(verdicts.offend(address, Reason::BadToken, 0, 1), None);
        }
        assert_eq!(told(), is(verdicts.evicted()));
        assert!(verdicts.evicted() >= 1_000 - 16, "{}", verdicts.evicted());
    }

    #[test]
    fn the_kernel_is_understood() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1000 10";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks(""), None);
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
        assert!(ticks(&read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
