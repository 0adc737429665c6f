//! The proxies that stand side by side, and the origin behind them.

use weir_schema::reader::Reader;
use weir_schema::value::Checked;
use weir_schema::{At, Code, Diagnostic, Span, section, words};

section! {
    /// Proxies side by side, each with one worker and kept connections to the same origin.
    pub struct Peers "peers" [checked] {
        /// Which, in the order of their turns.
        pub run: Vec<At<PeerName>>,
        /// Give weir, and only weir, an access list, a rate limit, tokens to check and Maglev balancing.
        pub guarded: At<bool> = false,
        /// weir speaks HTTP/2 to the origin, the others HTTP/1.1.
        pub h2_upstream: At<bool> = false,
        /// The largest packet of the loopback, 65536 if nothing is said; an Ethernet has 1500. Needs root, for a network
        /// namespace of its own.
        pub mtu: Option<At<u32>>,
    }
}

/// RFC 1122 section 3.3.3 lets every host send 576 bytes; the loopback of Linux has 64 KiB.
const MTU: std::ops::RangeInclusive<u32> = 576..=65_536;

impl Checked for Peers {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.run.is_empty() {
            let found = Diagnostic::new(Code::Empty, span, "`run` names no peer");
            reader.push(found.hint("Write `run: [ weir, nginx, haproxy ]`."));
        }
        if let Some(mtu) = self.mtu.as_ref().filter(|mtu| !MTU.contains(&mtu.value)) {
            let message = format!("the loopback has packets of {} to {} bytes", MTU.start(), MTU.end());
            reader.push(Diagnostic::new(Code::Number, mtu.span, message));
        }
    }
}

impl PeerName {
    /// It writes an access log.
    pub(crate) fn is_logged(self) -> bool {
        matches!(self, Self::WeirLogged | Self::NginxLogged)
    }
}

words! {
    /// A proxy.
    pub enum PeerName "a peer" {
        /// This project's.
        Weir = "weir",
        /// The same with its access log written to a file.
        WeirLogged = "weir-logged",
        /// nginx, from the distribution.
        Nginx = "nginx",
        /// The same with its access log written to a file, by whole buffers.
        NginxLogged = "nginx-logged",
        /// HAProxy, from the distribution.
        Haproxy = "haproxy",
        /// A relay that parses nothing, on the reactor that weir stands on: what the kernel alone costs.
        Floor = "floor",
    }
}
