//! `cargo xtask bench`: the benches of all rooms and the proxies side by side, gathered into one table.

mod baseline;
mod goal;
mod machine;
mod proxies;
mod quote;
mod room;
mod row;

use crate::root;
use anyhow::{Context, Result};
use row::Row;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

/// A goal that was met is no longer.
const FALLEN: u8 = 99;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The XDP program, by the kernel's own test runner.
    Xdp,
    /// The relay that parses nothing, on this reactor and on others.
    Reactor,
    /// Compiling configurations, finding routes; reloads and scrapes under load.
    Plan,
    /// weir, nginx and HAProxy side by side.
    Proxy,
    /// Tokens and limits.
    Policy,
    /// Choosing targets.
    Balance,
    /// All of it.
    All,
}

/// Measure: the benches of the rooms, and weir beside nginx and HAProxy. Writes `target/bench/summary.json`.
///
/// Every number is a ratio of two things measured in turns in one run. A row whose answers were not all right is void.
/// The exit code is 99 if a goal that the committed baseline meets is missed by more than its spread.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    part: Part,
    /// Fewer rounds
    #[arg(long)]
    quick: bool,
    /// Write the rows down as the new baseline, which the README quotes
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = root::folder();
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).context("cannot make target/bench")?;
    let wanted = || room::ROOMS.iter().filter(|room| wants(arguments.part, room.part));
    wanted().try_for_each(|room| room.build(&root))?;
    if wants(arguments.part, Part::Proxy) {
        proxies::build(&root)?;
    }
    let (started, since) = (Instant::now(), SystemTime::now());
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for room in wanted() {
        let begun = Instant::now();
        match room.run(&root, arguments.quick, since) {
            // One bench may serve two parts.
            Ok(found) => {
                let new = found.into_iter().filter(|row| !rows.iter().any(|old: &Row| old.is_same(row)));
                rows.extend(new.collect::<Vec<_>>());
            }
            Err(error) => failures.push(format!("{}: {error:#}", room.bench)),
        }
        println!("{} {} took {} s", room.package, room.bench, begun.elapsed().as_secs());
    }
    if wants(arguments.part, Part::Proxy) {
        rows.extend(proxies::run(&root, arguments.quick, &mut failures)?);
    }
    let whole = arguments.part == Part::All;
    let rows = goal::complete(&rows, whole);
    let took = format!(
        "Measured in {} s{}, everything compiled before.",
        started.elapsed().as_secs(),
        if arguments.quick { " with few rounds" } else { "" }
    );
    let dated = write(&folder, &rows, &took)?;
    println!("\n{}", row::table(&rows));
    println!("{took}\n{}\n{}", folder.join("summary.json").display(), dated.display());
    for failure in &failures {
        println!("not measured: {failure}");
    }
    let committed = root.join("loadtest/baseline.json");
    if arguments.bless {
        quote::write(&root.join("README.md"), &baseline::write(&committed, &rows)?)?;
    }
    Ok(judge(&baseline::fallen(&committed, &rows)?))
}

fn judge(fallen: &[String]) -> ExitCode {
    for row in fallen {
        println!("no longer met: {row}");
    }
    if fallen.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FALLEN) }
}

fn wants(asked: Part, part: Part) -> bool {
    asked == part || asked == Part::All
}

/// The list that other programs read, and beside it a report of this moment that is not written over.
fn write(folder: &Path, rows: &[Row], took: &str) -> Result<PathBuf> {
    let list: Vec<_> = rows.iter().map(|row| row.0.clone()).collect();
    let text = serde_json::to_string_pretty(&json!(list))?;
    fs::write(folder.join("summary.json"), &text).context("cannot write the summary")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let dated = folder.join(format!("{}.md", moment(now)));
    let report = format!(
        "# {}\n\n{}\n\n{took}\n\n{}",
        moment(now),
        machine::describe(),
        row::markdown(&rows.iter().collect::<Vec<_>>())
    );
    fs::write(&dated, report).with_context(|| format!("cannot write {}", dated.display()))?;
    Ok(dated)
}

/// A moment as files are named by it, `2026-11-21-093000` in UTC.
fn moment(unix_seconds: u64) -> String {
    let (hours, minutes) = (unix_seconds / 3600 % 24, unix_seconds / 60 % 60);
    format!("{}-{hours:02}{minutes:02}{:02}", day(unix_seconds), unix_seconds % 60)
}

/// The date of a moment, `2026-11-21`.
fn day(unix_seconds: u64) -> String {
    let mut days = i64::try_from(unix_seconds / 86_400).unwrap_or(0);
    // Counted from 1 March of year 0, the leap day is the last of its year.
    days += 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_has_fallen_ends_with_99() {
        let code = |fallen: &[String]| format!("{:?}", judge(fallen));
        assert_eq!(code(&[String::from("P1")]), format!("{:?}", ExitCode::from(99)));
        assert_eq!(code(&[]), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn moments_are_dates_with_a_time() {
        assert_eq!(moment(951_782_400 + 3 * 3600 + 4 * 60 + 5), "2000-02-29-030405");
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(1_798_675_200), "2026-12-31");
    }
}
