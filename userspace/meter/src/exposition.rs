//! The text a scraper reads: Prometheus 0.0.4 and OpenMetrics 1.0.

mod families;

pub use families::blocks;

use crate::histogram::{BOUNDS, Total};
use crate::log::digits;
use crate::names::{Kind, Name};
use std::io::Write;

/// Which dialect the scraper asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The dialect for an `Accept` field value.
    pub fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The media type to answer with.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page under construction. Families are written one after another, each once.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: Vec<u8>,
    /// What all lines of a histogram begin with.
    shared: Vec<u8>,
}

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

impl Page {
    /// An empty page in this memory, which may be that of an earlier page.
    pub fn new(format: Format, memory: Vec<u8>) -> Self {
        Self { format, text: memory, shared: Vec::new() }
    }

    /// Opens a family: its help and type lines.
    pub fn family(&mut self, name: &Name) {
        let kind = match (name.kind, self.format) {
            (Kind::Counter, _) => "counter",
            (Kind::Gauge, _) | (Kind::Info, Format::Prometheus) => "gauge",
            (Kind::Histogram, _) => "histogram",
            (Kind::Info, Format::OpenMetrics) => "info",
        };
        let family = self.family_name(name);
        self.line(format_args!("# HELP {family} {}\n# TYPE {family} {kind}", name.help));
    }

    /// One sample of the family opened last.
    pub fn sample(&mut self, name: &Name, labels: &[Label<'_>], value: impl std::fmt::Display) {
        debug_assert!(labels.iter().map(|label| label.0).eq(name.labels.iter().copied()), "{}", name.name);
        self.push(&[name.name]);
        if !labels.is_empty() {
            self.text.push(b'{');
            write_labels(labels, &mut self.text);
            self.text.push(b'}');
        }
        self.line(format_args!(" {value}"));
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &Name, value: impl std::fmt::Display) {
        self.family(name);
        self.sample(name, &[], value);
    }

    /// The finished page.
    pub fn finish(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            self.push(&["# EOF\n"]);
        }
        self.text
    }

    /// OpenMetrics names the family without the suffix that its samples carry.
    fn family_name(&self, name: &Name) -> &'static str {
        let suffix = match name.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => return name.name,
        };
        match self.format {
            Format::OpenMetrics => name.name.strip_suffix(suffix).unwrap_or(name.name),
            Format::Prometheus => name.name,
        }
    }

    /// One sample whose labels are written already, of which a page has thousands.
    fn counted(&mut self, name: &Name, labels: &[&str], value: u64) {
        self.push(&[name.name, "{"]);
        self.push(labels);
        self.push(&["} "]);
        digits(value, 1, &mut self.text);
        self.text.push(b'\n');
    }

    /// A page has tens of thousands of these lines. What they share is put together once, a count is put into digits when it
    /// differs from the one before, and nothing is allocated.
    fn histogram(&mut self, name: &Name, labels: &[&str], total: &Total) {
        let Self { text, shared, .. } = self;
        shared.clear();
        for part in [name.name, "_bucket{"].iter().chain(labels).chain(&[",le=\""]) {
            shared.extend_from_slice(part.as_bytes());
        }
        let (mut seen, mut number) = (0, 0..0);
        for (count, bound) in total.buckets.iter().zip(BOUNDS) {
            text.extend_from_slice(shared);
            text.extend_from_slice(bound.as_bytes());
            let start = text.len();
            if *count > 0 || number.is_empty() {
                seen += count;
                digits(seen, 1, text);
                number = start..text.len();
            } else {
                text.extend_from_within(number.clone());
            }
            text.push(b'\n');
        }
        self.push(&[name.name, "_sum{"]);
        self.push(labels);
        self.push(&["} "]);
        write_seconds(total.sum_ns, &mut self.text);
        self.push(&["\n", name.name, "_count{"]);
        self.push(labels);
        self.push(&["} "]);
        self.text.extend_from_within(number);
        self.text.push(b'\n');
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.extend_from_slice(part.as_bytes());
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let written = writeln!(self.text, "{text}");
        debug_assert!(written.is_ok(), "memory takes all that is written");
    }
}

