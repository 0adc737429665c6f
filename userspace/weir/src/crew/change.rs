//! Workers that come and go while the others serve. Nobody is refused meanwhile: a socket that a worker leaves is kept open
//! by the first, and whoever comes to the same core later takes it over.

use super::berth::{Berth, copies, copy};
use super::hand::{Hand, Leaver, Recruits};
use super::{Crew, Shared};
use crate::failure::{UNAVAILABLE, failure};
use anyhow::{Context, Result};
use std::sync::Arc;
use weir_plan::Plan;
use weir_plan::listener::Bind;
use weir_proxy::Socket;

impl Crew {
    /// Starts the workers that a plan wants beyond those there are. They have nothing to do yet.
    pub(crate) fn recruit(&self, shared: &Shared, plan: &Plan) -> Result<Recruits> {
        let more = self.wanted(plan).saturating_sub(self.hands.len());
        let places: Vec<_> = self.empty.iter().take(more).cloned().collect();
        let berths = places.iter().map(|(cpu, _)| Berth { cpu: *cpu, sockets: Vec::new() }).collect();
        self.hire(shared, places, berths).map(Recruits)
    }

    /// Opens the addresses of a plan that are not open already, for each worker; for recruits all of them.
    pub(crate) fn open_beside(
        &self,
        plan: &Plan,
        known: &[Bind],
        recruits: &Recruits,
    ) -> Result<Vec<Vec<Socket>>> {
        let cpus: Vec<usize> = self.hands.iter().chain(&recruits.0).map(|hand| hand.cpu).collect();
        let open = |known: &[Bind], cpus: &[usize]| {
            weir_proxy::open_beside(plan, known, cpus)
                .map_err(|error| failure(UNAVAILABLE, error.to_string()))
        };
        let mut sets = open(known, &cpus)?;
        for (hand, set) in recruits.0.iter().zip(sets.iter_mut().skip(self.hands.len())) {
            let mut own = self.inherit(hand.cpu, known)?;
            let fresh = set.iter().chain(&own).map(|socket| socket.bind.clone()).collect::<Vec<_>>();
            own.extend(open(&fresh, &[hand.cpu])?.into_iter().flatten());
            set.extend(own);
        }
        Ok(sets)
    }

    /// What a worker on this core takes over of addresses that are open already: the sockets of whoever was there before,
    /// and those that all workers share.
    fn inherit(&self, cpu: usize, known: &[Bind]) -> Result<Vec<Socket>> {
        let shared = self.hands.first().into_iter().flat_map(|hand| &hand.held);
        let shared = shared.filter(|socket| matches!(socket.bind, Bind::Unix(_)));
        let own = self.left.get(&cpu).into_iter().flatten();
        let open = own.chain(shared).filter(|socket| known.contains(&socket.bind));
        open.map(copy).collect::<std::io::Result<_>>().context("cannot share a listening socket")
    }

    /// Makes workers of recruits.
    pub(crate) fn enlist(&mut self, mut recruits: Recruits) {
        let hands = std::mem::take(&mut recruits.0);
        self.empty.retain(|(cpu, _)| hands.iter().all(|hand| hand.cpu != *cpu));
        self.spare.retain(|block| hands.iter().all(|hand| !Arc::ptr_eq(block, &hand.block)));
        self.hands.extend(hands);
    }

    /// Lets the last workers go until there are no more than `count`. Clients that wait at their sockets are served by the
    /// first, and their connections end after the exchange they are in.
    pub(crate) fn dismiss(&mut self, count: usize, generation: u64) {
        while self.hands.len() > count.max(1) {
            let Some(Hand { cpu, place, helm, thread, block, mut held, .. }) = self.hands.pop() else {
                return;
            };
            place.leave();
            held.retain(|socket| !matches!(socket.bind, Bind::Unix(_)));
            let share = self.share(self.hands.len());
            for hand in &self.hands {
                hand.helm.limit_buffers(share);
            }
            if let Some(first) = self.hands.first() {
                first.helm.adopt(copies(&held).unwrap_or_default(), generation);
            }
            self.left.entry(cpu).or_default().extend(held);
            self.empty.insert(0, (cpu, place));
            self.leaving.push(Leaver { helm, thread, block, is_told: false });
        }
    }

    /// Tells those to end who have been dismissed, and forgets those who have ended. Not at once: another worker may be
    /// passing a connection to one of them.
    pub(crate) fn part(&mut self) {
        for gone in self.leaving.extract_if(.., |leaver| leaver.thread.is_finished()) {
            self.spare.push(gone.block);
        }
        for leaver in self.leaving.iter_mut().filter(|leaver| !leaver.is_told) {
            leaver.is_told = leaver.helm.drain();
        }
    }
}
