//! What outlives a reboot: every ban and its reason, one JSON line each, in a file that is rewritten when it grows.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ledger::Entry;

/// A line of the journal: a ban, or with no entry the end of one.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: IpAddr,
    ban: Option<Entry>,
}

/// The journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

/// Lines beyond twice the bans in force that are borne before the file is rewritten.
const SLACK_LINES: usize = 1000;
/// A journal longer than this was not written by weir.
const BYTES_MAX: u64 = 256 << 20;

impl Journal {
    /// Opens or makes the journal and returns the bans that it ends with. A line that cannot be read, such as one
    /// torn by a crash, is skipped.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, HashMap<IpAddr, Entry>)> {
        fs::create_dir_all(directory)?;
        let path = directory.join("bans.jsonl");
        let text = match fs::metadata(&path) {
            Ok(meta) if meta.len() > BYTES_MAX => {
                return Err(io::Error::other("it is too long to be a journal of bans"));
            }
            Ok(_) => fs::read(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut bans = HashMap::new();
        let mut lines = 0;
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            match serde_json::from_slice(line) {
                Ok(Line { source, ban: Some(entry) }) => drop(bans.insert(source, entry)),
                Ok(Line { source, ban: None }) => drop(bans.remove(&source)),
                Err(_) => {}
            }
        }
        let mut file = append(&path)?;
        if text.last().is_some_and(|&byte| byte != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok((Self { path, file, lines }, bans))
    }

    /// Opens the journal once more, which another program may have written or rewritten.
    pub(crate) fn reopen(&mut self) -> io::Result<HashMap<IpAddr, Entry>> {
        let directory = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let (fresh, written) = Self::open(&directory)?;
        *self = fresh;
        Ok(written)
    }

    /// Writes a ban, or its end.
    pub(crate) fn write(&mut self, source: IpAddr, ban: Option<&Entry>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { source, ban: ban.cloned() })?;
        line.push(b'\n');
        self.lines += 1;
        self.file.write_all(&line)
    }

    /// Rewrites the file if most of it is history.
    pub(crate) fn trim<'a>(
        &mut self,
        live: usize,
        bans: impl Iterator<Item = (IpAddr, &'a Entry)>,
    ) -> io::Result<()> {
        if self.lines > live * 2 + SLACK_LINES { self.rewrite(bans) } else { Ok(()) }
    }

    /// Writes the file anew with these bans.
    pub(crate) fn rewrite<'a>(&mut self, bans: impl Iterator<Item = (IpAddr, &'a Entry)>) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut out = BufWriter::new(options().truncate(true).write(true).open(&fresh)?);
        let mut lines = 0;
        for (source, entry) in bans {
            serde_json::to_writer(&mut out, &Line { source, ban: Some(entry.clone()) })?;
            out.write_all(b"\n")?;
            lines += 1;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        fs::rename(&fresh, &self.path)?;
        self.file = append(&self.path)?;
        self.lines = lines;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    options().append(true).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bans::ledger::Cause;

    fn entry(until_s: u64) -> Entry {
        Entry { cause: Cause::by_hand("x"), since_s: 1, until_s, nth: 1 }
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, bans) = Journal::open(directory.path()).unwrap();
        assert!(bans.is_empty());
        for last in 1..=3 {
            journal.write(source(last), Some(&entry(100))).unwrap();
        }
        journal.write(source(2), None).unwrap();
        journal.write(source(3), Some(&entry(200))).unwrap();
        let (_, bans) = Journal::open(directory.path()).unwrap();
        assert_eq!(bans, HashMap::from([(source(1), entry(100)), (source(3), entry(200))]));
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        journal.write(source(1), Some(&entry(100))).unwrap();
        journal.file.write_all(b"{\"source\":\"192.0").unwrap();
        let (mut journal, bans) = Journal::open(directory.path()).unwrap();
        assert_eq!(bans.len(), 1);
        journal.write(source(2), Some(&entry(100))).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.len(), 2);
    }

    #[test]
    fn a_journal_of_mostly_history_is_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        for round in 0..SLACK_LINES as u64 + 10 {
            journal.write(source(1), Some(&entry(round))).unwrap();
        }
        let kept = entry(7);
        journal.trim(1, [(source(1), &kept)].into_iter()).unwrap();
        assert_eq!(journal.lines, 1);
        journal.write(source(2), Some(&entry(8))).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.len(), 2);
    }
}
