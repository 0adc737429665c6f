//! The thread that writes the access log. Workers hand it whole sheets of lines and never wait for it: what it cannot
//! write, because the disk is full, the reader is gone or slow, is lost and counted, and the service goes on.

mod post;
mod sink;

use rustls::pki_types::CertificateDer;
use sink::Sink;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel};
use std::time::Duration;
use weir_meter::log::{Dialect, Hose, Sheet, hoses};
use weir_schema::value::Url;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
    /// The system log of this host.
    Syslog,
    /// A system log that listens on UDP.
    SyslogAt(SocketAddr),
    /// A collector of traces, to which spans are posted.
    Collector(Collector),
}

/// Who collects traces, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Where it listens.
    pub url: Url,
    /// What it understands.
    pub dialect: Dialect,
    /// What this program is called there.
    pub service: String,
    /// Which version of it this is.
    pub version: &'static str,
    /// Authorities that are believed about it.
    pub roots: Vec<CertificateDer<'static>>,
}

/// What became of the lines, over all scribes of this process.
#[derive(Debug)]
pub struct Ledger {
    lines: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    up: AtomicBool,
}

impl Default for Ledger {
    fn default() -> Self {
        let [lines, bytes, failed] = [0; 3].map(AtomicU64::new);
        Self { lines, bytes, failed, up: AtomicBool::new(true) }
    }
}

impl Ledger {
    /// Lines that were written.
    pub fn lines(&self) -> u64 {
        self.lines.load(Relaxed)
    }

    /// Bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Lines that the target did not take.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Whether the target took what it was last given.
    pub fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }
}

/// A running writer. It ends when every hose and this are gone and all that was handed over is written.
#[derive(Debug)]
pub struct Scribe {
    target: Target,
    wake: SyncSender<Sheet>,
    reopen: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Scribe {
    /// Starts a writer, with a hose for each worker. At most `bytes_max` wait to be written. A target that cannot be
    /// opened is tried again with each sheet; `must_open` makes it an error instead.
    pub fn start(
        target: &Target,
        must_open: bool,
        (workers, bytes_max): (usize, u64),
        ledger: &Arc<Ledger>,
    ) -> std::io::Result<(Self, Vec<Hose>)> {
        let mut sink = Sink::new(target.clone());
        if let Err(error) = sink.open() {
            if must_open {
                return Err(error);
            }
            tracing::warn!(%target, %error, "{} cannot be opened; lines are lost until it can", target.what());
        }
        let (hoses, wake, sheets) = hoses(workers, bytes_max);
        let (reopen, ledger) = (Arc::new(AtomicBool::new(false)), Arc::clone(ledger));
        let (end, ended) = channel();
        let wish = Arc::clone(&reopen);
        let work = move || {
            write(&mut sink, &sheets, &wish, &ledger);
            drop(end);
        };
        std::thread::Builder::new()
            .name(String::from(if matches!(target, Target::Collector(_)) {
                "weir-spans"
            } else {
                "weir-log"
            }))
            .spawn(work)?;
        Ok((Self { target: target.clone(), wake, reopen, ended }, hoses))
    }

    /// Where it writes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Opens the file anew, because it was renamed.
    pub fn reopen(&self) {
        self.reopen.store(true, Relaxed);
        // If the way is full the writer is awake, and sees the wish before it writes the next sheet.
        drop(self.wake.try_send(Sheet::blank()));
    }

    /// Waits until what workers handed over is written, but no longer than `patience`. The hoses must be gone by then.
    pub fn close(self, patience: Duration) {
        drop(self.wake);
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(target = %self.target, "the rest of {} is not taken and is lost", self.target.what());
        }
    }
}

/// Sheets that are written together at most.
const SHEETS_MAX: usize = 8;

impl Target {
    /// What is lost while it takes nothing.
    fn what(&self) -> &'static str {
        match self {
            Self::Collector(_) => "the spans of traces",
            _ => "the access log",
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Syslog => f.write_str("syslog"),
            Self::SyslogAt(address) => write!(f, "syslog:{address}"),
            Self::Collector(collector) => f.write_str(collector.url.as_str()),
        }
    }
}

fn write(sink: &mut Sink, sheets: &Receiver<Sheet>, reopen: &AtomicBool, ledger: &Ledger) {
    for first in sheets {
        if reopen.swap(false, Relaxed) {
            sink.reopen();
        }
        // What has come meanwhile goes with it.
        let batch: Vec<Sheet> = std::iter::once(first).chain(sheets.try_iter()).take(SHEETS_MAX).collect();
        let texts: Vec<&[u8]> =
            batch.iter().map(|sheet| &*sheet.text).filter(|text| !text.is_empty()).collect();
        let lines: u64 = batch.iter().map(|sheet| u64::from(sheet.lines)).sum();
        if lines > 0 {
            let written = sink.write(&texts);
            let taken = written.lines.unwrap_or(lines);
            ledger.lines.fetch_add(taken, Relaxed);
            ledger.bytes.fetch_add(written.bytes, Relaxed);
            ledger.failed.fetch_add(lines.saturating_sub(taken), Relaxed);
            tell(sink, &written, ledger.up.swap(written.error.is_none(), Relaxed));
        }
        batch.into_iter().for_each(Sheet::give_back);
    }
}

/// Says once that lines are lost, and once that they are not any more.
fn tell(sink: &Sink, written: &sink::Written, was_up: bool) {
    let target = sink.target();
    match &written.error {
        Some(error) if was_up => {
            tracing::warn!(%target, %error, "{} cannot be written; lines are lost", target.what());
        }
        None if !was_up => tracing::info!(%target, "{} is written again", target.what()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
