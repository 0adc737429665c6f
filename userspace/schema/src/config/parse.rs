//! From texts to one checked configuration: parse each file, merge, read, check.

use crate::code::Code;
use crate::config::{Config, check, trail};
use crate::diagnostic::{Diagnostic, Report};
use crate::hint;
use crate::lookup::Lookup;
use crate::node::{Key, Kind, Node};
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
    let tree = merge(trees.into_iter().flatten(), &mut report);
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

/// One tree of several files: lists follow one another, mappings of names unite, single settings stand in one file only.
fn merge(trees: impl Iterator<Item = Node>, report: &mut Report) -> Node {
    let mut whole: Option<Node> = None;
    for tree in trees {
        match whole.as_mut() {
            None => whole = Some(tree),
            Some(whole) => unite(whole, tree, report),
        }
    }
    whole.unwrap_or_else(Node::empty_map)
}

fn unite(whole: &mut Node, part: Node, report: &mut Report) {
    let span = part.span;
    let Kind::Map(entries) = part.kind else {
        if !matches!(part.kind, Kind::Null) {
            report.push(Diagnostic::new(
                Code::WrongKind,
                span,
                "a file of `conf.d` is a mapping, like the main file",
            ));
        }
        return;
    };
    if matches!(whole.kind, Kind::Null) {
        whole.kind = Kind::Map(Vec::new());
    }
    let Kind::Map(whole) = &mut whole.kind else { return };
    for (key, node) in entries {
        match whole.iter_mut().find(|(name, _)| name.text == key.text) {
            None => whole.push((key, node)),
            Some((first, existing)) => join(first, existing, &key, node, report),
        }
    }
}

/// Joins what two files say under one key.
fn join(first: &Key, existing: &mut Node, key: &Key, node: Node, report: &mut Report) {
    if key.text == "version" {
        return;
    }
    match (&mut existing.kind, node.kind) {
        (Kind::Null, kind) => existing.kind = kind,
        (_, Kind::Null) => {}
        (Kind::List(all), Kind::List(more)) => all.extend(more),
        (Kind::Map(all), Kind::Map(more)) if NAMED.contains(&key.text.as_str()) => {
            let known: std::collections::HashMap<String, crate::span::Span> =
                all.iter().map(|(name, _)| (name.text.clone(), name.span)).collect();
            for (name, node) in more {
                match known.get(&name.text) {
                    None => all.push((name, node)),
                    Some(at) => {
                        let message = format!("`{}` is already one of the {}", name.text, key.text);
                        report.push(
                            Diagnostic::new(Code::DuplicateName, name.span, message).also(*at, "the first"),
                        );
                    }
                }
            }
        }
        _ => {
            let message =
                format!("{} is already set by another file", hint::list(&[format!("`{}`", key.text)]));
            let found = Diagnostic::new(Code::DuplicateKey, key.span, message).also(first.span, "the first");
            report.push(found.hint(
                "Lists and mappings of names may be spread over files; a section of settings stands in one.",
            ));
        }
    }
}

/// Sections that are mappings from names.
const NAMED: &[&str] = &["policies", "consumers", "upstreams"];
