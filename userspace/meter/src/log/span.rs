//! A span of a trace under construction: an object of JSON as OTLP (1.0 and later, over HTTP) or Zipkin (version 2) has it,
//! written straight into the worker's sheet. Whoever sends it puts an envelope around all of a sheet.

use super::line::{digits, escape};

/// What a collector understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenTelemetry's protocol, as JSON.
    Otlp,
    /// Zipkin's, version 2.
    Zipkin,
}

/// Which side of an exchange a span tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client asked.
    Server,
    /// An upstream was asked.
    Client,
}

/// By which digits a span is found.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    /// The trace.
    pub trace: &'a [u8; 32],
    /// The span.
    pub span: &'a [u8; 16],
    /// The one that it belongs to; none for the first of a trace.
    pub parent: Option<&'a [u8; 16]>,
}

/// When something was, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// When it began.
    pub begun_ns: u64,
    /// How long it lasted.
    pub length_ns: u64,
}

/// A span under construction.
#[derive(Debug)]
pub struct Span<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
    is_first: bool,
}

const NS_PER_US: u64 = 1_000;

impl<'a> Span<'a> {
    /// Begins a span. Its name is `method` and, where there is one, the name of a route.
    pub fn begin(
        out: &'a mut Vec<u8>,
        dialect: Dialect,
        ids: Ids<'_>,
        side: Side,
        (method, route): (&[u8], &[u8]),
    ) -> Self {
        let [trace, id, parent] = match dialect {
            Dialect::Otlp => ["{\"traceId\":\"", "\",\"spanId\":\"", "\",\"parentSpanId\":\""],
            Dialect::Zipkin => ["{\"traceId\":\"", "\",\"id\":\"", "\",\"parentId\":\""],
        };
        for part in [trace.as_bytes(), ids.trace, id.as_bytes(), ids.span] {
            out.extend_from_slice(part);
        }
        if let Some(known) = ids.parent {
            out.extend_from_slice(parent.as_bytes());
            out.extend_from_slice(known);
        }
        let kind: &[u8] = match (dialect, side) {
            (Dialect::Otlp, Side::Server) => b"\",\"kind\":2,\"name\":\"",
            (Dialect::Otlp, Side::Client) => b"\",\"kind\":3,\"name\":\"",
            (Dialect::Zipkin, Side::Server) => b"\",\"kind\":\"SERVER\",\"name\":\"",
            (Dialect::Zipkin, Side::Client) => b"\",\"kind\":\"CLIENT\",\"name\":\"",
        };
        out.extend_from_slice(kind);
        escape(method, out);
        if !route.is_empty() {
            out.push(b' ');
            escape(route, out);
        }
        Self { out, dialect, is_first: true }
    }

    /// Says when it was; then come the attributes.
    pub fn when(&mut self, When { begun_ns, length_ns }: When) {
        let [begun, ended, unit] = match self.dialect {
            Dialect::Otlp => {
                ["\",\"startTimeUnixNano\":\"", "\",\"endTimeUnixNano\":\"", "\",\"attributes\":["]
            }
            Dialect::Zipkin => ["\",\"timestamp\":", ",\"duration\":", ",\"tags\":{"],
        };
        let (first, second) = match self.dialect {
            Dialect::Otlp => (begun_ns, begun_ns.saturating_add(length_ns)),
            // Zipkin counts in microseconds, and a span that lasts none is no span.
            Dialect::Zipkin => (begun_ns / NS_PER_US, (length_ns / NS_PER_US).max(1)),
        };
        self.out.extend_from_slice(begun.as_bytes());
        digits(first, 1, self.out);
        self.out.extend_from_slice(ended.as_bytes());
        digits(second, 1, self.out);
        self.out.extend_from_slice(unit.as_bytes());
    }

