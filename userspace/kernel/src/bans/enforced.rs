//! Bans as the kernel holds them: until when, how often they were hit, and the filter that most packets never pass.

use std::path::Path;
use std::sync::Arc;

use weir_wire::{Ban, table};

use super::filter::Filter;
use crate::Error;
use crate::map::Map;

/// The kernel's table of bans, and the filter before it.
#[derive(Debug)]
pub(super) struct InKernel {
    pub(super) table: Arc<Map<u64, Ban>>,
    filter: Filter,
}

impl InKernel {
    pub(super) fn open(pins: &Path) -> Result<Self, Error> {
        Ok(Self { table: Arc::new(Map::open(pins, table::BANS)?), filter: Filter::open(pins)? })
    }

    /// Writes the filter anew for what the table holds: only so do bits go out again.
    pub(super) fn renew_filter(&mut self, held: impl Iterator<Item = u64>) -> Result<(), Error> {
        self.filter.renew(held)
    }

    pub(super) fn put(&mut self, key: u64, until_ns: u64) -> Result<(), Error> {
        let hits = self.table.find(&key)?.map_or(0, |ban| ban.hits);
        // The bit first: a ban behind a clear bit is no ban.
        self.filter.set(key)?;
        self.table.put(&key, &Ban { until_ns, hits })
    }
}
