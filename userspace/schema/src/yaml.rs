//! YAML text to a tree of `Node`s: the one place that knows which parser reads it.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::node::{Key, Kind, Node, Scalar};
use crate::span::Span;

/// Values deeper than this are refused; the deepest key of the schema is at 9.
const DEPTH_MAX: usize = 64;
/// Values beyond this number are refused.
const NODES_MAX: usize = 20_000_000;
/// Values that aliases stand for, beyond which they are refused.
const COPIES_MAX: usize = 1_000_000;
/// Mappings up to this size are searched from the beginning for a key.
const SEARCHED_MAX: usize = 16;

/// Reads one document. What cannot be read is reported; `None` if nothing can be made of the text.
pub(crate) fn parse(text: &str, file: u16, report: &mut Report) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut tree = Tree { file, ..Tree::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => tree.take(event, span, report),
            Err(error) => Err(Box::new(syntax(&error, text, file))),
        };
        if let Err(diagnostic) = step {
            report.push(*diagnostic);
            return None;
        }
    }
    Some(tree.root.unwrap_or(Node { span: Span { file, len: 1, line: 1, column: 1 }, kind: Kind::Null }))
}

/// A collection that is being read.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
    seen: HashSet<String>,
}

#[derive(Default)]
struct Tree {
    file: u16,
    root: Option<Node>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    count: usize,
    copied: usize,
    documents: usize,
}

impl Tree {
    fn take(
        &mut self,
        event: Event<'_>,
        at: granit_parser::Span,
        report: &mut Report,
    ) -> Result<(), Box<Diagnostic>> {
        let span = self.span(at);
        if event.tag().is_some() {
            let span = at.tag_span().map_or(span, |tag| self.span(tag));
            let message = "a tag (`!…`) has no meaning in this file";
            return Err(Diagnostic::new(Code::NotUsed, span, message).hint("Leave the tag out.").into());
        }
        match event {
            Event::DocumentStart(..) => return self.document(span),
            Event::MappingStart(_, anchor, _) => self.open(span, Kind::Map(Vec::new()), anchor),
            Event::SequenceStart(_, anchor, _) => self.open(span, Kind::List(Vec::new()), anchor),
            Event::MappingEnd | Event::SequenceEnd => return self.close(report),
            Event::Scalar(text, style, anchor, _) => {
                let node = Node { span, kind: scalar(text.into_owned(), style, at) };
                return self.put(node, anchor, report);
            }
            Event::Alias(anchor) => {
                let node = self.alias(anchor, span)?;
                return self.put(node, 0, report);
            }
            _ => {}
        }
        Ok(())
    }

    /// A copy of what an alias names; many small ones can name a great deal, so copies are counted before they are made.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Box<Diagnostic>> {
        let inside = || Diagnostic::new(Code::NotUsed, span, "an alias cannot stand inside what it names");
        let node = self.anchors.get(&anchor).ok_or_else(inside).map_err(Box::new)?;
        self.copied = self.copied.saturating_add(size(node));
        if self.copied > COPIES_MAX {
            let message = format!("aliases stand for more than {COPIES_MAX} values");
            return Err(Diagnostic::new(Code::TooLarge, span, message).into());
        }
        Ok(Node { span, ..node.clone() })
    }

    fn document(&mut self, span: Span) -> Result<(), Box<Diagnostic>> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let message = "a second document begins here, but a file holds one";
        let hint = "Put the second document into a file of its own under `conf.d`.";
        Err(Diagnostic::new(Code::NotUsed, span, message).hint(hint).into())
    }

    fn open(&mut self, span: Span, kind: Kind, anchor: usize) {
        self.stack.push(Open { node: Node { span, kind }, anchor, key: None, seen: HashSet::new() });
    }

    fn close(&mut self, report: &mut Report) -> Result<(), Box<Diagnostic>> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        self.put(open.node, open.anchor, report)
    }

    /// Hangs a finished node where it belongs: as key, value, item or root.
    fn put(&mut self, node: Node, anchor: usize, report: &mut Report) -> Result<(), Box<Diagnostic>> {
        self.count = self.count.saturating_add(1);
        if self.count > NODES_MAX {
            let message = format!("more than {NODES_MAX} values in one file");
            return Err(Diagnostic::new(Code::TooLarge, node.span, message).into());
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match parent.key.take() {
                None => parent.key = Some(key(node)?),
                Some(key) if is_new(&key, entries, &mut parent.seen) => entries.push((key, node)),
                Some(key) => report.push(duplicate(&key, entries)),
            },
            Kind::Null | Kind::Scalar(_) => {}
        }
        Ok(())
    }

    fn span(&self, at: granit_parser::Span) -> Span {
        let one_line = at.end.line() == at.start.line();
        let len = if one_line { at.end.col().saturating_sub(at.start.col()) } else { 1 };
        place(self.file, &at.start, len)
    }
}

