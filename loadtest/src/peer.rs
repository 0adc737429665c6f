//! The proxies of a comparison: their configurations, generated alike and kept for inspection, and their processes.

mod haproxy;
mod nginx;
mod process;
mod relay;
mod site;
mod weir;

pub(crate) use process::{Peer, end};
pub(crate) use site::find;
pub(crate) use site::{Material, Programs, Site};
pub(crate) use weir::program as weir_program;

use crate::scenario::PeerName;
use anyhow::Result;
use std::path::PathBuf;

/// How a peer is started.
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The port is not known before: the program prints its address.
    pub(crate) tells_address: bool,
}

/// Writes a peer's configuration and says how to start it.
///
/// # Errors
/// The folder cannot be written, or the program is not there.
pub(crate) fn prepare(name: PeerName, site: &Site) -> Result<Start> {
    match name {
        PeerName::Weir | PeerName::WeirLogged => weir::prepare(site),
        PeerName::Nginx | PeerName::NginxLogged => nginx::prepare(site),
        PeerName::Haproxy => haproxy::prepare(site),
        PeerName::Floor => relay::prepare(site),
    }
}
