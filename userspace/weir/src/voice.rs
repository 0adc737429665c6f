//! The program's own log, on standard error: how much of it there is, and how a line looks.

mod line;

pub(crate) use line::lost;

use line::Line;
use std::sync::OnceLock;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};
use weir_schema::telemetry::{Level, Log, LogFormat};

/// Where the environment says how much is logged; it goes before the configuration.
const VARIABLE: &str = "WEIR_LOG";

/// What the filter lets through.
type Heard = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
/// What makes lines of it.
type Form = Box<dyn Layer<Heard> + Send + Sync>;

/// What can be changed while the program runs.
struct Voice {
    filter: reload::Handle<EnvFilter, Registry>,
    form: reload::Handle<Form, Heard>,
}

static VOICE: OnceLock<Voice> = OnceLock::new();

/// Speaks from now on, as if nothing were configured.
pub(crate) fn begin() {
    let asked = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(Level::Info.as_str()));
    let (filter_layer, filter) = reload::Layer::new(asked);
    let (form_layer, form) = reload::Layer::new(shaped(LogFormat::Text));
    tracing_subscriber::registry().with(filter_layer).with(form_layer).init();
    drop(VOICE.set(Voice { filter, form }));
}

/// Speaks as a configuration asks for.
pub(crate) fn obey(log: &Log) {
    let Some(Voice { filter, form }) = VOICE.get() else { return };
    // Both fail only where the subscriber is gone, and then nobody listens.
    if std::env::var_os(VARIABLE).is_none() {
        drop(filter.reload(EnvFilter::new(log.level.as_str())));
    }
    drop(form.reload(shaped(log.format.value)));
}

fn shaped(format: LogFormat) -> Form {
    let lines = fmt::layer().with_writer(Line::new).with_target(false);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