/// Nanoseconds as seconds, to the last digit that says something.
fn write_seconds(ns: u64, out: &mut Vec<u8>) {
    const BILLION: u64 = 1_000_000_000;
    digits(ns / BILLION, 1, out);
    if !ns.is_multiple_of(BILLION) {
        out.push(b'.');
        digits(ns % BILLION, 9, out);
        let zeros = out.iter().rev().take_while(|digit| **digit == b'0').count();
        out.truncate(out.len() - zeros);
    }
}

/// Labels as they stand between the braces.
pub(crate) fn write_labels(labels: &[Label<'_>], out: &mut Vec<u8>) {
    for (at, (name, value)) in labels.iter().enumerate() {
        for part in [if at == 0 { "" } else { "," }, name, "=\""] {
            out.extend_from_slice(part.as_bytes());
        }
        for byte in value.bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'"' => out.extend_from_slice(b"\\\""),
                b'\n' => out.extend_from_slice(b"\\n"),
                other => out.push(other),
            }
        }
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Block, Done, Method, TlsVersion, Unshaken};
    use crate::directory::Directory;

    fn page(format: Format) -> String {
        let mut directory = Directory::default();
        let seat = directory.seat("edge", "a \"quoted\"\nroute");
        let (one, two) = (Block::default(), Block::default());
        let done = Done {
            seat,
            method: Method::Get,
            status: 200,
            total_ns: 60_000,
            upstream_ns: Some(40_000),
            bodies: [3, 4],
        };
        one.done(&done);
        two.done(&done);
        two.refuse(7);
        two.secured(TlsVersion::Tls13, true);
        two.unshaken(Unshaken::Name);
        let mut page = Page::new(format, Vec::new());
        blocks(&mut page, &[&one, &two], &directory.rows(), |number| (number == 7).then_some("bad_framing"));
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn seconds_are_exact() {
        let check = |ns: u64, expect: &str| {
            let mut out = b"0".to_vec();
            write_seconds(ns, &mut out);
            assert_eq!(std::str::from_utf8(&out[1..]), Ok(expect));
        };
        check(0, "0");
        check(1, "0.000000001");
        check(40_000, "0.00004");
        check(10_000_000_000, "10");
        check(u64::MAX, "18446744073.709551615");
    }

    #[test]
    fn blocks_are_added_up_and_labels_escaped() {
        let text = page(Format::Prometheus);
        for line in [
            r#"weir_requests_total{listener="edge",route="a \"quoted\"\nroute",method="GET",class="2xx"} 2"#,
            r#"weir_refusals_total{reason="bad_framing"} 1"#,
            r#"weir_tls_failures_total{why="name"} 1"#,
            r#"weir_tls_failures_total{why="slow"} 0"#,
            r#"weir_tls_sessions_total{version="1.3",resumed="yes"} 1"#,
            r#"weir_response_body_bytes_total{listener="edge",route="a \"quoted\"\nroute"} 8"#,
            r#"weir_own_duration_seconds_sum{listener="edge",route="a \"quoted\"\nroute",method="GET",class="2xx"} 0.00004"#,
            r#"weir_request_duration_seconds_bucket{listener="edge",route="a \"quoted\"\nroute",method="GET",class="2xx",le="0.00005"} 0"#,
            r#"weir_request_duration_seconds_bucket{listener="edge",route="a \"quoted\"\nroute",method="GET",class="2xx",le="+Inf"} 2"#,
            r#"weir_request_duration_seconds_sum{listener="edge",route="a \"quoted\"\nroute",method="GET",class="2xx"} 0.00012"#,
            "# TYPE weir_requests_total counter",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\nnot in\n{text}");
        }
    }

    #[test]
    fn openmetrics_names_counter_families_without_total_and_ends_with_eof() {
        let text = page(Format::OpenMetrics);
        assert!(text.contains("# TYPE weir_requests counter\n"));
        assert!(text.contains("weir_requests_total{"));
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(Format::of("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
    }
}
