//! The test server as a verb.

use crate::failure::{UNAVAILABLE, failure};
use anyhow::Result;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Respond {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9001")]
    bind: SocketAddr,
    /// A name that its answers carry.
    #[arg(long, default_value = "one")]
    name: String,
}

impl Respond {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let listener = open(self.bind)?;
        println!("weir respond: http://{}", listener.local_addr()?);
        weir_control::run(weir_control::origin::run(listener, self.name))??;
        Ok(ExitCode::SUCCESS)
    }
}

/// Binds, or says which address could not be had.
pub(crate) fn open(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        failure(UNAVAILABLE, format!("cannot listen on {address}: {error}; name another address with --bind"))
    })
}
