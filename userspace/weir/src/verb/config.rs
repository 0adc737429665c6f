//! Verbs about a configuration that need no running program.

use super::running::versioned;
use super::{CONFIG, Output};
use crate::failure::{self, failure};
use crate::files;
use crate::load::check;
use crate::rehearsal;
use anyhow::Result;
use serde_json::json;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_schema::diagnostic::Style;
use weir_schema::lookup::Anything;
use weir_schema::{Code, Format, parse};

#[derive(clap::Args)]
pub(crate) struct Validate {
    /// The configuration; `-` is standard input. Files of `conf.d` beside it belong to it.
    #[arg(short, long, default_value = CONFIG)]
    config: PathBuf,
    /// Leave everything outside the configuration alone: environment, secrets, keys, the kernel.
    #[arg(long)]
    offline: bool,
    /// How to print what is found.
    #[arg(short = 'o', long = "output", visible_alias = "format", value_enum, default_value = "text")]
    format: Printed,
}

/// How diagnostics are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Printed {
    /// With excerpt, caret and hints.
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
}

impl Validate {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let sources = files::sources(&self.config)?;
        let mut notes = Vec::new();
        let report = if self.offline {
            parse(&sources, &Anything).report
        } else {
            let (checked, mut report) = check(&sources, None);
            if let Some((config, plan)) = &checked {
                notes = rehearsal::shield(config, plan, &mut report);
                report.sort();
            }
            report
        };
        let format = match self.format {
            Printed::Text => Format::Text,
            Printed::Json => Format::Json,
            Printed::Sarif => Format::Sarif,
        };
        let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
        if report.is_empty() && self.format == Printed::Text {
            println!("{}: valid", self.config.display());
        } else {
            println!("{}", report.write(&sources, format, style).trim_end());
        }
        let outside = [Code::EnvUndefined, Code::FileUnreadable, Code::CredentialMissing];
        if report.iter().any(|found| outside.contains(&found.code)) {
            notes.push(String::from(
                "what the configuration refers to was looked for on this machine; --offline leaves that alone",
            ));
        }
        notes.iter().for_each(|note| eprintln!("{note}"));
        Ok(ExitCode::from(u8::from(report.has_errors())))
    }
}

#[derive(clap::Args)]
pub(crate) struct Explain {
    /// The code of a diagnostic, for example E0103; without one, all codes are listed.
    code: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Explain {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let told =
            |code: &Code| json!({ "code": code.as_str(), "title": code.title(), "text": code.explain() });
        let Some(number) = self.code else {
            match self.output {
                Output::Text => {
                    Code::ALL.iter().for_each(|code| println!("{}  {}", code.as_str(), code.title()));
                }
                Output::Json => println!("{:#}", versioned(Code::ALL.iter().map(told).collect())),
            }
            return Ok(ExitCode::SUCCESS);
        };
        let unknown =
            || failure(failure::USAGE, format!("there is no code {number}; `weir explain` lists them"));
        let code = Code::find(&number).ok_or_else(unknown)?;
        match self.output {
            Output::Text => println!("{}: {}\n\n{}", code.as_str(), code.title(), code.explain()),
            Output::Json => println!("{:#}", versioned(told(&code))),
        }
        Ok(ExitCode::SUCCESS)
    }
}
