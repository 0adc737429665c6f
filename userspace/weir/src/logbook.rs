//! The access log and the spans of traces as the program holds them: there, or not, and how that changes with the configuration.

use crate::crew::Crew;
use crate::failure::{UNAVAILABLE, failure};
use crate::files::Host;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use weir_control::scribe::{Collector, Ledger, Scribe, Target};
use weir_meter::log::{Dialect, Hose};
use weir_meter::{Page, names};
use weir_plan::Files;
use weir_schema::Config;
use weir_schema::telemetry::{AccessLog, LogTarget, TraceFormat, Traces};

/// How long the end waits for what the log's target has not taken yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// What workers write, and others read later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line for each request.
    Access,
    /// Spans for a collector.
    Spans,
}

/// The access log or the spans of traces, or none.
pub(crate) struct Logbook {
    kind: Kind,
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
    pub(crate) fn open(kind: Kind, config: &Config, crew: &Crew) -> Self {
        let mut book = Self { kind, scribe: None, ledger: Arc::default() };
        match book.wish(config, crew.len()).and_then(|wish| book.start(wish, false)) {
            Ok(prepared) => book.take(prepared, crew),
            Err(error) => tracing::warn!("{error:#}"),
        }
        book
    }

    /// Opens what a new configuration asks for, without using it yet. Here a target that cannot be opened is an error,
    /// because somebody is there to mend it.
    pub(crate) fn prepare(&self, config: &Config, workers: usize) -> Result<Prepared> {
        self.start(self.wish(config, workers)?, true)
    }

    fn start(&self, wish: Option<Wish>, must_open: bool) -> Result<Prepared> {
        if wish.as_ref() == self.scribe.as_ref().map(|(wish, _)| wish) {
            return Ok(Prepared::Same);
        }
        let Some(wish) = wish else { return Ok(Prepared::Off) };
        let started = Scribe::start(&wish.target, must_open, (wish.workers, wish.bytes_max), &self.ledger);
        let (scribe, hoses) = started.map_err(|error| {
            let target = &wish.target;
            let (what, key) = match self.kind {
                Kind::Access => ("the access log", "access_log"),
                Kind::Spans => ("the collector of traces", "traces"),
            };
            failure(UNAVAILABLE, format!("{what} {target} cannot be opened: {error}; see telemetry.{key}.to"))
        })?;
        Ok(Prepared::New(Box::new((wish, scribe)), hoses))
    }

    /// Has the workers use what was prepared. The scribe before ends once it has written what it was handed.
    pub(crate) fn take(&mut self, prepared: Prepared, crew: &Crew) {
        match prepared {
            Prepared::Same => {}
            Prepared::Off => {
                crew.write_to(self.kind, Vec::new());
                self.scribe = None;
            }
            Prepared::New(scribe, hoses) => {
                crew.write_to(self.kind, hoses);
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
        let (taken, failed, up) = match self.kind {
            Kind::Access => (&names::LOG_LINES, &names::LOG_FAILED, &names::LOG_UP),
            Kind::Spans => (&names::SPANS_SENT, &names::SPANS_FAILED, &names::SPANS_UP),
        };
        page.single(taken, self.ledger.lines());
        if self.kind == Kind::Access {
            page.single(&names::LOG_BYTES, self.ledger.bytes());
        }
        page.single(failed, self.ledger.failed());
        if self.scribe.is_some() {
            page.single(up, u8::from(self.ledger.is_up()));
        }
    }

    fn wish(&self, config: &Config, workers: usize) -> Result<Option<Wish>> {
        let telemetry = &config.telemetry.value;
        let wish = match self.kind {
            Kind::Access => telemetry.access_log.as_ref().map(|log| (of_log(&log.value), log.buffer.value)),
            Kind::Spans => match &telemetry.traces {
                Some(traces) => Some((of_traces(&traces.value)?, traces.buffer.value)),
                None => None,
            },
        };
        Ok(wish.map(|(target, buffer)| Wish { target, bytes_max: buffer.0, workers }))
    }
}

fn of_log(log: &AccessLog) -> Target {
    match &log.to.value {
        LogTarget::Stdout => Target::Stdout,
        LogTarget::Syslog => Target::Syslog,
        LogTarget::SyslogAt(address) => Target::SyslogAt(*address),
        LogTarget::File(path) => Target::File(PathBuf::from(&path.0)),
    }
}

fn of_traces(traces: &Traces) -> Result<Target> {
    let roots = match traces.to.value.tls {
        true => {
            Host.roots().map_err(|why| failure(UNAVAILABLE, format!("no collector is believed: {why}")))?
        }
        false => Vec::new(),
    };
    Ok(Target::Collector(Collector {
        url: traces.to.value.clone(),
        dialect: match traces.format.value {
            TraceFormat::Otlp => Dialect::Otlp,
            TraceFormat::Zipkin => Dialect::Zipkin,
        },
        service: traces.service.value.clone(),
        version: env!("CARGO_PKG_VERSION"),
        roots,
    }))
}
