//! All bans as they are shown. To take them costs a moment; to read their hits and to sort them is for a thread that has time.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use weir_wire::{Address, Ban};

use super::ledger::Entry;
use super::{Shown, bits_of};
use crate::Error;
use crate::map::Map;

/// The bans of one moment.
#[derive(Debug)]
pub struct Listing {
    bans: Vec<(IpAddr, Arc<Entry>)>,
    table: Option<Arc<Map<u64, Ban>>>,
    mask_v6: u64,
}

impl Listing {
    pub(super) const fn new(
        bans: Vec<(IpAddr, Arc<Entry>)>,
        table: Option<Arc<Map<u64, Ban>>>,
        mask_v6: u64,
    ) -> Self {
        Self { bans, table, mask_v6 }
    }

    /// Every ban with its hits, the youngest first.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn read(self) -> Result<Vec<Shown>, Error> {
        let held = self.table.as_ref().map_or(Ok(Vec::new()), |table| table.read_all())?;
        let hits: HashMap<u64, u64> = held.into_iter().map(|(key, ban)| (key, ban.hits)).collect();
        let shown = |(source, entry): &(IpAddr, Arc<Entry>)| {
            let hits = hits.get(&Address::from(*source).key(self.mask_v6)).copied().unwrap_or_default();
            let (source, entry) = (*source, Entry::clone(entry));
            Shown { source, bits: bits_of(source, self.mask_v6), entry, hits }
        };
        let mut all: Vec<Shown> = self.bans.iter().map(shown).collect();
        all.sort_by_key(|shown| (Reverse(shown.entry.since_s), shown.source));
        Ok(all)
    }
}
