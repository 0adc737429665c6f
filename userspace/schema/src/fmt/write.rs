//! Writes the tree: two spaces a level, one space inside braces, comments at the end of lines in columns.

use crate::fmt::lines::{Lines, WIDTH};
use crate::fmt::tree::{Collection, Comment, Entry, Item};

/// The text of a tree.
pub(super) fn write(root: &Collection) -> String {
    let mut writer = Writer { lines: Lines::default() };
    for entry in &root.entries {
        writer.before(entry, 0);
        match &entry.value {
            Some(Item::Collection(collection))
                if !(collection.entries.is_empty() || collection.flow && fits(entry, 0)) =>
            {
                writer.anchored(entry);
                writer.entries(collection, 0);
            }
            Some(Item::Scalar(text)) if text.is_empty() && entry.anchor.is_none() => {}
            _ => writer.value(entry, String::new(), 0),
        }
    }
    writer.comments(&root.tail, 0);
    writer.lines.finish()
}

struct Writer {
    lines: Lines,
}

impl Writer {
    fn line(&mut self, text: String, trailing: Option<String>) {
        self.lines.push(text, trailing);
    }

    fn blank(&mut self) {
        self.lines.blank();
    }

    fn comments(&mut self, comments: &[Comment], indent: usize) {
        for comment in comments {
            if comment.blank {
                self.blank();
            }
            self.line(format!("{:indent$}{}", "", comment.text), None);
        }
    }

    fn before(&mut self, entry: &Entry, indent: usize) {
        self.comments(&entry.before, indent);
        if entry.blank {
            self.blank();
        }
    }

    /// A root that is a block may carry an anchor on a line of its own.
    fn anchored(&mut self, entry: &Entry) {
        if let Some(anchor) = &entry.anchor {
            self.line(anchor.clone(), None);
        }
    }

    fn entries(&mut self, collection: &Collection, indent: usize) {
        for entry in &collection.entries {
            self.before(entry, indent);
            let start = match &entry.key {
                Some(key) => format!("{:indent$}{}:", "", spaced(key)),
                None if collection.map => format!("{:indent$}null:", ""),
                None => format!("{:indent$}-", ""),
            };
            self.value(entry, start, indent);
        }
        self.comments(&collection.tail, indent);
    }

    /// What stands behind `start`, which is a key, a dash or nothing.
    fn value(&mut self, entry: &Entry, start: String, indent: usize) {
        let mut start = start;
        if let Some(anchor) = &entry.anchor {
            push(&mut start, anchor);
        }
        match &entry.value {
            None => self.line(start, entry.trailing.clone()),
            Some(Item::Scalar(text)) => {
                push(&mut start, text);
                self.line(start, entry.trailing.clone());
            }
            Some(Item::Block(text)) => self.block(text, start, indent, entry.trailing.clone()),
            Some(Item::Collection(collection))
                if collection.entries.is_empty() && collection.tail.is_empty() =>
            {
                push(&mut start, if collection.map { "{}" } else { "[]" });
                self.line(start, entry.trailing.clone());
            }
            Some(Item::Collection(collection)) if collection.flow && fits(entry, start.chars().count()) => {
                push(&mut start, &flow(collection));
                self.line(start, entry.trailing.clone());
            }
            Some(Item::Collection(collection)) => self.nested(entry, collection, start, indent),
        }
    }

    /// A block behind a key goes on the next line; a mapping behind a dash begins on the same one.
    fn nested(&mut self, entry: &Entry, collection: &Collection, start: String, indent: usize) {
        let inner = indent.saturating_add(2);
        let dash = start.trim_start() == "-";
        let plain =
            collection.entries.first().is_some_and(|first| first.before.is_empty() && first.anchor.is_none());
        if !(dash && plain) {
            self.line(start, entry.trailing.clone());
            self.entries(collection, inner);
            return;
        }
        // Behind a dash the line has no end of its own, so its comment goes above.
        if let Some(comment) = &entry.trailing {
            self.line(format!("{:indent$}{comment}", ""), None);
        }
        let at = self.lines.len();
        self.entries(collection, inner);
        self.lines.lead(at, &start);
    }

    fn block(&mut self, text: &str, start: String, indent: usize, trailing: Option<String>) {
        let mut start = start;
        let body = text.trim_end_matches('\n');
        let plain = |c: char| c == '\n' || !c.is_control();
        if body.is_empty() || body.starts_with([' ', '\n']) || !text.chars().all(plain) {
            push(&mut start, &serde_json::to_string(text).unwrap_or_default());
            self.line(start, trailing);
            return;
        }
        let end = text.len().saturating_sub(body.len());
        push(
            &mut start,
            match end {
                0 => "|-",
                1 => "|",
                _ => "|+",
            },
        );
        self.line(start, trailing);
        let inner = indent.saturating_add(2);
        for line in body.split('\n') {
            let text = if line.is_empty() { String::new() } else { format!("{:inner$}{line}", "") };
            self.line(text, None);
        }
        (1..end).for_each(|_| self.line(String::new(), None));
    }
}

fn push(start: &mut String, text: &str) {
    if !start.is_empty() && !text.is_empty() {
        start.push(' ');
    }
    start.push_str(text);
}

/// An alias as a key needs a space before its colon.
fn spaced(key: &str) -> String {
    if key.starts_with('*') { format!("{key} ") } else { key.to_owned() }
}

fn fits(entry: &Entry, start: usize) -> bool {
    match &entry.value {
        Some(Item::Collection(collection)) => {
            !holds_comments(collection)
                && start.saturating_add(1).saturating_add(flow(collection).chars().count()) <= WIDTH
        }
        _ => true,
    }
}

fn holds_comments(collection: &Collection) -> bool {
    let entry = |entry: &Entry| {
        let inside = matches!(&entry.value, Some(Item::Collection(inner)) if holds_comments(inner));
        inside || entry.trailing.is_some() || !entry.before.is_empty()
    };
    !collection.tail.is_empty() || collection.entries.iter().any(entry)
}

fn flow(collection: &Collection) -> String {
    let (open, close) = if collection.map { ('{', '}') } else { ('[', ']') };
    if collection.entries.is_empty() {
        return format!("{open}{close}");
    }
    let entries: Vec<String> = collection.entries.iter().map(flow_entry).collect();
    format!("{open} {} {close}", entries.join(", "))
}

fn flow_entry(entry: &Entry) -> String {
    let mut text = entry.key.as_ref().map_or(String::new(), |key| format!("{}:", spaced(key)));
    if let Some(anchor) = &entry.anchor {
        push(&mut text, anchor);
    }
    match &entry.value {
        Some(Item::Scalar(value)) if !value.is_empty() => push(&mut text, value),
        None | Some(Item::Scalar(_)) => push(&mut text, "null"),
        Some(Item::Block(value)) => push(&mut text, &serde_json::to_string(value).unwrap_or_default()),
        Some(Item::Collection(inner)) => push(&mut text, &flow(inner)),
    }
    text
}
