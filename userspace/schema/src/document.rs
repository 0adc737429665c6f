//! One file of another kind than the configuration, declared by the same macros and read with the same care.

use crate::config::trail;
use crate::diagnostic::Report;
use crate::lookup::Lookup;
use crate::reader::Reader;
use crate::source::Sources;
use crate::value::Value;
use crate::yaml;

/// Reads the first file as a `T`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read<T: Value>(sources: &Sources, lookup: &dyn Lookup) -> Result<T, Report> {
    let mut report = Report::default();
    let text = sources.iter().next().map_or("", |(_, source)| source.text.as_str());
    let Some(tree) = yaml::parse(text, 0, &mut report) else { return Err(report) };
    let mut reader = Reader::new(lookup);
    let value = T::read(&tree, &mut reader);
    let (found, _) = reader.finish();
    report.extend(found);
    trail::mark(&tree, &mut report);
    report.sort();
    value.filter(|_| !report.has_errors()).ok_or(report)
}
