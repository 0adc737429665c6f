//! HTTP/1 on both sides: what belongs to a connection rather than to an exchange.
mod inflow;
mod outflow;
pub(crate) mod server;
pub(crate) mod splice;

pub(crate) use inflow::Inflow;
pub(crate) use outflow::Outflow;
