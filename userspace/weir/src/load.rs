//! From the texts of a configuration to a plan: parse, compile. Warnings and errors come back as one text.

use crate::failure::{CONFIG, failure};
use crate::files::{Nowhere, Witness};
use anyhow::Result;
use rustls_pki_types::UnixTime;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use weir_plan::{Outside, Plan, compile};
use weir_schema::diagnostic::Style;
use weir_schema::lookup::Anything;
use weir_schema::{Config, Format, Report, Sources, parse};

/// A configuration that can run.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// As written: what only the control thread obeys stands here.
    pub(crate) config: Arc<Config>,
    /// As meant: what kernel and workers obey.
    pub(crate) plan: Arc<Plan>,
    /// Its texts.
    pub(crate) sources: Arc<Sources>,
    /// The files that it refers to.
    pub(crate) seen: Arc<BTreeSet<PathBuf>>,
    /// What tells its text from any other.
    pub(crate) hash: String,
    /// What is legal and surely not meant, ready to print; empty if there is nothing.
    pub(crate) warnings: String,
}

/// What came of a configuration: as written and as meant, unless there are errors; and all there is to say.
type Checked = (Option<(Arc<Config>, Plan)>, Report);

/// Compiles a configuration; the plan in force hands on what its clients hold.
pub(crate) fn load(sources: Sources, before: Option<&Plan>) -> Result<Loaded> {
    let witness = Witness::default();
    let checked = check_by(&witness, &sources, before);
    loaded(sources, witness.seen(), checked)
}

/// Compiles a configuration of which nothing is opened: it shows which way requests take, and cannot run.
pub(crate) fn load_offline(sources: Sources) -> Result<Loaded> {
    let (config, report) = match parse(&sources, &Anything).into_result() {
        Ok(parsed) => parsed,
        Err(report) => return loaded(sources, BTreeSet::new(), (None, report)),
    };
    let outside = Outside { files: &Nowhere, now: UnixTime::now(), before: None };
    let outcome = compile(&Arc::new(config.clone().unopened()), &outside);
    let plan = outcome.plan.map(|plan| (Arc::new(config), plan));
    // What is legal and not meant was said by what is whole; of the rest only errors count.
    let report = if plan.is_some() { report } else { outcome.report };
    loaded(sources, BTreeSet::new(), (plan, report))
}

fn loaded(sources: Sources, seen: BTreeSet<PathBuf>, (checked, report): Checked) -> Result<Loaded> {
    let text =
        if report.is_empty() { String::new() } else { report.write(&sources, Format::Text, Style::Plain) };
    match checked {
        Some((config, plan)) => Ok(Loaded {
            config,
            plan: Arc::new(plan),
            seen: Arc::new(seen),
            hash: hash(&sources),
            sources: Arc::new(sources),
            warnings: text,
        }),
        None => Err(failure(CONFIG, format!("the configuration is refused\n\n{}", text.trim_end()))),
    }
}

/// SHA-256 over the texts of all files in their order, each behind its length, in hexadecimal.
pub(crate) fn hash(sources: &Sources) -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for (_, source) in sources.iter() {
        digest.update(&(source.text.len() as u64).to_be_bytes());
        digest.update(source.text.as_bytes());
    }
    digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses and compiles; without a plan, the report says why.
pub(crate) fn check(sources: &Sources, before: Option<&Plan>) -> Checked {
    check_by(&Witness::default(), sources, before)
}

fn check_by(witness: &Witness, sources: &Sources, before: Option<&Plan>) -> Checked {
    let (config, mut report) = match parse(sources, witness).into_result() {
        Ok(parsed) => parsed,
        Err(report) => return (None, report),
    };
    let outside = Outside { files: witness, now: UnixTime::now(), before };
    let config = Arc::new(config);
    let outcome = compile(&config, &outside);
    report.extend(outcome.report);
    report.sort();
    (outcome.plan.map(|plan| (config, plan)), report)
}
