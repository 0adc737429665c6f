//! Ledger, kernel and filter brought to agree, with few calls however many bans there are.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use weir_wire::{Address, Ban};

use super::{Bans, Cause, Entry, source_of};
use crate::{Error, clock};

impl Bans {
    /// Makes ledger, kernel and filter agree.
    pub(super) fn reconcile(&mut self) -> Result<(), Error> {
        let now_s = self.clock.now_s();
        self.changes += 1;
        let held = self.kernel.as_ref().map_or(Ok(Vec::new()), |kernel| kernel.table.read_all())?;
        self.take_times(&held, now_s);
        self.ledger.expire(now_s);
        let held = self.learn(held, now_s)?;
        let missing = self.ledger.iter(now_s).filter(|(source, _)| !held.contains(&self.key(*source)));
        let missing: Vec<_> = missing.map(|(source, entry)| (source, entry.clone())).collect();
        for (source, entry) in missing {
            self.enforce(source, &entry, now_s)?;
        }
        let protected: Vec<IpNet> = self.protected.iter().map(|(network, _)| network).collect();
        self.pardon(&protected)
    }

    /// The kernel knows how long a ban still holds, whatever the wall's clock was set to while nobody looked.
    fn take_times(&mut self, held: &[(u64, Ban)], now_s: u64) {
        let now_ns = clock::monotonic_ns();
        let mut moved = Vec::new();
        for (key, ban) in held.iter().filter(|(_, ban)| ban.holds(now_ns)) {
            let source = source_of(*key);
            moved.extend(self.ledger.end_at(source, until_s(ban, now_s, now_ns)).then_some(source));
        }
        self.write(&moved);
    }

    /// Learns what the kernel holds, and returns what it goes on holding. A ban for which the ledger has no room is let go:
    /// nobody would end it.
    fn learn(&mut self, held: Vec<(u64, Ban)>, now_s: u64) -> Result<HashSet<u64>, Error> {
        let now_ns = clock::monotonic_ns();
        let mut holds = HashSet::with_capacity(held.len());
        let Some(kernel) = &mut self.kernel else { return Ok(holds) };
        for (key, ban) in held {
            let source = source_of(key);
            let mut stays = ban.holds(now_ns);
            if stays && self.ledger.find(source).is_none() {
                let until_s = until_s(&ban, now_s, now_ns);
                let cause = Cause { rule: "found in the kernel".to_owned(), ..Cause::by_hand("") };
                stays = self.ledger.restore(source, Entry { cause, since_s: now_s, until_s, nth: 1 });
            }
            if stays {
                holds.insert(key);
            } else {
                kernel.table.remove(&key)?;
            }
        }
        kernel.renew_filter(holds.iter().copied())?;
        Ok(holds)
    }

    /// Lifts the bans that would catch somebody in these networks.
    pub(super) fn pardon(&mut self, networks: &[IpNet]) -> Result<(), Error> {
        let (single, wide): (Vec<IpNet>, Vec<IpNet>) =
            networks.iter().partition(|network| network.prefix_len() == network.max_prefix_len());
        let caught = single.iter().map(|network| source_of(self.key(network.addr())));
        let mut caught: Vec<IpAddr> = caught.filter(|source| self.ledger.find(*source).is_some()).collect();
        if !wide.is_empty() {
            let is_caught = |source: &IpAddr| {
                let within = |network: &IpNet| {
                    network.contains(source) || source_of(self.key(network.addr())) == *source
                };
                wide.iter().any(within)
            };
            caught.extend(self.ledger.iter(0).map(|(source, _)| source).filter(is_caught));
        }
        for &source in &caught {
            self.ledger.unban(source);
            if let Some(kernel) = &self.kernel {
                kernel.table.remove(&self.key(source))?;
            }
        }
        if caught.is_empty() {
            return Ok(());
        }
        self.changes += 1;
        self.write(&caught);
        self.renew_filter()
    }

    /// Shuts the filter for those who are banned no more.
    pub(super) fn renew_filter(&mut self) -> Result<(), Error> {
        let mask_v6 = self.mask_v6;
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        kernel.renew_filter(self.ledger.iter(0).map(|(source, _)| Address::from(source).key(mask_v6)))
    }
}

/// When a ban that holds ends, in seconds of the wall's clock.
fn until_s(ban: &Ban, now_s: u64, now_ns: u64) -> u64 {
    now_s.saturating_add(ban.until_ns.saturating_sub(now_ns).div_ceil(1_000_000_000))
}
