//! The filter before the kernel's table of bans: who hashes to a clear bit is not looked up at all.

use std::path::Path;

use weir_wire::ban::{self, FILTER_WORDS, filter_place};
use weir_wire::table;

use crate::Error;
use crate::map::Map;

/// The filter as it was last written, and the table that it is written to.
#[derive(Debug)]
pub(crate) struct Filter {
    table: Map<u32, ban::Filter>,
    written: Box<ban::Filter>,
}

impl Filter {
    /// Opens the table. What stands in it is not to be believed before [`Self::renew`].
    pub(crate) fn open(pins: &Path) -> Result<Self, Error> {
        Ok(Self { table: Map::open(pins, table::BAN_FILTER)?, written: empty() })
    }

    /// Lets a key through to the table of bans. To be called before the key is entered there.
    pub(crate) fn set(&mut self, key: u64) -> Result<(), Error> {
        if add(&mut self.written, key) { self.table.put(&0, &self.written) } else { Ok(()) }
    }

    /// Lets exactly these keys through, and the few that hash alike.
    pub(crate) fn renew(&mut self, keys: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut fresh = empty();
        for key in keys {
            add(&mut fresh, key);
        }
        self.table.put(&0, &fresh)?;
        self.written = fresh;
        Ok(())
    }
}

fn empty() -> Box<ban::Filter> {
    Box::new([0; FILTER_WORDS])
}

/// Whether the bit was clear before.
fn add(filter: &mut ban::Filter, key: u64) -> bool {
    let (word, bit) = filter_place(key);
    let Some(word) = filter.get_mut(word) else { return false };
    let was_clear = *word & bit == 0;
    *word |= bit;
    was_clear
}
