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
use weir_schema::{Code, Format, explain, parse};

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
    /// The code of a diagnostic such as E0103, or a key such as `routes.match`; without one, all codes are listed.
    what: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Explain {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let of_code =
            |code: &Code| json!({ "code": code.as_str(), "title": code.title(), "text": code.explain() });
        let Some(what) = self.what else {
            match self.output {
                Output::Text => {
                    Code::ALL.iter().for_each(|code| println!("{}  {}", code.as_str(), code.title()));
                }
                Output::Json => println!("{:#}", versioned(Code::ALL.iter().map(of_code).collect())),
            }
            return Ok(ExitCode::SUCCESS);
        };
        let unknown = |why| {
            failure(
                failure::USAGE,
                format!("{why}; `weir explain` lists all codes, docs/configuration.md all keys"),
            )
        };
        let text = explain(&what).map_err(unknown)?;
        match (self.output, Code::find(&what)) {
            (Output::Text, _) => print!("{text}"),
            (Output::Json, Some(code)) => println!("{:#}", versioned(of_code(&code))),
            (Output::Json, None) => println!("{:#}", versioned(json!({ "key": what, "text": text }))),
        }
        Ok(ExitCode::SUCCESS)
    }
}
