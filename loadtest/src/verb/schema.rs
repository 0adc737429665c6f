//! `schema`: the JSON Schema of scenario files, for editors.

use crate::scenario::Scenario;
use anyhow::Result;
use std::process::ExitCode;
use weir_schema::json_schema;

/// Print the JSON Schema of scenario files.
#[derive(clap::Args)]
pub(crate) struct Schema;

impl Schema {
    pub(crate) fn run() -> Result<ExitCode> {
        let schema =
            json_schema::document::<Scenario>("weir-loadtest scenario", "One load test of weir-loadtest.");
        println!("{}", serde_json::to_string_pretty(&schema)?);
        Ok(ExitCode::SUCCESS)
    }
}
