//! How requests come: as fast as answers allow, at times of their own, or not at all.

use super::client::Client;
use super::{PeerName, at_least_one};
use std::time::Duration;
use weir_schema::reader::Reader;
use weir_schema::value::{Checked, Rate, Share};
use weir_schema::{At, Code, Diagnostic, Span, choice, section, words};

choice! {
    /// How requests come.
    pub enum Load "a load model" {
        /// Each connection sends the next request when it has the answer: finds the ceiling, hides queueing.
        Closed(Closed) = "closed",
        /// Requests come at times of their own, whether answers are there or not; latency counts from the intended time.
        Open(Open) = "open",
        /// Connections are opened, used once and left alone: finds what an idle one costs.
        Idle(Idle) = "idle",
    }
}

section! {
    /// As fast as answers allow.
    pub struct Closed "closed" [checked] {
        /// Connections.
        pub connections: At<u32> = 64,
        /// Requests at once on each connection, for h2.
        pub streams: At<u32> = 1,
    }
}

impl Closed {
    /// With nothing written.
    pub(crate) const DEFAULT: Self = Self { connections: At::implied(64), streams: At::implied(1) };
}

impl Checked for Closed {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        at_least_one(&self.connections, "`connections`", reader);
        at_least_one(&self.streams, "`streams`", reader);
    }
}

section! {
    /// At times of their own.
    pub struct Open "open" [checked] {
        /// So many a second.
        pub rate: Option<At<Rate>>,
        /// A share of what `ceiling_of` can do in a closed loop, measured first.
        pub share: Option<At<Share>>,
        /// Whose ceiling.
        pub ceiling_of: At<PeerName> = PeerName::Nginx,
        /// The rate at the beginning of each round, from which it changes evenly; left out, it is steady.
        pub ramp_from: Option<At<Rate>>,
        /// Several rates, one after the other, instead of `rate`.
        pub steps: Vec<At<Rate>>,
        /// Search the highest rate whose p99 stays below this, from `rate` upwards.
        pub knee: Option<At<super::Latency>>,
        /// When exactly.
        pub arrivals: At<Arrivals> = Arrivals::Poisson,
        /// Connections over which requests are spread.
        pub connections: At<u32> = 64,
        /// Requests at once on each connection, for h2.
        pub streams: At<u32> = 1,
    }
}

impl Checked for Open {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        at_least_one(&self.connections, "`connections`", reader);
        at_least_one(&self.streams, "`streams`", reader);
        let given = [self.rate.is_some(), self.share.is_some(), !self.steps.is_empty()];
        if given.iter().filter(|given| **given).count() != 1 {
            let found =
                Diagnostic::new(Code::Conflict, span, "an open loop has one of `rate`, `share` and `steps`");
            reader.push(
                found.hint("Write `open: { rate: 5k/s }`, or `open: { share: 50% }` of a peer's ceiling."),
            );
        }
        let rates = self.rate.iter().chain(&self.ramp_from).chain(&self.steps);
        for rate in rates.filter(|rate| per_second(rate) < 1.0) {
            reader.push(Diagnostic::new(Code::Rate, rate.span, "the rate is less than one a second"));
        }
    }
}

/// A rate as a number per second.
pub(crate) fn per_second(rate: &Rate) -> f64 {
    rate.count as f64 / rate.per.as_secs_f64()
}

words! {
    /// When exactly requests come.
    pub enum Arrivals "a process of arrivals" {
        /// At even distances.
        Constant = "constant",
        /// Independently of each other, as clients of the world do.
        Poisson = "poisson",
    }
}

section! {
    /// Opened, used once, left alone.
    pub struct Idle "idle" [checked] {
        /// Connections.
        pub connections: At<u32> = 2_000,
    }
}

impl Checked for Idle {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        at_least_one(&self.connections, "`connections`", reader);
    }
}

impl Load {
    /// Connections kept open.
    pub(crate) fn connections(&self) -> u32 {
        match self {
            Self::Closed(closed) => closed.connections.value,
            Self::Open(open) => open.connections.value,
            Self::Idle(idle) => idle.connections.value,
        }
    }

    /// Requests at once on each connection.
    pub(crate) fn streams(&self) -> u32 {
        match self {
            Self::Closed(closed) => closed.streams.value,
            Self::Open(open) => open.streams.value,
            Self::Idle(_) => 1,
        }
    }

    /// Reports what does not go together with how clients speak.
    pub(super) fn fits(&self, client: &Client, reader: &mut Reader<'_>) {
        let streams = match self {
            Self::Closed(closed) => Some(&closed.streams),
            Self::Open(open) => Some(&open.streams),
            Self::Idle(_) => None,
        };
        if let Some(streams) = streams.filter(|streams| streams.value > 1 && !client.is_h2()) {
            let found = Diagnostic::new(
                Code::Conflict,
                streams.span,
                "HTTP/1.1 has one request at a time on a connection",
            );
            reader.push(found.hint("Set `client: { protocol: h2 }`, or leave `streams` out."));
        }
    }

    /// The time after which a request that was not answered counts as failed.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
}
