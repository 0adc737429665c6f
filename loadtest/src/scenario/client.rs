//! How clients speak: protocol, TLS, keep-alive, addresses, tokens.

use crate::client::tls::NAME;
use rustls_pki_types::ServerName;
use weir_schema::node::Node;
use weir_schema::reader::Reader;
use weir_schema::shape::Shape;
use weir_schema::value::{Checked, FilePath, Short, Value};
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
        /// Tokens (JWT, ES256) of which each request has one: a number, or how they are signed.
        pub tokens: At<Tokens>,
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
        if ServerName::try_from(self.host.as_str()).is_err() {
            let found = Diagnostic::new(Code::Host, self.host.span, "this is neither a name nor an address");
            reader.push(found.hint("Write `host: www.example.com`, without port and scheme."));
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

section! {
    /// Tokens that clients send.
    pub struct Tokens "tokens" [short, checked] {
        /// So many different ones, drawn at random; 0 sends none.
        pub count: At<u32> = 0,
        /// The private key (ECDSA on P-256, PKCS #8 in PEM) that signs them for a `target`; left out, one is made for the run.
        pub key: Option<At<FilePath>>,
        /// Who issues them, as a `target` expects it.
        pub issuer: At<String> = "https://id.load.test".to_owned(),
        /// For whom they are, as a `target` expects it.
        pub audience: At<String> = "load".to_owned(),
    }
}

/// How many, with a key of the run.
impl Short for Tokens {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let count = <u32 as Value>::read(node, reader)?;
        Some(Self { count: At::new(count, node.span), ..Self::blank()? })
    }

    fn short_shape() -> Shape {
        <u32 as Value>::shape()
    }
}

impl Checked for Tokens {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.count.value > 100_000 {
            reader.push(Diagnostic::new(Code::Number, self.count.span, "there are at most 100000 tokens"));
        }
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
