//! Scores refusals by client, and says when somebody has had enough of them to be banned.
//!
//! Only the address of a socket is ever scored, and not even that where a trusted proxy stands between: others
//! would pay. How long a ban is, who is never banned and how many bans a minute there may be, is decided where
//! bans are kept.
use crate::Build;
use crate::{End, Pass, Policy, Rank};
use std::net::Ipv6Addr;
use weir_schema::policy as written;
use weir_schema::{At, shield::Mode};
use weir_wire::Reason;

mod scores;

use scores::Scores;

/// Somebody is to be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address of the socket.
    pub address: Ipv6Addr,
    /// What the last refusal was for.
    pub reason: Reason,
    /// The place in the chain of the policy that refused; beyond its end if it was the proxy itself.
    pub step: usize,
    /// The score that was reached.
    pub score: u32,
    /// The ban is to be reported and not carried out.
    pub observe: bool,
}

/// How refusals add up.
#[derive(Clone, Debug)]
pub struct Weights {
    /// What each reason adds; a reason that is not here adds nothing.
    pub points: Vec<(Reason, u32)>,
    /// The score that leads to a ban.
    pub ban_at: u32,
    /// After how long a score is half of what it was.
    pub half_life_ns: u64,
    /// What an authenticated request takes off.
    pub credit: u32,
    /// Bans are reported and not carried out.
    pub observe: bool,
}

/// Scores refusals, over all workers together.
#[derive(Debug)]
pub struct Verdicts {
    weights: Weights,
    scores: Scores,
}

impl Verdicts {
    /// The default for `clients_max`.
    pub const CLIENTS: usize = 100_000;

    /// Scores for this many clients at once. Who has the lowest score is forgotten first.
    pub fn new(weights: Weights, clients_max: usize) -> Verdicts {
        let scores = Scores::new(weights.half_life_ns, clients_max);
        Verdicts { weights, scores }
    }

    pub(crate) fn compile(written: &written::Verdicts, build: &mut Build<'_>) -> Option<Verdicts> {
        let named = |name: &str| Reason::ALL.iter().copied().find(|reason| reason.as_str() == name);
        let points = |(name, points): (&At<String>, &At<u32>)| Some((named(&name.value)?, points.value));
        let weights = Weights {
            points: written.score.iter().filter_map(points).collect(),
            ban_at: written.ban_at.value,
            half_life_ns: u64::try_from(written.half_life.value.as_nanos()).unwrap_or(u64::MAX),
            credit: written.credit.value,
            observe: written.mode.value == Mode::Observe,
        };
        // A policy that only observes must still see the end of requests, so the mode is not that of its step.
        let works = build.mode(written.mode.value);
        build.observe = false;
        works.then(|| Verdicts::new(weights, Verdicts::CLIENTS))
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Watch
    }

    /// How many clients were forgotten while they had a score.
    pub fn evicted(&self) -> u64 {
        self.scores.evicted()
    }

    /// The score of a client at this moment.
    pub fn score(&self, address: Ipv6Addr, mono_ns: u64) -> u32 {
        self.scores.find(address, mono_ns)
    }

    /// Scores one refusal; the ban that it leads to. `step` is where in a chain it was.
    pub fn offend(&self, address: Ipv6Addr, reason: Reason, step: usize, mono_ns: u64) -> Option<Ban> {
        let points = self.weights.points.iter().find(|(own, _)| *own == reason).map(|(_, points)| *points)?;
        let score = self.scores.add(address, points, self.weights.ban_at, mono_ns)?;
        Some(Ban { address, reason, step, score, observe: self.weights.observe })
    }

    /// An authenticated request: many honest people may share this address.
    pub fn credit(&self, address: Ipv6Addr, mono_ns: u64) {
        self.scores.take_off(address, self.weights.credit, mono_ns);
    }

    fn judge(&self, pass: &mut Pass, mono_ns: u64) {
        let Some(client) = pass.client.filter(|client| !client.is_behind_proxy()) else { return };
        let mut refused = false;
        for index in 0..pass.offences().len() {
            let Some(offence) = pass.offences().get(index).copied().filter(|offence| offence.enforced) else {
                continue;
            };
            refused = true;
            if let Some(ban) = self.offend(client.socket, offence.reason, offence.step, mono_ns) {
                pass.ban(ban);
            }
        }
        if !refused && self.weights.credit > 0 && pass.identity.authenticated {
            self.credit(client.socket, mono_ns);
        }
    }
}

impl Policy for Verdicts {
    fn finish(&self, end: &mut End<'_>) {
        self.judge(end.pass, end.now.mono_ns);
    }
}

#[cfg(test)]
mod tests;
