//! The floor: a relay that parses nothing, from the benches of the reactor.

use super::{Site, Start};
use anyhow::{Context, Result};

pub(super) fn prepare(site: &Site<'_>) -> Result<Start> {
    let program = site.programs.floor.clone();
    let program =
        program.context("the relay of the reactor's bench is not built: `--floor FILE` says where it is")?;
    let arguments = ["serve".to_owned(), "weir".to_owned(), site.origin.to_string()].to_vec();
    Ok(Start { program, arguments, tells_address: true })
}
