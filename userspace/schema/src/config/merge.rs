//! One tree of several files: lists follow one another, sections and mappings of names unite, a single setting stands in one file.

use std::collections::HashMap;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::node::{Key, Kind, Node};
use crate::span::Span;

/// Sections that are mappings from names.
const NAMED: &[&str] = &["policies", "consumers", "upstreams"];
/// Lists of networks of the shield, which may be written short: as networks only.
const NETWORKS: &[&str] = &["allow", "deny"];

/// Merges the trees of all files, the main one first.
pub(super) fn merge(trees: impl Iterator<Item = Node>, report: &mut Report) -> Node {
    let mut whole: Option<Node> = None;
    for tree in trees {
        match whole.as_mut() {
            None => whole = Some(tree),
            Some(whole) => file(whole, tree, report),
        }
    }
    whole.unwrap_or_else(Node::empty_map)
}

fn file(whole: &mut Node, part: Node, report: &mut Report) {
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
    unite(whole, entries, report);
}

fn unite(whole: &mut Vec<(Key, Node)>, entries: Vec<(Key, Node)>, report: &mut Report) {
    for (key, node) in entries {
        match whole.iter_mut().find(|(name, _)| name.text == key.text) {
            None => whole.push((key, node)),
            Some((first, existing)) => join(first, existing, &key, node, report),
        }
    }
}

/// Joins what two files say under one key.
fn join(first: &Key, existing: &mut Node, key: &Key, mut node: Node, report: &mut Report) {
    if key.text == "version" {
        return;
    }
    if NETWORKS.contains(&key.text.as_str()) {
        spread(existing);
        spread(&mut node);
    }
    match (&mut existing.kind, node.kind) {
        (Kind::Null, kind) => existing.kind = kind,
        (_, Kind::Null) => {}
        (Kind::List(all), Kind::List(more)) => all.extend(more),
        (Kind::Map(all), Kind::Map(more)) if NAMED.contains(&key.text.as_str()) => {
            names(key, all, more, report);
        }
        (Kind::Map(all), Kind::Map(more)) => unite(all, more, report),
        _ => {
            let message = format!("`{}` is already set by another file", key.text);
            let found = Diagnostic::new(Code::DuplicateKey, key.span, message).also(first.span, "the first");
            report.push(
                found.hint("Lists and sections may be spread over files; a single setting stands in one."),
            );
        }
    }
}

/// Writes a list of networks out, so that it can be joined with one that names files.
fn spread(node: &mut Node) {
    if matches!(node.kind, Kind::Scalar(_)) {
        node.kind = Kind::List(vec![node.clone()]);
    }
    if matches!(node.kind, Kind::List(_)) {
        let key = Key { text: "cidrs".to_owned(), span: node.span };
        node.kind = Kind::Map(vec![(key, node.clone())]);
    }
}

fn names(key: &Key, all: &mut Vec<(Key, Node)>, more: Vec<(Key, Node)>, report: &mut Report) {
    let known: HashMap<String, Span> = all.iter().map(|(name, _)| (name.text.clone(), name.span)).collect();
    for (name, node) in more {
        match known.get(&name.text) {
            None => all.push((name, node)),
            Some(at) => {
                let message = format!("`{}` is already one of the {}", name.text, key.text);
                report.push(Diagnostic::new(Code::DuplicateName, name.span, message).also(*at, "the first"));
            }
        }
    }
}
