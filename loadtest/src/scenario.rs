//! A scenario as written: one file says what is asked, of whom, how hard, and what must come out.

mod client;
mod fit;
mod goal;
mod latency;
mod load;
mod peers;
mod request;
mod siege;
mod target;
mod threshold;

pub(crate) use client::{Client, Handshake, Key, Protocol, Tls, Tokens};
pub(crate) use goal::{Figure, Goal};
pub(crate) use latency::Latency;
pub(crate) use load::{Arrivals, Closed, Load, Open, per_second};
pub(crate) use peers::{PeerName, Peers};
pub(crate) use request::{Expect, Request};
pub(crate) use siege::{Attack, Kind, Siege};
pub(crate) use target::Target;
pub(crate) use threshold::Thresholds;

use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use weir_schema::diagnostic::Style;
use weir_schema::lookup::Anything;
use weir_schema::reader::Reader;
use weir_schema::value::{Checked, Name};
use weir_schema::{At, Code, Diagnostic, Format, Sources, Span, document, section};

section! {
    /// One load test.
    pub struct Scenario "file" [checked] {
        /// The version of this language: 1.
        pub version: At<u32>,
        /// What it is called; folders and reports bear the name.
        pub name: At<Name>,
        /// What it asks, in one sentence for the reader of the report.
        pub what: At<String>,
        /// A server that runs already, such as `http://127.0.0.1:8080`. Left out, `peers` are started.
        pub target: Option<At<Target>>,
        /// Proxies that are started side by side, each before the same origin.
        pub peers: Option<At<Peers>>,
        /// Attacks on weir in a network namespace of its own, instead of `target` and `peers`; needs root.
        pub siege: Option<At<Siege>>,
        /// How requests come.
        pub load: At<Load> = Load::Closed(Closed::DEFAULT),
        /// How clients speak.
        pub client: At<Client>,
        /// What they ask; of several, by weight. Left out, thirteen bytes of the origin.
        pub requests: Vec<At<Request>>,
        /// How long each round loads before it counts.
        pub warm_up: At<Duration> = Duration::from_millis(200),
        /// How long each round counts.
        pub duration: At<Duration> = Duration::from_secs(1),
        /// How often each peer has its turn; they take turns, so that noise falls on all alike.
        pub rounds: At<u32> = 5,
        /// Threads of the generator.
        pub threads: At<u32> = 1,
        /// What must hold; the exit code is 99 if it does not.
        pub thresholds: At<Thresholds>,
        /// Speed goals that this run decides.
        pub goals: Vec<At<Goal>>,
    }
}

impl Checked for Scenario {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.version.value != 1 {
            reader.push(Diagnostic::new(Code::Version, self.version.span, "this language has version 1"));
        }
        self.has_one_subject(span, reader);
        at_least_one(&self.rounds, "`rounds`", reader);
        at_least_one(&self.threads, "`threads`", reader);
        if self.duration.is_zero() {
            reader.push(Diagnostic::new(
                Code::Duration,
                self.duration.span,
                "a round of no time counts nothing",
            ));
        }
        self.goals_have_peers(reader);
        self.load.fits(&self.client, reader);
        self.fits(reader);
    }
}

impl Scenario {
    fn has_one_subject(&self, span: Span, reader: &mut Reader<'_>) {
        let target = self.target.as_ref().map(|target| target.span);
        let peers = self.peers.as_ref().map(|peers| peers.span);
        let siege = self.siege.as_ref().map(|siege| siege.span);
        let given: Vec<Span> = [target, peers, siege].into_iter().flatten().collect();
        match given.as_slice() {
            [_] => {}
            [] => reader.push(
                Diagnostic::new(Code::MissingKey, span, "nothing is loaded: there is no target and no peer")
                    .hint("Give `target: http://…`, or `peers: { run: [ weir, nginx ] }`, or a `siege`."),
            ),
            [first, second, ..] => reader.push(
                Diagnostic::new(
                    Code::Conflict,
                    *second,
                    "a scenario has one of `target`, `peers` and `siege`",
                )
                .also(*first, "the other"),
            ),
        }
        let is_open = matches!(&self.load.value, Load::Open(open) if open.rate.is_some());
        if let (Some(siege), false) = (siege, is_open) {
            let found = Diagnostic::new(
                Code::Conflict,
                siege,
                "honest clients of a siege come at a rate of their own",
            );
            reader.push(found.hint("Write `load: { open: { rate: 500/s } }`."));
        }
    }

    /// Packets are to be smaller than those of this host's loopback.
    pub(crate) fn wants_own_loopback(&self) -> bool {
        self.peers.as_ref().is_some_and(|peers| peers.mtu.is_some())
    }

    /// The p99 to be kept and the rate a second at which its search begins.
    pub(crate) fn knee(&self) -> Option<(Duration, f64)> {
        let Load::Open(Open { knee: Some(limit), rate: Some(rate), .. }) = &self.load.value else {
            return None;
        };
        Some((limit.0, per_second(rate)))
    }

    /// TLS of the clients, if they speak it.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        const IMPLIED: Tls = Tls::DEFAULT;
        let implied = self.target.as_ref().is_some_and(|target| target.tls).then_some(&IMPLIED);
        self.client.tls.as_ref().map(|tls| &tls.value).or(implied)
    }

    fn runs(&self, name: PeerName) -> bool {
        self.peers.iter().any(|peers| peers.run.iter().any(|peer| peer.value == name))
    }

    /// A goal speaks of a peer.
    pub(crate) fn compares(&self, name: PeerName) -> bool {
        self.goals.iter().any(|goal| goal.of.value == name || goal.against.value == name)
    }

    fn goals_have_peers(&self, reader: &mut Reader<'_>) {
        for goal in &self.goals {
            let runs = |name| self.runs(name);
            for name in [&goal.of, &goal.against].into_iter().filter(|name| !runs(name.value)) {
                let message =
                    format!("`{}` does not run here, so nothing can be compared with it", name.as_str());
                let span = if name.span.is_written() { name.span } else { goal.span };
                let found = Diagnostic::new(Code::Conflict, span, message);
                reader.push(found.hint("Add it to `peers.run`."));
            }
        }
    }

    /// Reads a file; also returns its text.
    ///
    /// # Errors
    /// Everything that is wrong with it, as it is shown to the user.
    pub(crate) fn read(path: &Path) -> Result<(Self, String)> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let style = if std::io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
        let scenario = Self::parse(&path.display().to_string(), &text, style);
        Ok((scenario.map_err(|said| anyhow::anyhow!("{said}"))?, text))
    }

    /// Reads a text; `name` is what diagnostics call it.
    ///
    /// # Errors
    /// The report, written out.
    pub(crate) fn parse(name: &str, text: &str, style: Style) -> Result<Self, String> {
        let sources = Sources::one(name, text);
        document::read(&sources, &Anything).map_err(|report| report.write(&sources, Format::Text, style))
    }
}

/// Reports a count of nothing.
pub(crate) fn at_least_one(count: &At<u32>, what: &str, reader: &mut Reader<'_>) {
    if count.value == 0 {
        reader.push(Diagnostic::new(Code::Number, count.span, format!("{what} is at least 1")));
    }
}
