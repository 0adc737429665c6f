//! How clients speak: protocol, TLS, keep-alive, addresses, tokens.

use crate::client::tls::NAME;
use rustls_pki_types::ServerName;
use weir_schema::reader::Reader;
use weir_schema::value::Checked;
use weir_schema::{At, Code, Diagnostic, Span, section, words};

section! {
    /// How clients speak.
    pub struct Client "client" [checked] {
        /// Over what.
        pub protocol: At<Protocol> = Protocol::Http1,
        /// With TLS 1.3; left out, in the clear, unless the target is `https`. The certificate of a target is not checked.
        pub tls: Option<At<Tls>>,
        /// The host that is asked for, in `Host` and, with TLS, by SNI. `peers` are always asked for `load.test`.
        pub host: At<String> = NAME.to_owned(),
        /// Use a connection for more than one request.
        pub keep_alive: At<bool> = true,
        /// So many source addresses, from 127.0.1.1 on, taken in turn; 0 leaves the choice to the kernel.
        pub sources: At<u32> = 0,
        /// Sign so many different tokens (ES256) and send one with each request; 0 sends none.
        pub tokens: At<u32> = 0,
    }
}

impl Checked for Client {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.sources.value > 60_000 {
            reader.push(Diagnostic::new(
                Code::Number,
                self.sources.span,
                "there are at most 60000 source addresses",
            ));
        }
        if self.tokens.value > 100_000 {
            reader.push(Diagnostic::new(Code::Number, self.tokens.span, "there are at most 100000 tokens"));
        }
        if ServerName::try_from(self.host.as_str()).is_err() {
            let found = Diagnostic::new(Code::Host, self.host.span, "this is neither a name nor an address");
            reader.push(found.hint("Write `host: www.example.com`, without port and scheme."));
        }
        if self.is_h2() && !self.keep_alive.value {
            reader.push(Diagnostic::new(
                Code::Conflict,
                self.keep_alive.span,
                "HTTP/2 connections are always kept",
            ));
        }
        if self.protocol.value == Protocol::WebSocket
            && let Some(tls) = self.tls.as_ref().filter(|tls| tls.handshake.value != Handshake::Once)
        {
            let message = "a WebSocket is kept, so hands are shaken once";
            let found = Diagnostic::new(Code::Conflict, tls.handshake.span, message);
            reader.push(found.hint("Leave `handshake` out."));
        }
    }
}

impl Tls {
    /// What is spoken to a target that says no more than `https`.
    pub(crate) const DEFAULT: Self =
        Self { handshake: At::implied(Handshake::Once), key: At::implied(Key::Ecdsa) };
}

impl Client {
    /// Requests share a connection.
    pub(crate) fn is_h2(&self) -> bool {
        self.protocol.value == Protocol::H2
    }
}

words! {
    /// A protocol of clients.
    pub enum Protocol "a protocol of clients" {
        /// HTTP/1.1.
        Http1 = "http/1.1",
        /// HTTP/2; without TLS by prior knowledge.
        H2 = "h2",
        /// A WebSocket over HTTP/1.1; each message is echoed.
        WebSocket = "websocket",
    }
}

section! {
    /// TLS of clients.
    pub struct Tls "tls" {
        /// How often and how hands are shaken.
        pub handshake: At<Handshake> = Handshake::Once,
        /// The key of the server's certificate, which is made for the run.
        pub key: At<Key> = Key::Ecdsa,
    }
}

words! {
    /// How hands are shaken.
    pub enum Handshake "a way to shake hands" {
        /// Once for each connection, which is kept.
        Once = "once",
        /// In full for each request, on a connection of its own.
        New = "new",
        /// For each request, resuming an earlier session.
        Resumed = "resumed",
    }
}

words! {
    /// The key of a certificate.
    pub enum Key "a kind of key" {
        /// ECDSA on P-256.
        Ecdsa = "ecdsa",
        /// RSA with 2048 bits.
        Rsa = "rsa",
    }
}
