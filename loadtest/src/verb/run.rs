//! `run`: carries out scenarios and leaves reports.

use crate::loopback;
use crate::peer::Programs;
use crate::report::{hdr, html, json, terminal};
use crate::scenario::Scenario;
use crate::siege::Field;
use crate::trial::{Options, Trial, carry_out};
use crate::verdict::thresholds;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A threshold was not kept.
const THRESHOLD: u8 = 99;

/// As shells have it for a program that ended on an interrupt.
const INTERRUPTED: u8 = 130;

/// Runs this program again where the scenario wants it.
type Enter = fn(&[String]) -> Result<ExitStatus>;

/// Carry out scenarios: load, measure, report. Exit code 99 says that a threshold was not kept.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Scenario files.
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Reports and generated configurations go below this folder.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// The weir to start; left out, the one beside this program.
    #[arg(long)]
    weir: Option<PathBuf>,
    /// The relay bench of the reactor, for the row that shows what the kernel alone costs.
    #[arg(long)]
    floor: Option<PathBuf>,
    /// At most so many rounds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Leave out peers that no goal of the scenario compares.
    #[arg(long)]
    goals_only: bool,
    /// The field in which this process stands; set by itself.
    #[arg(long, hide = true)]
    field: Option<String>,
    /// This process stands in a network namespace of its own; set by itself.
    #[arg(long, hide = true)]
    alone: bool,
    /// Only read the scenarios and say what is wrong with them.
    #[arg(long)]
    check: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let scenarios = self.scenarios.iter().map(|path| Scenario::read(path)).collect::<Result<Vec<_>>>()?;
        if self.check {
            return Ok(ExitCode::SUCCESS);
        }
        take_all_descriptors();
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot watch for signals")?;
        }
        let any = |wants: fn(&Scenario) -> bool| scenarios.iter().any(|(scenario, _)| wants(scenario));
        let enter_anew: Option<Enter> = if self.field.is_none() && any(|scenario| scenario.siege.is_some()) {
            Some(Field::enter_anew)
        } else if !self.alone && any(Scenario::wants_own_loopback) {
            Some(loopback::enter_anew)
        } else {
            None
        };
        if let Some(enter_anew) = enter_anew {
            let arguments: Vec<String> = std::env::args().skip(1).collect();
            let status = enter_anew(&arguments)?;
            return Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)));
        }
        let programs = Programs { weir: self.weir, floor: self.floor };
        let options = Options {
            programs,
            folder: self.out,
            rounds_max: self.rounds,
            goals_only: self.goals_only,
            field: self.field,
            is_alone: self.alone,
            stop,
        };
        let mut holds = true;
        for scenario in scenarios {
            let trial = carry_out(scenario, &options, terminal::progress)?;
            print!("{}", terminal::summary(&trial));
            let report = write(&trial, &options.folder)?;
            println!("report: {}", report.display());
            holds &= thresholds(&trial).iter().all(|verdict| verdict.holds);
            if trial.is_partial {
                return Ok(ExitCode::from(INTERRUPTED));
            }
        }
        Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(THRESHOLD) })
    }
}

/// Each connection needs one, and so do the peers. What cannot be had is told where it lacks.
fn take_all_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        setrlimit(Resource::RLIMIT_NOFILE, most, most).ok();
    }
}

/// Writes the files of one trial and returns the one to look at.
fn write(trial: &Trial, folder: &Path) -> Result<PathBuf> {
    let folder = folder.join(trial.scenario.name.as_str());
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    write("latency.hlog", &hdr::log(trial)?)?;
    let document = json::document(trial);
    write("report.json", serde_json::to_string_pretty(&document)?.as_bytes())?;
    write("report.html", html::page(&document).as_bytes())
}