    /// An attribute that is a text.
    pub fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key, "\"stringValue\":\"");
        escape(value, self.out);
        self.close("\"", "\"");
    }

    /// An attribute that is a number. OTLP writes those of 64 bits as texts.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key, "\"intValue\":\"");
        digits(value, 1, self.out);
        self.close("\"", "\"");
    }

    /// Closes the span; `error` says that it failed, and by what.
    pub fn end(mut self, error: Option<&str>) {
        if let Some(error) = error {
            match self.dialect {
                Dialect::Otlp => self.text("error.type", error.as_bytes()),
                Dialect::Zipkin => self.text("error", error.as_bytes()),
            }
        }
        let ending: &[u8] = match (self.dialect, error) {
            (Dialect::Otlp, None) => b"]}\n",
            (Dialect::Otlp, Some(_)) => b"],\"status\":{\"code\":2}}\n",
            (Dialect::Zipkin, _) => b"}}\n",
        };
        self.out.extend_from_slice(ending);
    }

    fn key(&mut self, key: &str, kind: &str) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        let parts = match self.dialect {
            Dialect::Otlp => ["{\"key\":\"", key, "\",\"value\":{", kind],
            Dialect::Zipkin => ["\"", key, "\":\"", ""],
        };
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    fn close(&mut self, of_otlp: &str, of_zipkin: &str) {
        let (end, more) = match self.dialect {
            Dialect::Otlp => (of_otlp, "}}"),
            Dialect::Zipkin => (of_zipkin, ""),
        };
        self.out.extend_from_slice(end.as_bytes());
        self.out.extend_from_slice(more.as_bytes());
    }
}

/// What stands before the spans of a sheet and behind them; between two spans stands a comma.
#[must_use]
pub fn envelope(dialect: Dialect, service: &str, version: &str) -> (Vec<u8>, &'static [u8]) {
    let mut head = Vec::new();
    match dialect {
        Dialect::Otlp => {
            head.extend_from_slice(b"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"");
            escape(service.as_bytes(), &mut head);
            head.extend_from_slice(b"\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"weir\",\"version\":\"");
            escape(version.as_bytes(), &mut head);
            head.extend_from_slice(b"\"},\"spans\":[");
            (head, b"]}]}]}")
        }
        Dialect::Zipkin => (b"[".to_vec(), b"]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &[u8; 32] = b"4bf92f3577b34da6a3ce929d0e0e4736";

    fn span(dialect: Dialect, parent: Option<&[u8; 16]>, error: Option<&str>) -> String {
        let mut out = Vec::new();
        let ids = Ids { trace: TRACE, span: b"00f067aa0ba902b7", parent };
        let mut span = Span::begin(&mut out, dialect, ids, Side::Server, (b"GET", b"a\"b"));
        span.when(When { begun_ns: 1_700_000_000_000_000_000, length_ns: 1_500 });
        span.text("url.path", b"/x\"y");
        span.number("http.response.status_code", 200);
        span.end(error);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_dialects_are_written_as_they_are_read() {
        assert_eq!(
            span(Dialect::Otlp, Some(b"b7ad6b7169203331"), None),
            "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"parentSpanId\":\"b7ad6b7169203331\",\"kind\":2,\"name\":\"GET a\\\"b\",\"startTimeUnixNano\":\"1700000000000000000\",\"endTimeUnixNano\":\"1700000000000001500\",\"attributes\":[{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/x\\\"y\"}},{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"200\"}}]}\n"
        );
        assert_eq!(
            span(Dialect::Zipkin, None, Some("slow")),
            "{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"id\":\"00f067aa0ba902b7\",\"kind\":\"SERVER\",\"name\":\"GET a\\\"b\",\"timestamp\":1700000000000000,\"duration\":1,\"tags\":{\"url.path\":\"/x\\\"y\",\"http.response.status_code\":\"200\",\"error\":\"slow\"}}\n"
        );
        assert!(span(Dialect::Otlp, None, Some("slow")).ends_with("],\"status\":{\"code\":2}}\n"));
    }
}
