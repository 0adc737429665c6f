//! What weir changed on the machine and will put back: kept in a file, so that not even a kill forgets it.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::{Complaint, Error};

/// A sysctl that weir changed, and what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    path: PathBuf,
    before: String,
    set: String,
}

/// The record: a reboot undoes every change, so it holds for one boot only.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    boot_id: String,
    changed: Vec<Changed>,
}

/// The sysctls that are changed. They are put back by [`Changes::restore`] or on drop, unless someone else has changed
/// them since.
#[derive(Debug)]
pub(crate) struct Changes {
    record: Record,
    file: PathBuf,
    keep_on_drop: bool,
}

impl Changes {
    /// What an earlier weir changed in this boot and did not put back.
    pub(crate) fn found(host: &Host) -> Self {
        let file = host.state.join("sysctls.json");
        let boot_id = host.boot_id().unwrap_or_default();
        let read = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        let record = read.filter(|record| record.boot_id == boot_id && !boot_id.is_empty());
        let record = record.unwrap_or_else(|| Record { boot_id, changed: Vec::new() });
        Self { record, file, keep_on_drop: false }
    }

    /// Remembers one more. A complaint if it is remembered by this process only.
    pub(super) fn add(&mut self, path: PathBuf, before: String, set: &str) -> Option<Complaint> {
        match self.record.changed.iter_mut().find(|known| known.path == path) {
            // What was there before the first change is what is to be put back.
            Some(known) => set.clone_into(&mut known.set),
            None => self.record.changed.push(Changed { path, before, set: set.to_owned() }),
        }
        let written = self.write().err()?;
        Some(Complaint::new(
            format!("write {}", self.file.display()),
            written.to_string(),
            "make the directory writable for weir; until then a killed weir does not put sysctls back",
        ))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.record.changed.is_empty()
    }

    /// Whether to leave things as they are when this is dropped: another program puts them back, by the record.
    pub(crate) const fn keep_on_drop(&mut self, keep: bool) {
        self.keep_on_drop = keep;
    }

    /// Somebody else has put back what was changed.
    pub(crate) fn forget(&mut self) {
        self.record.changed.clear();
    }

    /// Puts back what was changed and is still as it was set.
    pub(crate) fn restore(&mut self) -> Result<(), Error> {
        let mut first_error = Ok(());
        if self.record.changed.is_empty() {
            return first_error;
        }
        for change in self.record.changed.drain(..).rev() {
            let now = fs::read_to_string(&change.path).unwrap_or_default();
            if now.trim() != change.set {
                continue;
            }
            if let Err(error) = fs::write(&change.path, &change.before) {
                let what = format!("restore {}", change.path.display());
                first_error = first_error.and(Err(Error::os(what, &error)));
            }
        }
        // A record that stays is compared with the sysctls before it is believed.
        fs::remove_file(&self.file).ok();
        first_error
    }

    fn write(&self) -> io::Result<()> {
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(&self.record)?)?;
        fs::rename(&fresh, &self.file)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if !self.keep_on_drop {
            // On this path nobody is left to tell; the orderly one calls `restore` itself.
            drop(self.restore());
        }
    }
}
