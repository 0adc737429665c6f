//! A server that runs already: `http://127.0.0.1:8080`.

use std::net::SocketAddr;
use weir_schema::Code;
use weir_schema::shape::Shape;
use weir_schema::value::{Fault, Leaf};

/// An address with its scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `https`.
    pub tls: bool,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Leaf for Target {
    const WHAT: &'static str = "an address such as `http://127.0.0.1:8080`";
    const CODE: Code = Code::Url;

    fn parse(text: &str) -> Result<Self, Fault> {
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(Fault::new("{} has no scheme").hint("Write `http://127.0.0.1:8080`.")),
        };
        let address = rest.trim_end_matches('/').parse::<SocketAddr>().map_err(|_| {
            Fault::new("{} is not an address and port")
                .hint("Write numbers: `http://127.0.0.1:8080`; names are not resolved.")
        })?;
        Ok(Self { tls, address })
    }

    fn spell(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "http://127.0.0.1:8080" }
    }
}

weir_schema::leaves!(Target);
