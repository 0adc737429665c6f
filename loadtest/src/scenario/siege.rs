//! An attack beside honest load.

use crate::flood::RATE_MAX;
use weir_schema::reader::Reader;
use weir_schema::value::{Checked, Rate};
use weir_schema::{At, Code, Diagnostic, Span, section, words};

section! {
    /// Attacks, one after the other, on weir in a network namespace of its own, beside the honest load of the scenario.
    pub struct Siege "siege" [checked] {
        /// Which.
        pub attacks: Vec<At<Attack>>,
        /// Carry all of it out a second time with the shield off, to see what it is worth.
        pub control: At<bool> = true,
    }
}

impl Checked for Siege {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.attacks.is_empty() {
            reader.push(Diagnostic::new(Code::Empty, span, "`attacks` names none"));
        }
    }
}

section! {
    /// One attack.
    pub struct Attack "attack" [checked] {
        /// Of what kind.
        pub kind: At<Kind>,
        /// Packets, connections or streams a second.
        pub rate: At<Rate> = Rate::per_second(20_000),
        /// For floods of packets: from so many invented sources, or, with 1, from the client's own address.
        pub sources: At<u32> = 100_000,
    }
}

impl Checked for Attack {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        let rate = super::per_second(&self.rate);
        if !(1.0..=RATE_MAX as f64).contains(&rate) {
            reader.push(Diagnostic::new(Code::Rate, self.rate.span, "an attack has between 1/s and 1M/s"));
        }
        if self.sources.value == 0 {
            reader.push(Diagnostic::new(
                Code::Number,
                self.sources.span,
                "packets come from at least 1 source",
            ));
        }
    }
}

words! {
    /// A kind of attack.
    pub enum Kind "a kind of attack" {
        /// Connection attempts that nobody completes.
        Syn = "syn",
        /// Acknowledgements that belong to no connection.
        Ack = "ack",
        /// Datagrams to the port.
        Udp = "udp",
        /// Packets with flags that no connection has.
        Malformed = "malformed",
        /// Fragments whose beginning never comes.
        Fragments = "fragments",
        /// Connections that send a head byte by byte and never end it.
        SlowLoris = "slow_loris",
        /// HTTP/2 streams that are opened and reset at once.
        RapidReset = "rapid_reset",
        /// TLS handshakes that are begun and left.
        Handshake = "handshake",
    }
}

impl Kind {
    /// It consists of packets, each made by itself.
    pub(crate) fn is_packets(self) -> bool {
        matches!(self, Self::Syn | Self::Ack | Self::Udp | Self::Malformed | Self::Fragments)
    }
}
