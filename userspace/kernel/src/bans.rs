//! Bans: the ledger, the kernel's table and the journal, kept in step. Where there is no shield in the kernel the ledger
//! stands alone, and who accepts connections asks [`Bans::sources`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use weir_plan::shield::Shield as Plan;
use weir_wire::{Address, Ban, table};

use crate::clock::Steady;
use crate::host::Host;
use crate::{Complaint, Error, clock, rules};

mod accord;
mod enforced;
mod filter;
mod journal;
pub mod ledger;
mod listing;
pub mod protected;

use enforced::InKernel;
use journal::{Journal, Written};
pub use ledger::{Cause, Entry, Ledger, Past, Refusal};
pub use listing::Listing;
pub use protected::Protected;

/// Bans as the control thread holds them.
#[derive(Debug)]
pub struct Bans {
    ledger: Ledger,
    kernel: Option<InKernel>,
    journal: Option<Journal>,
    protected: Protected,
    mask_v6: u64,
    changes: u64,
    clock: Steady,
}

/// A ban as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The source: an IPv4 address, or the first address of an IPv6 network.
    pub source: IpAddr,
    /// Leading bits of the source that count.
    pub bits: u8,
    /// Why, since when, until when.
    #[serde(flatten)]
    pub entry: Entry,
    /// Packets dropped because of it.
    pub hits: u64,
}

/// What opening the bans needs to know.
pub(crate) struct Terms<'a> {
    /// Where the kernel's tables are, if there is a shield.
    pub(crate) pins: Option<&'a Path>,
    pub(crate) state: &'a Path,
    pub(crate) bans: weir_plan::shield::Bans,
    pub(crate) protected: Protected,
    pub(crate) mask_v6: u64,
}

impl Bans {
    /// Opens the table and the journal and makes them agree: a ban in either is in force, unless it has ended.
    pub(crate) fn open(terms: Terms<'_>) -> Result<(Self, Vec<Complaint>), Error> {
        let mut complaints = Vec::new();
        let (journal, written) = match Journal::open(terms.state) {
            Ok((journal, written)) => (Some(journal), written),
            Err(error) => {
                complaints.push(Complaint::new(
                    format!("open the journal of bans in {}", terms.state.display()),
                    error.to_string(),
                    "make the directory writable for weir; until then bans do not survive a reboot",
                ));
                (None, Written::default())
            }
        };
        let mut terms_of_bans = terms.bans;
        terms_of_bans.entries_max = terms_of_bans.entries_max.min(table::BANS_MAX);
        let mut bans = Self {
            ledger: Ledger::new(terms_of_bans),
            kernel: terms.pins.map(InKernel::open).transpose()?,
            journal,
            protected: terms.protected,
            mask_v6: terms.mask_v6,
            changes: 0,
            clock: Steady::new(),
        };
        bans.ledger.replace(written.bans, written.past);
        bans.reconcile()?;
        Ok((bans, complaints))
    }

    /// Bans that no kernel enforces: they are kept, counted and escalated alike.
    ///
    /// # Errors
    /// None at present; a journal that cannot be kept is a complaint.
    pub fn without_kernel(plan: &Plan, host: &Host) -> Result<(Self, Vec<Complaint>), Error> {
        Self::open(Terms {
            pins: None,
            state: &host.state,
            bans: plan.bans.clone(),
            protected: protected::of_plan(plan, host, &[]),
            mask_v6: rules::high_bits(plan.limits.source.v6_bits),
        })
    }

