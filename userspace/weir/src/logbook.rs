//! The access log as the program holds it: there, or not, and how it changes with the configuration.

use crate::crew::Crew;
use crate::failure::{UNAVAILABLE, failure};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use weir_control::scribe::{Ledger, Scribe, Target};
use weir_meter::log::Hose;
use weir_meter::{Page, names};
use weir_schema::Config;
use weir_schema::telemetry::LogTarget;

/// How long the end waits for what the log's target has not taken yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// The access log, or none.
#[derive(Default)]
pub(crate) struct Logbook {
    scribe: Option<(Wish, Scribe)>,
    ledger: Arc<Ledger>,
}

/// What of the configuration needs another scribe when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    target: Target,
    bytes_max: u64,
    /// Each has a hose of its own.
    workers: usize,
}

/// What a new configuration asks for, already open.
pub(crate) enum Prepared {
    /// Everything stays.
    Same,
    /// No log any more.
    Off,
    /// Another target or buffer.
    New(Box<(Wish, Scribe)>, Vec<Hose>),
}

impl Logbook {
    /// Opens the log of the first configuration. A target that cannot be opened does not keep the service down: lines
    /// are lost and counted until it can.
    pub(crate) fn open(config: &Config, crew: &Crew) -> Self {
        let mut book = Self::default();
        match book.start(wish(config, crew.len()), false) {
            Ok(prepared) => book.take(prepared, crew),
            Err(error) => tracing::warn!("there is no access log: {error:#}"),
        }
        book
    }

    /// Opens what a new configuration asks for, without using it yet. Here a target that cannot be opened is an error,
    /// because somebody is there to mend it.
    pub(crate) fn prepare(&self, config: &Config, workers: usize) -> Result<Prepared> {
        self.start(wish(config, workers), true)
    }

    fn start(&self, wish: Option<Wish>, must_open: bool) -> Result<Prepared> {
        if wish.as_ref() == self.scribe.as_ref().map(|(wish, _)| wish) {
            return Ok(Prepared::Same);
        }
        let Some(wish) = wish else { return Ok(Prepared::Off) };
        let started = Scribe::start(&wish.target, must_open, (wish.workers, wish.bytes_max), &self.ledger);
        let (scribe, hoses) = started.map_err(|error| {
            let target = &wish.target;
            failure(
                UNAVAILABLE,
                format!("the access log {target} cannot be opened: {error}; see telemetry.access_log.to"),
            )
        })?;
        Ok(Prepared::New(Box::new((wish, scribe)), hoses))
    }

    /// Has the workers use what was prepared. The scribe before ends once it has written what it was handed.
    pub(crate) fn take(&mut self, prepared: Prepared, crew: &Crew) {
        match prepared {
            Prepared::Same => {}
            Prepared::Off => {
                crew.log_to(Vec::new());
                self.scribe = None;
            }
            Prepared::New(scribe, hoses) => {
                crew.log_to(hoses);
                self.scribe = Some(*scribe);
            }
        }
    }

    /// Opens the file anew.
    pub(crate) fn reopen(&self) {
        if let Some((_, scribe)) = &self.scribe {
            scribe.reopen();
            tracing::info!(target = %scribe.target(), "the access log is opened anew");
        }
    }

    /// Waits a moment for the last lines; the workers have ended.
    pub(crate) fn close(&mut self) {
        if let Some((_, scribe)) = self.scribe.take() {
            scribe.close(PATIENCE);
        }
    }

    /// What became of the lines, for a scraper.
    pub(crate) fn metrics(&self, page: &mut Page) {
        page.single(&names::LOG_LINES, self.ledger.lines());
        page.single(&names::LOG_BYTES, self.ledger.bytes());
        page.single(&names::LOG_FAILED, self.ledger.failed());
        if self.scribe.is_some() {
            page.single(&names::LOG_UP, u8::from(self.ledger.is_up()));
        }
    }
}

fn wish(config: &Config, workers: usize) -> Option<Wish> {
    let log = config.telemetry.access_log.as_ref()?;
    let target = match &log.to.value {
        LogTarget::Stdout => Target::Stdout,
        LogTarget::Syslog => Target::Syslog,
        LogTarget::SyslogAt(address) => Target::SyslogAt(*address),
        LogTarget::File(path) => Target::File(PathBuf::from(&path.0)),
    };
    Some(Wish { target, bytes_max: log.buffer.value.0, workers })
}
