//! The client: what it sends, over what, and how it judges what comes back.

pub(crate) mod answer;
pub(crate) mod duplex;
pub(crate) mod endpoint;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod mix;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod websocket;
pub(crate) mod wire;
