//! The journal without its history, made from the file alone by a thread of its own: to write a hundred thousand bans takes
//! longer than whoever keeps them has time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::{Line, Written, append, options, put_line};

/// A rewrite that has begun.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// Bytes of the journal that the new file stands for; what was appended later is added in the end.
    upto: u64,
    thread: JoinHandle<io::Result<usize>>,
}

impl Rewrite {
    /// Begins with what stands in the journal up to this length.
    pub(super) fn begin(path: &Path, upto: u64) -> io::Result<Self> {
        let path = path.to_owned();
        let thread = thread::Builder::new().name("weir-journal".to_owned());
        Ok(Self { upto, thread: thread.spawn(move || write(&path, upto))? })
    }

    pub(super) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Adds what was appended meanwhile and replaces the journal. Returns it, open for appending, and its lines.
    pub(super) fn put_in_place(self, path: &Path) -> io::Result<(File, usize)> {
        let lines = self.thread.join().map_err(|_| io::Error::other("the journal's thread has failed"))??;
        let mut late = Vec::new();
        let mut before = File::open(path)?;
        before.seek(SeekFrom::Start(self.upto))?;
        before.read_to_end(&mut late)?;
        let fresh = fresh(path);
        append(&fresh)?.write_all(&late)?;
        fs::rename(&fresh, path)?;
        let appended = late.iter().filter(|&&byte| byte == b'\n').count();
        Ok((append(path)?, lines.saturating_add(appended)))
    }
}

fn fresh(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes the new file, to the disk, and returns its lines.
fn write(path: &Path, upto: u64) -> io::Result<usize> {
    let mut text = Vec::new();
    File::open(path)?.take(upto).read_to_end(&mut text)?;
    let (Written { bans, past }, _) = Written::read(&text);
    drop(text);
    let lines = bans.len().saturating_add(past.len());
    let bans = bans.into_iter().map(|(source, entry)| Line { source, ban: Some(entry), past: None });
    let past = past.into_iter().map(|(source, past)| Line { source, ban: None, past: Some(past) });
    let mut out = BufWriter::new(options().truncate(true).write(true).open(fresh(path))?);
    let mut line = Vec::new();
    for one in bans.chain(past) {
        line.clear();
        put_line(&mut line, &one)?;
        out.write_all(&line)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
    Ok(lines)
}
