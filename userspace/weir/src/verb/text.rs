//! Verbs that turn one text into another: tidy files, the configuration as it holds, the schema, a first file.

use super::CONFIG;
use crate::failure::{CONFIG as EX_CONFIG, failure};
use crate::files;
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_schema::diagnostic::Style;
use weir_schema::lookup::AsWritten;
use weir_schema::render::Detail;
use weir_schema::{Format, Lookup, Report, Sources, fmt, parse};

#[derive(clap::Args)]
pub(crate) struct Fmt {
    /// The files; `-` is standard input, whose tidy text is printed.
    #[arg(default_value = CONFIG)]
    files: Vec<PathBuf>,
    /// Change nothing; fail if a file is not tidy.
    #[arg(long, conflicts_with_all = ["diff", "write"])]
    check: bool,
    /// Show what would change.
    #[arg(long, conflicts_with = "write")]
    diff: bool,
    /// Write the tidy text back.
    #[arg(short, long)]
    write: bool,
}

impl Fmt {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut untidy = false;
        for path in &self.files {
            let name = path.to_string_lossy();
            let is_stdin = path.as_os_str() == "-";
            let old = if is_stdin {
                std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string())
            } else {
                files::read(path)
            };
            let old = old.map_err(|why| {
                failure(
                    EX_CONFIG,
                    format!("cannot read {name}: {why}; name a file, or `-` for standard input"),
                )
            })?;
            let new = fmt::format(&old)
                .map_err(|report| refused(&report, &Sources::one(name.clone(), old.clone())))?;
            untidy |= new != old;
            if self.write && !is_stdin && new != old {
                std::fs::write(path, &new).with_context(|| format!("cannot write {name}"))?;
            } else if self.diff {
                print!("{}", fmt::unified(&name, &old, &new));
            } else if self.check && new != old {
                println!("{name} is not tidy; `weir fmt --write {name}` mends it");
            } else if !self.check && (!self.write || is_stdin) {
                print!("{new}");
            }
        }
        Ok(ExitCode::from(u8::from(untidy && (self.check || self.diff))))
    }
}

#[derive(clap::Args)]
pub(crate) struct Render {
    /// The configuration. Files of `conf.d` beside it belong to it.
    #[arg(short, long, default_value = CONFIG)]
    config: PathBuf,
    /// Show every default as well.
    #[arg(long)]
    defaults: bool,
    /// Say beside each value where it stands.
    #[arg(long)]
    origins: bool,
    /// Leave everything outside the configuration alone: environment, secrets. References stand as they are written; where a
    /// value is no text, they are left out.
    #[arg(long)]
    offline: bool,
}

impl Render {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let sources = files::sources(&self.config)?;
        let lookup: &dyn Lookup = if self.offline { &AsWritten } else { &files::Host };
        let parsed = parse(&sources, lookup).into_result();
        let (config, _) = parsed.map_err(|report| refused(&report, &sources))?;
        let detail = Detail { defaults: self.defaults, origins: self.origins };
        print!("{}", weir_schema::render(&config, &sources, detail));
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints the JSON Schema of the configuration, for editors.
pub(crate) fn schema() -> ExitCode {
    println!("{:#}", weir_schema::json_schema());
    ExitCode::SUCCESS
}

#[derive(clap::Args)]
pub(crate) struct Init {
    /// Where to write it; `-` is standard output. A file that is there already is kept.
    #[arg(default_value = "weir.yaml")]
    file: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> Result<ExitCode> {
        if self.file.as_os_str() == "-" {
            print!("{}", weir_schema::init());
            return Ok(ExitCode::SUCCESS);
        }
        let mut file = std::fs::File::create_new(&self.file).map_err(|error| {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => String::from("it is there already, and is kept"),
                _ => error.to_string(),
            };
            let words =
                format!("cannot write {}: {why}; name another file, or `-` to print it", self.file.display());
            failure(EX_CONFIG, words)
        })?;
        std::io::Write::write_all(&mut file, weir_schema::init().as_bytes())?;
        println!(
            "{} is written: edit its names and addresses, then `weir validate -c` it",
            self.file.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn refused(report: &Report, sources: &Sources) -> anyhow::Error {
    failure(
        EX_CONFIG,
        format!(
            "the configuration is refused\n\n{}",
            report.write(sources, Format::Text, Style::Plain).trim_end()
        ),
    )
}
