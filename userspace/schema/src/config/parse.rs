//! From texts to one checked configuration: parse each file, merge, read, check.

use crate::config::{Config, check, merge, trail};
use crate::diagnostic::Report;
use crate::lookup::Lookup;
use crate::node::Node;
use crate::reader::Reader;
use crate::source::Sources;
use crate::value::Value;
use crate::yaml;

/// What came of the files.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The configuration; with errors in the report it must not be used. `None` if too little could be read.
    pub config: Option<Config>,
    /// Everything there is to say.
    pub report: Report,
}

impl Outcome {
    /// The configuration, unless there are errors.
    ///
    /// # Errors
    /// The report.
    pub fn into_result(self) -> Result<(Config, Report), Report> {
        match self.config {
            Some(config) if !self.report.has_errors() => Ok((config, self.report)),
            _ => Err(self.report),
        }
    }
}

/// Reads the files of a configuration; reports everything that is wrong with them at once.
#[must_use]
pub fn parse(sources: &Sources, lookup: &dyn Lookup) -> Outcome {
    let mut report = Report::default();
    let trees: Vec<Option<Node>> =
        sources.iter().map(|(file, source)| yaml::parse(&source.text, file, &mut report)).collect();
    // What a broken file would have said is unknown, so everything that follows from it would be noise.
    if trees.iter().any(Option::is_none) || trees.is_empty() {
        return Outcome { config: None, report };
    }
    let tree = merge::merge(trees.into_iter().flatten(), &mut report);
    let mut reader = Reader::new(lookup);
    let mut config = Config::read(&tree, &mut reader);
    let (found, broken) = reader.finish();
    report.extend(found);
    if let Some(config) = &mut config {
        check::check(config, &broken, &mut report);
    }
    trail::mark(&tree, &mut report);
    report.sort();
    Outcome { config, report }
}
