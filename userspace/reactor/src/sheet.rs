//! Memory to write messages into: each sheet is used again for the next message, by whoever writes one.

use crate::here;
use crate::spare::Spare;

/// Sheets that are kept beyond those in use.
const SPARE_MAX: usize = 256;
/// A sheet that has grown beyond this for one large message is not kept.
const KEEP_MAX: usize = 32 * 1024;

/// The sheets that nobody uses.
pub(crate) struct Sheets(pub(crate) Spare<Vec<u8>>);

impl Default for Sheets {
    fn default() -> Sheets {
        Sheets(Spare::new(SPARE_MAX))
    }
}

impl Sheets {
    pub(crate) fn put(&self, mut sheet: Vec<u8>) {
        if (1..=KEEP_MAX).contains(&sheet.capacity()) {
            sheet.clear();
            self.0.put(sheet);
        }
    }
}

/// Empty memory of the current reactor to write into; what is posted comes back by itself.
///
/// # Panics
/// Outside [`crate::Reactor::run`].
#[must_use]
pub fn take_sheet() -> Vec<u8> {
    here::with(|hub| hub.sheets.0.take()).unwrap_or_default()
}

/// Gives back a sheet that is not posted; it is freed where no reactor runs.
pub fn put_sheet(sheet: Vec<u8>) {
    here::try_with(|hub| hub.sheets.put(sheet));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_used_again_unless_it_has_grown_too_large() {
        let sheets = Sheets::default();
        let mut sheet = Vec::with_capacity(100);
        sheet.extend_from_slice(b"a message");
        let memory = sheet.as_ptr();
        sheets.put(sheet);
        let again = sheets.0.take().unwrap();
        assert!(again.is_empty() && again.as_ptr() == memory);
        sheets.put(Vec::with_capacity(KEEP_MAX + 1));
        sheets.put(Vec::new());
        assert!(sheets.0.take().is_none());
    }
}
