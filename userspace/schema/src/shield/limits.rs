//! How much may arrive: from one source, from one network, at one port; and the guard against floods of SYNs.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shield::Mode;
use crate::span::{At, Span};
use crate::value::{ByteRate, Checked, Port, Rate};

section! {
    /// What one source may send: an IPv4 address, or an IPv6 network.
    pub struct PerSource "per_source" [checked] {
        /// Packets of any kind.
        pub packets: At<Rate> = Rate::per_second(20_000),
        /// Bytes of any kind; left out, no limit.
        pub bytes: Option<At<ByteRate>>,
        /// Attempts to open a TCP connection.
        pub new_connections: At<Rate> = Rate::with_burst(200, 400),
        /// UDP packets; left out, only `packets` counts.
        pub udp: Option<At<Rate>>,
        /// ICMP packets.
        pub icmp: At<Rate> = Rate::per_second(20),
        /// How much of an IPv6 address is one source.
        pub ipv6_prefix: At<u8> = 64,
        /// Whether it acts; left out, the mode of the shield.
        pub mode: Option<At<Mode>>,
    }
}

impl Checked for PerSource {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        prefix(&self.ipv6_prefix, 32, 128, reader);
    }
}

section! {
    /// What a whole network may send together.
    pub struct PerPrefix "per_prefix" [checked] {
        /// How much of an IPv4 address is one network.
        pub ipv4_prefix: At<u8> = 24,
        /// How much of an IPv6 address is one network.
        pub ipv6_prefix: At<u8> = 48,
        /// Packets of any kind.
        pub packets: Option<At<Rate>>,
        /// Bytes of any kind.
        pub bytes: Option<At<ByteRate>>,
        /// Attempts to open a TCP connection.
        pub new_connections: Option<At<Rate>>,
        /// UDP packets.
        pub udp: Option<At<Rate>>,
        /// ICMP packets.
        pub icmp: Option<At<Rate>>,
        /// Whether it acts; left out, the mode of the shield.
        pub mode: Option<At<Mode>>,
    }
}

impl Checked for PerPrefix {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        prefix(&self.ipv4_prefix, 8, 32, reader);
        prefix(&self.ipv6_prefix, 16, 128, reader);
    }
}

fn prefix(length: &At<u8>, min: u8, max: u8, reader: &mut Reader<'_>) {
    if !(min..=max).contains(&length.value) {
        let message = format!("a prefix of {} bits does not tell sources apart", length.value);
        reader.push(
            Diagnostic::new(Code::Number, length.span, message)
                .hint(format!("It is between {min} and {max}.")),
        );
    }
}

section! {
    /// What one protected port may receive from everyone together.
    pub struct PerPort "per_port" [checked] {
        /// Packets of any kind.
        pub packets: Option<At<Rate>>,
        /// Bytes of any kind.
        pub bytes: Option<At<ByteRate>>,
        /// Attempts to open a TCP connection.
        pub new_connections: Option<At<Rate>>,
        /// Ports that may receive more or less than the others.
        pub ports: Vec<At<OnePort>>,
        /// Whether it acts; left out, the mode of the shield.
        pub mode: Option<At<Mode>>,
    }
}

section! {
    /// What a single port may receive; what is left out is as for the others.
    pub struct OnePort "port" {
        /// Which port.
        pub port: At<Port>,
        /// Packets of any kind.
        pub packets: Option<At<Rate>>,
        /// Bytes of any kind.
        pub bytes: Option<At<ByteRate>>,
        /// Attempts to open a TCP connection.
        pub new_connections: Option<At<Rate>>,
    }
}

impl Checked for PerPort {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        for (at, one) in self.ports.iter().enumerate() {
            let same = |other: &&At<OnePort>| other.port.value == one.port.value;
            if let Some(first) = self.ports.iter().take(at).find(same) {
                let found =
                    Diagnostic::new(Code::Conflict, one.port.span, "this port has its totals already");
                reader.push(
                    found.also(first.port.span, "the first").hint("Write all totals of a port together."),
                );
            }
        }
    }
}

section! {
    /// Answers floods of connection attempts with cookies, so that only those who exist reach the listener.
    pub struct SynGuard "syn_guard" [checked] {
        /// When it answers.
        pub mode: At<CookieMode> = CookieMode::Auto,
        /// Attempts at one port above which `auto` begins.
        pub above: At<Rate> = Rate::per_second(20_000),
        /// How long it must be quiet until `auto` ends.
        pub quiet: At<Duration> = Duration::from_secs(30),
    }
}

impl Checked for SynGuard {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.above.value.burst.is_some() {
            reader.push(
                Diagnostic::new(Code::Rate, self.above.span, "a threshold has no burst")
                    .hint("Leave `burst` out."),
            );
        }
    }
}

words! {
    /// When the guard answers with cookies.
    pub enum CookieMode "a mode of the guard" {
        /// Never.
        Off = "off",
        /// Never, but it counts when it would.
        Observe = "observe",
        /// While a port is flooded.
        Auto = "auto",
        /// Always.
        Always = "always",
    }
}
