//! What outlives a reboot: every ban and its reason, and how often who is banned no more has been; one JSON line each, in
//! a file that is rewritten when it grows.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ledger::{Entry, Ledger, Past};

/// A line of the journal: a ban, the end of one, or with neither that the source is forgotten.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: IpAddr,
    ban: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    past: Option<Past>,
}

/// What a journal ends with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bans that nobody has ended.
    pub(crate) bans: HashMap<IpAddr, Entry>,
    /// What is remembered of those that have ended.
    pub(crate) past: HashMap<IpAddr, Past>,
}

impl Written {
    fn learn(&mut self, Line { source, ban, past }: Line) {
        self.bans.remove(&source);
        self.past.remove(&source);
        if let Some(entry) = ban {
            self.bans.insert(source, entry);
        } else if let Some(past) = past {
            self.past.insert(source, past);
        }
    }
}

/// The journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

/// Lines beyond twice the sources that are known that are borne before the file is rewritten.
const SLACK_LINES: usize = 1000;
/// A journal longer than this was not written by weir.
const BYTES_MAX: u64 = 256 << 20;

impl Journal {
    /// Opens or makes the journal and returns what it ends with. A line that cannot be read, such as one
    /// torn by a crash, is skipped.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, Written)> {
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
        let mut written = Written::default();
        let mut lines = 0;
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            if let Ok(line) = serde_json::from_slice(line) {
                written.learn(line);
            }
        }
        let mut file = append(&path)?;
        if text.last().is_some_and(|&byte| byte != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok((Self { path, file, lines }, written))
    }

    /// Opens the journal once more, which another program may have written or rewritten.
    pub(crate) fn reopen(&mut self) -> io::Result<Written> {
        let directory = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let (fresh, written) = Self::open(&directory)?;
        *self = fresh;
        Ok(written)
    }

    /// Writes down what is known of a source from now on.
    pub(crate) fn write(&mut self, source: IpAddr, known: &Ledger) -> io::Result<()> {
        let (ban, past) = (known.find(source).cloned(), known.past_of(source));
        let mut line = serde_json::to_vec(&Line { source, ban, past })?;
        line.push(b'\n');
        self.lines += 1;
        self.file.write_all(&line)
    }

    /// Rewrites the file if most of it is history.
    pub(crate) fn trim(&mut self, known: &Ledger) -> io::Result<()> {
        let live = known.len() + known.past().count();
        if self.lines > live * 2 + SLACK_LINES { self.rewrite(known) } else { Ok(()) }
    }

    /// Writes the file anew with what is known.
    pub(crate) fn rewrite(&mut self, known: &Ledger) -> io::Result<()> {
        let bans = known.iter(0).map(|(source, entry)| Line { source, ban: Some(entry.clone()), past: None });
        let past = known.past().map(|(source, past)| Line { source, ban: None, past: Some(past) });
        let fresh = self.path.with_extension("new");
        let mut out = BufWriter::new(options().truncate(true).write(true).open(&fresh)?);
        let mut lines = 0;
        for line in bans.chain(past) {
            serde_json::to_writer(&mut out, &line)?;
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
    use std::time::Duration;

    fn ledger() -> Ledger {
        Ledger::new(weir_plan::shield::Bans {
            first: Duration::from_secs(60),
            factor: 4,
            max: Duration::from_secs(86_400),
            decay: Duration::from_secs(3600),
            per_minute_max: 10_000,
            entries_max: 1000,
            never: Vec::new(),
        })
    }

    fn entry(until_s: u64) -> Entry {
        Entry { cause: Cause::by_hand("x"), since_s: 1, until_s, nth: 1 }
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// A ledger and a journal that agree on these bans.
    fn kept(directory: &Path, bans: &[(u8, u64)]) -> (Ledger, Journal) {
        let (mut ledger, (mut journal, _)) = (ledger(), Journal::open(directory).unwrap());
        for &(last, until_s) in bans {
            ledger.restore(source(last), entry(until_s));
            journal.write(source(last), &ledger).unwrap();
        }
        (ledger, journal)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100), (2, 100), (3, 100), (3, 200)]);
        ledger.unban(source(2));
        journal.write(source(2), &ledger).unwrap();
        let (_, written) = Journal::open(directory.path()).unwrap();
        assert_eq!(written.bans, HashMap::from([(source(1), entry(100)), (source(3), entry(200))]));
        assert_eq!(written.past, HashMap::new(), "whoever is pardoned is forgotten");
    }

    #[test]
    fn a_ban_that_ended_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100), (2, 500)]);
        for ended in ledger.expire(101) {
            journal.write(ended, &ledger).unwrap();
        }
        let past = HashMap::from([(source(1), Past { ended_s: 100, nth: 1 })]);
        let expect = Written { bans: HashMap::from([(source(2), entry(500))]), past };
        assert_eq!(Journal::open(directory.path()).unwrap().1, expect);
        // Also once the file has been rewritten.
        journal.lines = SLACK_LINES * 2;
        journal.trim(&ledger).unwrap();
        assert_eq!(journal.lines, 2);
        assert_eq!(Journal::open(directory.path()).unwrap().1, expect);
    }

    #[test]
    fn a_line_of_an_earlier_version_is_understood() {
        let directory = tempfile::tempdir().unwrap();
        drop(kept(directory.path(), &[(1, 100)]));
        let path = directory.path().join("bans.jsonl");
        assert!(!fs::read_to_string(&path).unwrap().contains("past"));
        fs::write(&path, r#"{"source":"192.0.2.1","ban":null}"#).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1, Written::default());
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100)]);
        journal.file.write_all(b"{\"source\":\"192.0").unwrap();
        let (mut journal, written) = Journal::open(directory.path()).unwrap();
        assert_eq!(written.bans.len(), 1);
        ledger.restore(source(2), entry(100));
        journal.write(source(2), &ledger).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.bans.len(), 2);
    }

    #[test]
    fn a_journal_of_mostly_history_is_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[]);
        for round in 0..SLACK_LINES as u64 + 10 {
            ledger.restore(source(1), entry(round));
            journal.write(source(1), &ledger).unwrap();
        }
        journal.trim(&ledger).unwrap();
        assert_eq!(journal.lines, 1);
        ledger.restore(source(2), entry(8));
        journal.write(source(2), &ledger).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.bans.len(), 2);
    }
}
