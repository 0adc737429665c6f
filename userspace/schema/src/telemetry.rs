//! `telemetry`: metrics, access log and the program's own log.

use std::net::SocketAddr;
use std::time::Duration;

use crate::node::Node;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::At;
use crate::value::{
    Bind, Fault, FilePath, HeaderName, Leaf, Map, Name, Share, Short, Size, Template, Url, Value,
};

section! {
    /// What is reported, and where to.
    pub struct Telemetry "telemetry" {
        /// Metrics for Prometheus, with `/healthz` and `/readyz`.
        pub metrics: Option<At<Metrics>>,
        /// One line of JSON for each request.
        pub access_log: Option<At<Box<AccessLog>>>,
        /// Spans of requests, for a collector of traces.
        pub traces: Option<At<Box<Traces>>>,
        /// The program's own log, on standard error.
        pub log: At<Log>,
    }
}

section! {
    /// Metrics for Prometheus.
    pub struct Metrics "metrics" [short] {
        /// Where to listen.
        pub bind: At<Bind>,
        /// The path.
        pub path: At<String> = "/metrics".to_owned(),
        /// Upstreams without which this host is not ready: each needs a target in use, or `/readyz` answers 503.
        pub needs: Vec<At<Name>>,
    }
}

impl Short for Metrics {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let bind = At::new(Bind::read(node, reader)?, node.span);
        Some(Self { bind, path: At::implied("/metrics".to_owned()), needs: Vec::new() })
    }

    fn short_shape() -> Shape {
        <Bind as Leaf>::shape()
    }
}

section! {
    /// One line of JSON for each request.
    pub struct AccessLog "access_log" [short] {
        /// A file, `stdout`, `syslog` (of this host), or `syslog:` and the address of another.
        pub to: At<LogTarget>,
        /// The share of requests that is logged; errors (5xx) and refusals always are.
        pub sample: At<Share> = Share::ALL,
        /// Further fields.
        pub fields: Map<Template>,
        /// Request headers to add.
        pub headers: Vec<At<HeaderName>>,
        /// Lines waiting to be written, over all workers; further ones are counted and lost.
        pub buffer: At<Size> = Size::mib(4),
        /// Written at least this often.
        pub flush: At<Duration> = Duration::from_secs(1),
    }
}

impl Short for AccessLog {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let to = At::new(LogTarget::read(node, reader)?, node.span);
        Some(Self {
            to,
            sample: At::implied(Share::ALL),
            fields: Map::default(),
            headers: Vec::new(),
            buffer: At::implied(Size::mib(4)),
            flush: At::implied(Duration::from_secs(1)),
        })
    }

    fn short_shape() -> Shape {
        <LogTarget as Leaf>::shape()
    }
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// The system log of this host.
    Syslog,
    /// A system log that listens on UDP (RFC 5426).
    SyslogAt(SocketAddr),
    /// A file, opened again on SIGUSR1.
    File(FilePath),
}

crate::section::leaves!(LogTarget);

impl Leaf for LogTarget {
    const WHAT: &'static str = "the path of a file, `stdout` or `syslog`";
    const CODE: crate::code::Code = crate::code::Code::File;

    fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "stdout" => Ok(Self::Stdout),
            "syslog" => Ok(Self::Syslog),
            _ => match text.strip_prefix("syslog:") {
                Some(address) => address.parse().map(Self::SyslogAt).map_err(|_| {
                    Fault::new("{} names no address and port")
                        .hint("Write for example `syslog:127.0.0.1:514`.")
                }),
                None => FilePath::parse(text).map(Self::File),
            },
        }
    }

    fn spell(&self) -> String {
        match self {
            Self::Stdout => "stdout".to_owned(),
            Self::Syslog => "syslog".to_owned(),
            Self::SyslogAt(address) => format!("syslog:{address}"),
            Self::File(path) => path.spell(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "/var/log/weir/access.json" }
    }
}

section! {
    /// Spans of requests, for a collector of traces. Listeners with `trace_context: pass` have none.
    pub struct Traces "traces" [short] {
        /// The URL of a collector: `http://127.0.0.1:4318/v1/traces` for OTLP, `http://127.0.0.1:9411/api/v2/spans` for Zipkin.
        pub to: At<Url>,
        /// What the collector understands.
        pub format: At<TraceFormat> = TraceFormat::Otlp,
        /// The share of traces that is recorded. Of traces that `trusted_proxies` have begun, those that they record are.
        pub sample: At<Share> = Share::percent(10),
        /// What this program is called there.
        pub service: At<String> = "weir".to_owned(),
        /// Spans waiting to be sent, over all workers; further ones are counted and lost.
        pub buffer: At<Size> = Size::mib(4),
        /// Sent at least this often.
        pub flush: At<Duration> = Duration::from_secs(1),
    }
}

impl Short for Traces {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let to = At::new(Url::read(node, reader)?, node.span);
        Some(Self {
            to,
            format: At::implied(TraceFormat::Otlp),
            sample: At::implied(Share::percent(10)),
            service: At::implied("weir".to_owned()),
            buffer: At::implied(Size::mib(4)),
            flush: At::implied(Duration::from_secs(1)),
        })
    }

    fn short_shape() -> Shape {
        <Url as Leaf>::shape()
    }
}

words! {
    /// What a collector of traces understands.
    pub enum TraceFormat "a format of traces" {
        /// OpenTelemetry's protocol over HTTP, as JSON.
        Otlp = "otlp",
        /// Zipkin's JSON, version 2.
        Zipkin = "zipkin",
    }
}

section! {
    /// The program's own log.
    pub struct Log "log" [short] {
        /// The least that is worth a line; the environment's `WEIR_LOG` goes before it.
        pub level: At<Level> = Level::Info,
        /// How a line looks.
        pub format: At<LogFormat> = LogFormat::Text,
    }
}

impl Short for Log {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let level = At::new(Level::read(node, reader)?, node.span);
        Some(Self { level, format: At::implied(LogFormat::Text) })
    }

    fn short_shape() -> Shape {
        <Level as Leaf>::shape()
    }
}

words! {
    /// How much is logged.
    pub enum Level "a level" {
        /// What failed.
        Error = "error",
        /// And what may fail soon.
        Warn = "warn",
        /// And what changed.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// And every step.
        Trace = "trace",
    }
}

words! {
    /// How a line of the program's log looks.
    pub enum LogFormat "a format" {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}