fn place(file: u16, mark: &Marker, len: usize) -> Span {
    let line = u32::try_from(mark.line()).unwrap_or(u32::MAX);
    let column = u32::try_from(mark.col().saturating_add(1)).unwrap_or(u32::MAX);
    Span { file, len: u16::try_from(len.max(1)).unwrap_or(u16::MAX), line, column }
}

/// Small mappings are searched; large ones have their keys in a set as well.
fn is_new(key: &Key, entries: &[(Key, Node)], seen: &mut HashSet<String>) -> bool {
    if entries.len() < SEARCHED_MAX {
        return !entries.iter().any(|(known, _)| known.text == key.text);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|(known, _)| known.text.clone()));
    }
    seen.insert(key.text.clone())
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::List(items) => items.iter().map(size).fold(1, usize::saturating_add),
        Kind::Map(entries) => entries.iter().map(|(_, node)| size(node)).fold(1, usize::saturating_add),
        Kind::Null | Kind::Scalar(_) => 1,
    }
}

fn scalar(text: String, style: ScalarStyle, at: granit_parser::Span) -> Kind {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Kind::Null;
    }
    let written = at.end.index().saturating_sub(at.start.index());
    let quotes = if plain { 0 } else { 2 };
    let straight = at.start.line() == at.end.line() && text.chars().count().saturating_add(quotes) == written;
    Kind::Scalar(Scalar { text, inset: straight.then_some(u16::from(!plain)) })
}

fn key(node: Node) -> Result<Key, Box<Diagnostic>> {
    match node.kind {
        Kind::Scalar(scalar) => Ok(Key { text: scalar.text, span: node.span }),
        Kind::Null => Ok(Key { text: "null".to_owned(), span: node.span }),
        Kind::List(_) | Kind::Map(_) => {
            let found =
                Diagnostic::new(Code::NotUsed, node.span, "a key is a single word, not a list or mapping");
            let hint = "If this was meant as `${…}`, put quotes around it: braces begin a mapping in YAML.";
            Err(found.hint(hint).into())
        }
    }
}

fn duplicate(key: &Key, entries: &[(Key, Node)]) -> Diagnostic {
    let found =
        Diagnostic::new(Code::DuplicateKey, key.span, format!("`{}` stands twice in this mapping", key.text));
    let first = entries.iter().find(|(first, _)| first.text == key.text);
    let found = found.label("the second").hint("Keep one of them; of two values neither would silently win.");
    match first {
        Some((first, _)) => found.also(first.span, "the first"),
        None => found,
    }
}

fn syntax(error: &ScanError, text: &str, file: u16) -> Diagnostic {
    let span = place(file, error.marker(), 1);
    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or("");
    let found = Diagnostic::new(Code::Syntax, span, format!("this is not YAML: {}", error.info()));
    let indent = line.len().saturating_sub(line.trim_start().len());
    let hint = if line.get(..indent).is_some_and(|indent| indent.contains('\t')) {
        "Indent with spaces: YAML does not allow tabs."
    } else if line.contains(": *") || line.contains("- *") {
        "A value that begins with `*` needs quotes: without them it is an alias."
    } else if line.contains(": @") || line.contains(": `") || line.contains(": %") {
        "A value that begins with this character needs quotes."
    } else if line.matches(": ").count() > 1 && !line.contains('{') {
        "A value that contains `: ` needs quotes."
    } else {
        "The mistake may stand a line above: look for a missing quote, bracket or colon."
    };
    found.hint(hint)
}
