//! The server behind the peers: `/bytes/N` answers N bytes of a known pattern, over HTTP/1.1 or HTTP/2.

pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod pattern;
pub(crate) mod serve;

pub(crate) use serve::Origin;