    /// Learns what another program, which kept the same journal and the same table, has banned and lifted meanwhile.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn learn_again(&mut self) -> Result<(), Error> {
        // Without a journal only the kernel's table is left to learn from.
        if let Some(Ok(written)) = self.journal.as_mut().map(Journal::reopen) {
            self.ledger.replace(written.bans, written.past);
        }
        self.reconcile()
    }

    /// Bans a source, an IPv6 one with its whole network. With no duration the configured terms decide.
    ///
    /// # Errors
    /// [`Error::Config`] if the source is protected, the cap per minute is reached or the table is full; otherwise what
    /// the kernel said.
    pub fn ban(&mut self, source: IpAddr, duration: Option<Duration>, cause: Cause) -> Result<Shown, Error> {
        let source = source_of(self.key(source));
        let refused = |refusal: Refusal| {
            Error::config(
                format!("ban {source}"),
                refusal.to_string(),
                "see `shield.bans` in the configuration",
            )
        };
        if let Some(why) = self.protected_within(source) {
            return Err(refused(Refusal::Protected(why)));
        }
        let now_s = self.clock.now_s();
        if self.ledger.is_full() {
            self.clear(now_s)?;
        }
        let entry = self.ledger.ban(source, duration, cause, now_s).map_err(refused)?;
        self.enforce(source, &entry, now_s)?;
        self.write(&[source]);
        self.shown(source, entry)
    }

    /// Lifts a ban and forgets the source. False if there was none.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn unban(&mut self, source: IpAddr) -> Result<bool, Error> {
        let source = source_of(self.key(source));
        let known = self.ledger.unban(source);
        let key = self.key(source);
        let mut enforced = false;
        if let Some(kernel) = &mut self.kernel {
            enforced = kernel.table.remove(&key)?;
        }
        self.renew_filter()?;
        self.changes += 1;
        if known {
            self.write(&[source]);
        }
        Ok(known || enforced)
    }

    /// Every ban in force, the youngest first.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn list(&self) -> Result<Vec<Shown>, Error> {
        self.listing().read()
    }

    /// The same, to be read where there is time.
    #[must_use]
    pub fn listing(&self) -> Listing {
        let table = self.kernel.as_ref().map(|kernel| Arc::clone(&kernel.table));
        Listing::new(self.ledger.snapshot(self.clock.now_s()), table, self.mask_v6)
    }

    /// How many bans are in force, but for those that have ended within the last second.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ledger.len()
    }

    /// The ban of a source, if it is banned.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn find(&self, source: IpAddr) -> Result<Option<Shown>, Error> {
        let (source, now_s) = (source_of(self.key(source)), self.clock.now_s());
        let entry = self.ledger.find(source).filter(|entry| entry.until_s > now_s);
        entry.map(|entry| self.shown(source, entry.clone())).transpose()
    }

    /// Clears away bans that have ended. To be called every second or so. No ban ends sooner or later because somebody sets
    /// the clock.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn expire(&mut self) -> Result<usize, Error> {
        if let Some(by_s) = self.clock.set() {
            self.ledger.shift(by_s);
            if let Some(journal) = &mut self.journal {
                drop(journal.shift(by_s));
            }
        }
        let now_s = self.clock.now_s();
        let ended = self.clear(now_s)?;
        if ended > 0 {
            self.renew_filter()?;
        }
        if let Some(journal) = &mut self.journal {
            // The journal is history for people; failing to shorten it must not stop a ban.
            drop(journal.trim(&self.ledger));
        }
        Ok(ended)
    }

    /// Takes bans that have ended out of the kernel and the journal, and says how many.
    fn clear(&mut self, now_s: u64) -> Result<usize, Error> {
        let ended = self.ledger.expire(now_s);
        for &source in &ended {
            if let Some(kernel) = &self.kernel {
                kernel.table.remove(&self.key(source))?;
            }
        }
        self.write(&ended);
        self.changes += u64::from(!ended.is_empty());
        Ok(ended.len())
    }

    /// Rises whenever [`Bans::sources`] may have become others.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Everybody who is banned now, an IPv6 network by its first address.
    pub fn sources(&self) -> impl Iterator<Item = IpAddr> {
        self.ledger.iter(self.clock.now_s()).map(|(source, _)| source)
    }

    /// Leading bits of an IPv6 address that make one source.
    #[must_use]
    pub fn v6_bits(&self) -> u8 {
        bits_of(Ipv6Addr::UNSPECIFIED.into(), self.mask_v6)
    }

    /// Who is never banned.
    #[must_use]
    pub const fn protected(&self) -> &Protected {
        &self.protected
    }

    /// Changes who is never banned, and lifts the bans that this forbids.
    pub(crate) fn set_terms(
        &mut self,
        bans: weir_plan::shield::Bans,
        protected: Protected,
        mask_v6: u64,
    ) -> Result<(), Error> {
        let entries_max = bans.entries_max.min(table::BANS_MAX);
        self.ledger.set_terms(weir_plan::shield::Bans { entries_max, ..bans });
        let before = std::mem::replace(&mut self.protected, protected);
        if std::mem::replace(&mut self.mask_v6, mask_v6) != mask_v6 {
            return self.reconcile();
        }
        let is_new = |network: &IpNet| !before.iter().any(|(known, _)| known == *network);
        let fresh: Vec<IpNet> = self.protected.iter().map(|(network, _)| network).filter(is_new).collect();
        self.pardon(&fresh)
    }

    /// As [`crate::Shield::sync`] and [`crate::Shield::protect`] together, where there is no shield.
    ///
    /// # Errors
    /// None at present.
    pub fn sync(
        &mut self,
        plan: &Plan,
        host: &Host,
        dependencies: &[(IpNet, &'static str)],
    ) -> Result<(), Error> {
        let protected = protected::of_plan(plan, host, dependencies);
        self.set_terms(plan.bans.clone(), protected, rules::high_bits(plan.limits.source.v6_bits))
    }

    fn key(&self, source: IpAddr) -> u64 {
        Address::from(source).key(self.mask_v6)
    }

    /// A ban of an IPv6 network must not catch a protected address inside it either.
    fn protected_within(&self, source: IpAddr) -> Option<&'static str> {
        let key = self.key(source);
        let inside = self.protected.iter().find(|(network, _)| self.key(network.addr()) == key);
        self.protected.find(source).or(inside.map(|(_, why)| why))
    }

    fn in_kernel(&self, source: IpAddr) -> Result<Option<Ban>, Error> {
        self.kernel.as_ref().map_or(Ok(None), |kernel| kernel.table.find(&self.key(source)))
    }

    fn enforce(&mut self, source: IpAddr, entry: &Entry, now_s: u64) -> Result<(), Error> {
        let key = self.key(source);
        let left_ns = entry.until_s.saturating_sub(now_s).saturating_mul(1_000_000_000);
        self.changes += 1;
        match &mut self.kernel {
            Some(kernel) => kernel.put(key, clock::monotonic_ns().saturating_add(left_ns)),
            None => Ok(()),
        }
    }

    fn write(&mut self, sources: &[IpAddr]) {
        if let Some(journal) = self.journal.as_mut().filter(|_| !sources.is_empty()) {
            // A full disk must not stop a ban: the kernel's table is what counts.
            drop(journal.write(sources, &self.ledger));
        }
    }

    fn shown(&self, source: IpAddr, entry: Entry) -> Result<Shown, Error> {
        let hits = self.in_kernel(source)?.map_or(0, |ban| ban.hits);
        Ok(Shown { source, bits: bits_of(source, self.mask_v6), entry, hits })
    }
}

/// Leading bits of a source that count.
fn bits_of(source: IpAddr, mask_v6: u64) -> u8 {
    match source {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => u8::try_from(mask_v6.count_ones()).unwrap_or(64),
    }
}

/// The address that a key of the table stands for; of an IPv6 network, the first one.
fn source_of(key: u64) -> IpAddr {
    match u32::try_from(key & 0xffff_ffff) {
        Ok(v4) if key >> 32 == 0xffff => Ipv4Addr::from_bits(v4).into(),
        _ => Ipv6Addr::from_bits(u128::from(key) << 64).into(),
    }
}

#[cfg(test)]
mod tests;
