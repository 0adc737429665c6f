//! What outlives a reboot: every ban and its reason, and how often who is banned no more has been; one JSON line each, in
//! a file that is rewritten when it grows.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ledger::{Entry, Ledger, Past};

mod rewrite;

use rewrite::Rewrite;

/// A line of the journal: a ban, the end of one, or with neither that the source is forgotten.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: IpAddr,
    ban: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    past: Option<Past>,
}

/// A line that says that the clock was set: every time above it is to be read as so much later.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    moved_s: i64,
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
    /// Reads lines, and counts them. One that cannot be read, such as one torn by a crash, is skipped.
    fn read(text: &[u8]) -> (Self, usize) {
        let (mut written, mut lines) = (Self::default(), 0);
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            if let Ok(line) = serde_json::from_slice(line) {
                written.learn(line);
            } else if let Ok(Moved { moved_s }) = serde_json::from_slice(line) {
                written.shift(moved_s);
            }
        }
        (written, lines)
    }

    fn shift(&mut self, by_s: i64) {
        self.bans.values_mut().for_each(|entry| entry.shift(by_s));
        self.past.values_mut().for_each(|past| past.shift(by_s));
    }

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
    rewrite: Option<Rewrite>,
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
        let (written, lines) = Written::read(&text);
        let mut file = append(&path)?;
        if text.last().is_some_and(|&byte| byte != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok((Self { path, file, lines, rewrite: None }, written))
    }

    /// Opens the journal once more, which another program may have written or rewritten.
    pub(crate) fn reopen(&mut self) -> io::Result<Written> {
        let directory = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let (fresh, written) = Self::open(&directory)?;
        *self = fresh;
        Ok(written)
    }

    /// Writes down what is known of these sources from now on.
    pub(crate) fn write(&mut self, sources: &[IpAddr], known: &Ledger) -> io::Result<()> {
        let mut text = Vec::new();
        for &source in sources {
            let (ban, past) = (known.find(source).cloned(), known.past_of(source));
            put_line(&mut text, &Line { source, ban, past })?;
        }
        self.lines = self.lines.saturating_add(sources.len());
        self.file.write_all(&text)
    }

    /// Writes down that the clock was set.
    pub(crate) fn shift(&mut self, by_s: i64) -> io::Result<()> {
        let mut text = Vec::new();
        put_line(&mut text, &Moved { moved_s: by_s })?;
        self.lines = self.lines.saturating_add(1);
        self.file.write_all(&text)
    }

    /// Has the file rewritten on a thread of its own if most of it is history; when that is done, puts the new one in its
    /// place. To be called every second or so.
    pub(crate) fn trim(&mut self, known: &Ledger) -> io::Result<()> {
        if let Some(rewrite) = self.rewrite.take_if(|rewrite| rewrite.is_done()) {
            // If it failed it is tried again after as many lines more.
            self.lines = known.known();
            (self.file, self.lines) = rewrite.put_in_place(&self.path)?;
        }
        let has_slack = self.lines > known.known().saturating_mul(2).saturating_add(SLACK_LINES);
        if has_slack && self.rewrite.is_none() {
            self.rewrite = Some(Rewrite::begin(&self.path, self.file.metadata()?.len())?);
        }
        Ok(())
    }
}

fn put_line(text: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
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
            journal.write(&[source(last)], &ledger).unwrap();
        }
        (ledger, journal)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100), (2, 100), (3, 100), (3, 200)]);
        ledger.unban(source(2));
        journal.write(&[source(2)], &ledger).unwrap();
        let (_, written) = Journal::open(directory.path()).unwrap();
        assert_eq!(written.bans, HashMap::from([(source(1), entry(100)), (source(3), entry(200))]));
        assert_eq!(written.past, HashMap::new(), "whoever is pardoned is forgotten");
    }

    #[test]
    fn a_ban_that_ended_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100), (2, 500)]);
        for ended in ledger.expire(101) {
            journal.write(&[ended], &ledger).unwrap();
        }
        let past = HashMap::from([(source(1), Past { ended_s: 100, nth: 1 })]);
        let expect = Written { bans: HashMap::from([(source(2), entry(500))]), past };
        assert_eq!(Journal::open(directory.path()).unwrap().1, expect);
        // Also once the file has been rewritten.
        journal.lines = SLACK_LINES * 2;
        rewritten(&mut journal, &ledger, |_| ());
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
        journal.write(&[source(2)], &ledger).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.bans.len(), 2);
    }

    #[test]
    fn a_journal_of_mostly_history_is_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[]);
        for round in 0..SLACK_LINES as u64 + 10 {
            ledger.restore(source(1), entry(round));
            journal.write(&[source(1)], &ledger).unwrap();
        }
        rewritten(&mut journal, &ledger, |_| ());
        assert_eq!(journal.lines, 1);
        ledger.restore(source(2), entry(8));
        journal.write(&[source(2)], &ledger).unwrap();
        assert_eq!(Journal::open(directory.path()).unwrap().1.bans.len(), 2);
    }

    #[test]
    fn what_is_written_while_the_file_is_rewritten_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100), (2, 200)]);
        journal.lines = SLACK_LINES * 2;
        ledger.restore(source(3), entry(300));
        let late = ledger;
        rewritten(&mut journal, &late, |journal| journal.write(&[source(3)], &late).unwrap());
        assert_eq!(journal.lines, 3);
        assert_eq!(Journal::open(directory.path()).unwrap().1.bans.len(), 3);
        assert!(!directory.path().join("bans.new").exists());
    }

    #[test]
    fn a_clock_that_was_set_moves_what_stands_above() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, mut journal) = kept(directory.path(), &[(1, 100)]);
        journal.shift(3600).unwrap();
        ledger.restore(source(2), entry(5000));
        journal.write(&[source(2)], &ledger).unwrap();
        for round in 0..2 {
            let bans = Journal::open(directory.path()).unwrap().1.bans;
            let times = |last: u8| (bans[&source(last)].since_s, bans[&source(last)].until_s);
            assert_eq!((times(1), times(2)), ((3601, 3700), (1, 5000)), "{round}");
            journal.lines = SLACK_LINES * 2;
            rewritten(&mut journal, &ledger, |_| ());
        }
    }

    /// Begins to rewrite, does something meanwhile, and waits for the end.
    fn rewritten(journal: &mut Journal, ledger: &Ledger, meanwhile: impl FnOnce(&mut Journal)) {
        journal.trim(ledger).unwrap();
        assert!(journal.rewrite.is_some(), "it is not rewritten");
        meanwhile(journal);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while journal.rewrite.is_some() {
            assert!(std::time::Instant::now() < deadline, "the rewrite does not end");
            std::thread::park_timeout(Duration::from_millis(5));
            journal.trim(ledger).unwrap();
        }
    }
}
