//! `cargo xtask lint`: the rules of the house, each a small check over the whole tree.

mod banned;
mod cargo;
mod comments;
mod duplicates;
mod finding;
mod floors;
mod gate;
mod generated;
mod names;
mod opening;
mod owners;
mod prebuilt;
mod pure;
mod safety;
mod security;
mod size;
mod source;
mod tree;
mod words;

use anyhow::{Result, bail};
use finding::Finding;
use tree::Tree;

/// Check the rules of the house, rustfmt and clippy; everything wrong is named with its place and what to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Say why a rule exists and how to keep it; without a name, list the rules
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
    /// Check the rules of the house only, without rustfmt and clippy
    #[arg(long)]
    rules_only: bool,
}

/// One rule of the house.
struct Rule {
    name: &'static str,
    /// What it asks and why, for `--explain`.
    explain: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

/// Every rule, in the order they are reported.
const RULES: &[Rule] = &[
    floors::RULE,
    cargo::RULE,
    security::RULE,
    banned::RULE,
    opening::RULE,
    size::FILES,
    size::FUNCTIONS,
    names::RULE,
    safety::COMMENTED,
    safety::PLACED,
    pure::RULE,
    owners::VERDICTS,
    owners::SCHEMA,
    owners::HOP,
    owners::METRICS,
    owners::STATUSES,
    comments::RULE,
    words::UNFINISHED,
    words::FOREIGN,
    duplicates::RULE,
    generated::RULE,
    prebuilt::RULE,
    gate::RULE,
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = &arguments.explain {
        return explain(name);
    }
    if arguments.rules_only {
        return rules();
    }
    let parts = [rules(), format(), clippy(&["--workspace".to_owned()])];
    let errors: Vec<String> =
        parts.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if errors.is_empty() { Ok(()) } else { bail!("{}", errors.join("\n  and: ")) }
}

/// Checks every rule of the house.
pub(crate) fn rules() -> Result<()> {
    let tree = Tree::read(&crate::root::folder())?;
    let mut broken = 0;
    for rule in RULES {
        for finding in (rule.check)(&tree) {
            broken += 1;
            println!("{}: {}: {}", finding.place, rule.name, finding.what);
        }
    }
    if broken > 0 {
        bail!("{broken} findings; `cargo xtask lint --explain RULE` says what a rule is for");
    }
    println!("{} rules hold for {} files", RULES.len(), tree.files().count());
    Ok(())
}

/// rustfmt, for both workspaces.
pub(crate) fn format() -> Result<()> {
    crate::component::require("rustfmt", "cargo-fmt")?;
    let root = crate::root::folder();
    for folder in [root.clone(), root.join("ebpf")] {
        crate::shell::run(crate::shell::command("fmt").args(["--all", "--", "--check"]).current_dir(folder))?;
    }
    Ok(())
}

/// clippy with the lint table of the workspace; a warning is an error here.
pub(crate) fn clippy(packages: &[String]) -> Result<()> {
    crate::component::require("clippy", "cargo-clippy")?;
    let mut clippy = crate::shell::command("clippy");
    clippy.args(packages).args([
        "--all-targets",
        "--keep-going",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    crate::shell::run(clippy.current_dir(crate::root::folder()))
}

fn explain(name: &str) -> Result<()> {
    if name.is_empty() {
        for rule in RULES {
            println!("{}", rule.name);
        }
        return Ok(());
    }
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        bail!("no rule is called {name}; `cargo xtask lint --explain` lists them");
    };
    println!("{}: {}", rule.name, rule.explain);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_name_and_a_text() {
        for (at, rule) in RULES.iter().enumerate() {
            assert!(rule.explain.len() > 60, "{} explains nothing", rule.name);
            assert!(
                RULES.iter().skip(at + 1).all(|other| other.name != rule.name),
                "{} stands twice",
                rule.name
            );
        }
    }
}
