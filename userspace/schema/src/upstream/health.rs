//! How targets are watched: by asking them, and by what they answer to others.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, PathPattern, Share, Short, StatusRange, Value};

section! {
    /// How targets are watched.
    pub struct Health "health" {
        /// Ask them.
        pub active: Option<At<Box<Active>>>,
        /// Look at what they answer.
        pub passive: Option<At<Box<Passive>>>,
        /// With fewer well targets than this share, all are used: some of a bad lot is better than too few.
        pub panic: At<Share> = Share::percent(50),
    }
}

section! {
    /// Asks each target at intervals, whatever the traffic.
    pub struct Active "active" [checked, needed] {
        /// Ask with an HTTP request: the path, or its details.
        pub http: Option<At<HttpCheck>>,
        /// Ask by connecting only.
        pub tcp: Option<At<bool>>,
        /// Ask by gRPC's own health service.
        pub grpc: Option<At<String>>,
        /// How often, give or take a tenth.
        pub every: At<Duration> = Duration::from_secs(5),
        /// How long an answer may take.
        pub timeout: At<Duration> = Duration::from_secs(2),
        /// Good answers in a row until it is well.
        pub healthy_after: At<u32> = 2,
        /// Bad answers in a row until it is not. The first check alone decides at the start.
        pub unhealthy_after: At<u32> = 3,
    }
}

words! {
    /// What a check does.
    pub enum Probe "a kind of check" {
        /// An HTTP request.
        Http = "http",
        /// A connection.
        Tcp = "tcp",
        /// A call of `grpc.health.v1`.
        Grpc = "grpc",
    }
}

impl Active {
    /// What the check does.
    #[must_use]
    pub fn probe(&self) -> Probe {
        if self.http.is_some() {
            Probe::Http
        } else if self.grpc.is_some() {
            Probe::Grpc
        } else {
            Probe::Tcp
        }
    }
}

impl Checked for Active {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        let written = [
            self.http.as_ref().map(|check| check.span),
            self.tcp.as_ref().filter(|tcp| tcp.value).map(|check| check.span),
            self.grpc.as_ref().map(|check| check.span),
        ];
        let written: Vec<Span> = written.into_iter().flatten().collect();
        match written.as_slice() {
            [_] => {}
            [] => {
                let found = Diagnostic::new(Code::MissingKey, span, "this check does not say what to ask");
                reader.push(found.hint("For instance `http: /healthz`, or `tcp: true`."));
            }
            [first, second, ..] => {
                let found = Diagnostic::new(Code::Conflict, *second, "a check asks in one way")
                    .also(*first, "the other");
                reader.push(found.hint("Keep one of `http`, `tcp` and `grpc`."));
            }
        }
        if self.timeout.value > self.every.value {
            let found = Diagnostic::new(
                Code::Range,
                self.timeout.span,
                "a check may take longer than the time to the next",
            );
            reader.push(found.hint("Make `timeout` at most `every`."));
        }
    }
}

section! {
    /// An HTTP request that a well target answers.
    pub struct HttpCheck "http" [short] {
        /// The path.
        pub path: At<PathPattern>,
        /// The host; left out, that of the target.
        pub host: Option<At<String>>,
        /// What counts as well.
        pub expect: At<StatusRange> = StatusRange { first: 200, last: 299 },
    }
}

impl Short for HttpCheck {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = At::new(PathPattern::read(node, reader)?, node.span);
        Some(Self { path, host: None, expect: At::implied(StatusRange { first: 200, last: 299 }) })
    }

    fn short_shape() -> Shape {
        Shape::Text { what: "a path", example: "/healthz" }
    }
}

section! {
    /// Leaves out targets that fail the requests of clients.
    pub struct Passive "passive" {
        /// Answers with 5xx in a row.
        pub consecutive_5xx: At<u32> = 5,
        /// Connections in a row that could not be opened, or broke.
        pub consecutive_errors: At<u32> = 5,
        /// Left out for this long, times how often it has been.
        pub eject: At<Duration> = Duration::from_secs(30),
        /// Left out no longer than this.
        pub eject_max: At<Duration> = Duration::from_secs(300),
        /// The most targets left out at once; one always may be.
        pub eject_share_max: At<Share> = Share::percent(50),
    }
}
