//! The text a scraper reads: Prometheus 0.0.4 and OpenMetrics 1.0.

use crate::block::{Block, Class, Count, Flood, Level, Method, Row, TlsVersion, Unshaken};
use crate::directory::Directory;
use crate::histogram::{BOUNDS, Histogram, Total};
use crate::names::{self, Kind, Name};
use std::fmt::Write;

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
    text: String,
    /// The labels of a histogram, which stand in each of its lines.
    shared: String,
}

/// One of a row's histograms.
type Pick = fn(&Row) -> &Histogram;
/// A label and its value.
type Label<'a> = (&'a str, &'a str);

impl Page {
    /// An empty page.
    pub fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 * 1024), shared: String::new() }
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
        self.text.push_str(name.name);
        if !labels.is_empty() {
            self.text.push('{');
            write_labels(labels, &mut self.text);
            self.text.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &Name, value: impl std::fmt::Display) {
        self.family(name);
        self.sample(name, &[], value);
    }

    /// The finished page.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
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

    /// Nothing is allocated for a series: a page has tens of thousands of these lines.
    fn histogram(&mut self, name: &Name, labels: &[Label<'_>], total: &Total) {
        let Self { text, shared, .. } = self;
        shared.clear();
        write_labels(labels, shared);
        let mut seen = 0;
        for (count, bound) in total.buckets.iter().zip(BOUNDS.iter().chain(&["+Inf"])) {
            seen += count;
            for part in [name.name, "_bucket{", shared, ",le=\"", bound, "\"} "] {
                text.push_str(part);
            }
            write(text, format_args!("{seen}\n"));
        }
        for part in [name.name, "_sum{", shared, "} "] {
            text.push_str(part);
        }
        write(text, format_args!("{}\n", seconds(total.sum_ns)));
        for part in [name.name, "_count{", shared, "} "] {
            text.push_str(part);
        }
        write(text, format_args!("{seen}\n"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        write(&mut self.text, text);
        self.text.push('\n');
    }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).ok(); // a String cannot refuse
}

/// Labels as they stand between the braces.
fn write_labels(labels: &[Label<'_>], out: &mut String) {
    for (at, (name, value)) in labels.iter().enumerate() {
        for part in [if at == 0 { "" } else { "," }, name, "=\""] {
            out.push_str(part);
        }
        for piece in value.split_inclusive(['\\', '"', '\n']) {
            let (plain, special) = match piece.char_indices().next_back() {
                Some((end, special @ ('\\' | '"' | '\n'))) => {
                    (piece.get(..end).unwrap_or_default(), Some(special))
                }
                _ => (piece, None),
            };
            out.push_str(plain);
            out.push_str(match special {
                Some('\\') => "\\\\",
                Some('"') => "\\\"",
                Some(_) => "\\n",
                None => "",
            });
        }
        out.push('"');
    }
}

/// Writes everything that the workers counted. `reason` names a refusal by its number.
pub fn blocks(
    page: &mut Page,
    blocks: &[&Block],
    directory: &Directory,
    reason: fn(u8) -> Option<&'static str>,
) {
    for (count, name) in Count::ALL {
        page.single(name, blocks.iter().map(|block| block.count(*count)).sum::<u64>());
    }
    for (level, name) in Level::ALL {
        page.single(name, blocks.iter().map(|block| block.level(*level)).sum::<u64>());
    }
    page.single(&names::SERIES_LOST, directory.lost());
    page.family(&names::REFUSED);
    for number in 0..=u8::MAX {
        let total: u64 = blocks.iter().map(|block| block.refusals(number)).sum();
        if let (1.., Some(reason)) = (total, reason(number)) {
            page.sample(&names::REFUSED, &[("reason", reason)], total);
        }
    }
    page.family(&names::H2_FLOODS);
    for (flood, kind) in Flood::ALL {
        let total: u64 = blocks.iter().map(|block| block.floods(*flood)).sum();
        page.sample(&names::H2_FLOODS, &[("kind", kind)], total);
    }
    page.family(&names::TLS_FAILED);
    for (why, label) in Unshaken::ALL {
        let total: u64 = blocks.iter().map(|block| block.failures(*why)).sum();
        page.sample(&names::TLS_FAILED, &[("why", label)], total);
    }
    requests(page, blocks, directory);
    sessions(page, blocks);
    bodies(page, blocks, directory);
    let histograms: [(&Name, Pick); 3] = [
        (&names::DURATION, |row| &row.duration),
        (&names::UPSTREAM_DURATION, |row| &row.upstream),
        (&names::OWN_DURATION, |row| &row.own),
    ];
    for (name, histogram) in histograms {
        page.family(name);
        for (seat, listener, route) in directory.rows() {
            let mut total = Total::default();
            for row in blocks.iter().filter_map(|block| block.row(seat)) {
                histogram(row).add_to(&mut total);
            }
            if total.buckets.iter().any(|count| *count > 0) {
                page.histogram(name, &[("listener", listener), ("route", route)], &total);
            }
        }
    }
}

fn requests(page: &mut Page, blocks: &[&Block], directory: &Directory) {
    page.family(&names::REQUESTS);
    for (seat, listener, route) in directory.rows() {
        for (method, method_text) in Method::ALL {
            for (class, class_text) in Class::ALL {
                let rows = blocks.iter().filter_map(|block| block.row(seat));
                let total: u64 = rows.map(|row| row.requests(*method, *class)).sum();
                if total > 0 {
                    let labels = [
                        ("listener", listener),
                        ("route", route),
                        ("method", method_text),
                        ("class", class_text),
                    ];
                    page.sample(&names::REQUESTS, &labels, total);
                }
            }
        }
    }
}

fn sessions(page: &mut Page, blocks: &[&Block]) {
    page.family(&names::TLS_SESSIONS);
    for (version, text) in TlsVersion::ALL {
        for (resumed, word) in [(false, "no"), (true, "yes")] {
            let total: u64 = blocks.iter().map(|block| block.sessions(*version, resumed)).sum();
            if total > 0 {
                page.sample(&names::TLS_SESSIONS, &[("version", text), ("resumed", word)], total);
            }
        }
    }
}

fn bodies(page: &mut Page, blocks: &[&Block], directory: &Directory) {
    for (name, at) in [(&names::REQUEST_BYTES, 0), (&names::RESPONSE_BYTES, 1)] {
        page.family(name);
        for (seat, listener, route) in directory.rows() {
            let rows = blocks.iter().filter_map(|block| block.row(seat));
            let total: u64 = rows.filter_map(|row| row.bodies().get(at).copied()).sum();
            if total > 0 {
                page.sample(name, &[("listener", listener), ("route", route)], total);
            }
        }
    }
}

fn seconds(ns: u64) -> f64 {
    std::time::Duration::from_nanos(ns).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Done;

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
        let mut page = Page::new(format);
        blocks(&mut page, &[&one, &two], &directory, |number| (number == 7).then_some("bad_framing"));
        page.finish()
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
            r#"weir_own_duration_seconds_sum{listener="edge",route="a \"quoted\"\nroute"} 0.00004"#,
            r#"weir_request_duration_seconds_bucket{listener="edge",route="a \"quoted\"\nroute",le="0.00005"} 0"#,
            r#"weir_request_duration_seconds_bucket{listener="edge",route="a \"quoted\"\nroute",le="+Inf"} 2"#,
            r#"weir_request_duration_seconds_sum{listener="edge",route="a \"quoted\"\nroute"} 0.00012"#,
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
