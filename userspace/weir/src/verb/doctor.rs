//! What this host has and lacks for weir, with the command that mends each lack.

use super::running::versioned;
use super::{CONFIG, Output};
use crate::files;
use crate::guard::meant;
use crate::load::check;
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_kernel::Host;
use weir_kernel::doctor::{Finding, Health, examine, worst};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Judge the host by this configuration; without the file, by the defaults.
    #[arg(short, long, default_value = CONFIG)]
    config: PathBuf,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Doctor {
    /// Exit code 1 if something that the configuration asks for cannot work.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let shield = match self.config.exists() {
            true => check(&files::sources(&self.config)?, None).0.map(|(_, plan)| meant(&plan)),
            false => None,
        };
        let report = examine(&shield.unwrap_or_default(), &Host::default());
        match self.output {
            Output::Json => println!("{:#}", versioned(json!({ "findings": report }))),
            Output::Text => report.iter().for_each(print),
        }
        Ok(ExitCode::from(u8::from(worst(&report) == Health::Fault)))
    }
}

fn print(finding: &Finding) {
    let health = match finding.health {
        Health::Ok => "ok     ",
        Health::Warning => "warning",
        Health::Fault => "fault  ",
    };
    println!("{health}  {:<22}  {}", finding.subject, finding.found);
    if !finding.mend.is_empty() {
        println!("         {:<22}  mend: {}", "", finding.mend);
    }
}
