//! What the kernel has counted, as plain structs: by reason, stage and CPU.

use serde::Serialize;
use weir_wire::counter::{Counts, dropped, observed};
use weir_wire::{Count, Extra, Pass, Reason, Stage};

use crate::Error;
use crate::tables::Tables;

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Bytes of those packets, from the Ethernet header on.
    pub bytes: u64,
}

/// What was refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The reason.
    pub reason: &'static str,
    /// The stage that refuses for it.
    pub stage: &'static str,
    /// Dropped, by CPU.
    pub dropped: Vec<Amount>,
    /// Counted and passed because the stage observes, by CPU.
    pub observed: Vec<Amount>,
}

/// A counter that stands for no refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The name.
    pub name: &'static str,
    /// By CPU.
    pub by_cpu: Vec<Amount>,
}

/// Every counter of the kernel at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Refusals by reason, in the order of the stages.
    pub refused: Vec<Refused>,
    /// Passes by cause.
    pub passed: Vec<Counted>,
    /// What happened besides.
    pub besides: Vec<Counted>,
}

impl Counters {
    pub(crate) fn read(tables: &Tables) -> Result<Self, Error> {
        Ok(Self::of(&tables.counts()?))
    }

    /// By name, what every CPU has counted.
    fn of(cpus: &[Counts]) -> Self {
        let amounts = |slot: u32| {
            let count =
                |counts: &Counts| usize::try_from(slot).ok().and_then(|slot| counts.get(slot).copied());
            cpus.iter().map(|counts| Amount::from(count(counts).unwrap_or_default())).collect()
        };
        let packet_reasons = Reason::ALL.iter().filter(|reason| reason.stage() != Stage::Request);
        let refused = packet_reasons.map(|&reason| Refused {
            reason: reason.as_str(),
            stage: reason.stage().as_str(),
            dropped: amounts(dropped(reason)),
            observed: amounts(observed(reason)),
        });
        let counted = |name, slot| Counted { name, by_cpu: amounts(slot) };
        Self {
            refused: refused.collect(),
            passed: Pass::ALL.iter().map(|pass| counted(pass.as_str(), pass.slot())).collect(),
            besides: Extra::ALL.iter().map(|extra| counted(extra.as_str(), extra.slot())).collect(),
        }
    }

    /// Dropped for this reason on all CPUs.
    #[must_use]
    pub fn dropped(&self, reason: Reason) -> Amount {
        let of = self.refused.iter().find(|refused| refused.reason == reason.as_str());
        of.map_or_else(Amount::default, |refused| total(&refused.dropped))
    }

    /// Counted for this reason and passed, on all CPUs.
    #[must_use]
    pub fn observed(&self, reason: Reason) -> Amount {
        let of = self.refused.iter().find(|refused| refused.reason == reason.as_str());
        of.map_or_else(Amount::default, |refused| total(&refused.observed))
    }

    /// Passed for this cause on all CPUs.
    #[must_use]
    pub fn passed(&self, pass: Pass) -> Amount {
        let of = self.passed.iter().find(|counted| counted.name == pass.as_str());
        of.map_or_else(Amount::default, |counted| total(&counted.by_cpu))
    }

    /// Everything that was dropped.
    #[must_use]
    pub fn dropped_in_all(&self) -> Amount {
        total(&self.refused.iter().map(|refused| total(&refused.dropped)).collect::<Vec<_>>())
    }

    /// Everything that passed, SYNs answered from the driver included.
    #[must_use]
    pub fn passed_in_all(&self) -> Amount {
        total(&self.passed.iter().map(|counted| total(&counted.by_cpu)).collect::<Vec<_>>())
    }
}

impl From<Count> for Amount {
    fn from(count: Count) -> Self {
        Self { packets: count.packets, bytes: count.bytes }
    }
}

/// The sum over CPUs.
#[must_use]
pub fn total(amounts: &[Amount]) -> Amount {
    amounts.iter().fold(Amount::default(), |sum, one| Amount {
        packets: sum.packets.wrapping_add(one.packets),
        bytes: sum.bytes.wrapping_add(one.bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(packets: u64) -> Amount {
        Amount { packets, bytes: packets * 60 }
    }

    #[test]
    fn sums_run_over_cpus_and_reasons() {
        let refused = |reason: Reason, cpus: &[u64]| Refused {
            reason: reason.as_str(),
            stage: reason.stage().as_str(),
            dropped: cpus.iter().map(|&packets| amount(packets)).collect(),
            observed: vec![amount(1)],
        };
        let counters = Counters {
            refused: vec![refused(Reason::Banned, &[1, 2]), refused(Reason::Land, &[4])],
            passed: vec![Counted { name: Pass::Clean.as_str(), by_cpu: vec![amount(8), amount(16)] }],
            besides: Vec::new(),
        };
        assert_eq!(counters.dropped(Reason::Banned), amount(3));
        assert_eq!(counters.observed(Reason::Land), amount(1));
        assert_eq!(counters.dropped(Reason::DenyList), Amount::default());
        assert_eq!(counters.dropped_in_all(), amount(7));
        assert_eq!(counters.passed(Pass::Clean), counters.passed_in_all());
    }
}
