//! The text as a tree that keeps comments, blank lines and the style of every collection.

use granit_parser::{Event, Options, Parser, Placement, ScalarStyle, Span, StructureStyle};

/// A value as written.
#[derive(Debug)]
pub(super) enum Item {
    /// A scalar on one line, as it stands in the text; empty for nothing.
    Scalar(String),
    /// A scalar over several lines.
    Block(String),
    /// A list or mapping.
    Collection(Collection),
}

/// A list or mapping.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) map: bool,
    pub(super) flow: bool,
    pub(super) entries: Vec<Entry>,
    /// Comments after the last entry.
    pub(super) tail: Vec<Comment>,
    /// Where it begins, to tell which comments are its own.
    column: usize,
    anchor: Option<String>,
}

/// An entry of a collection.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// A blank line stands before it.
    pub(super) blank: bool,
    /// Comments on lines of their own before it.
    pub(super) before: Vec<Comment>,
    /// The key, in a mapping.
    pub(super) key: Option<String>,
    /// `&name`.
    pub(super) anchor: Option<String>,
    /// The value; `None` only while it is being read.
    pub(super) value: Option<Item>,
    /// A comment at the end of its line.
    pub(super) trailing: Option<String>,
    /// The last line it reaches so far.
    line: usize,
}

/// A comment on a line of its own.
#[derive(Debug)]
pub(super) struct Comment {
    /// A blank line stands before it.
    pub(super) blank: bool,
    /// The text with its `#`.
    pub(super) text: String,
    column: usize,
}

/// The root as a collection with a single entry without key, and the comments at the end. Beside it every comment in the order
/// of the alphabet, to check that none gets lost.
pub(super) fn read(text: &str) -> Option<(Collection, Vec<String>)> {
    let mut options = Options::default();
    options.emit_anchor_events = true;
    let lines: Vec<bool> = text.lines().map(|line| line.trim().is_empty()).collect();
    let root = Collection { entries: Vec::new(), ..Collection::default() };
    let mut builder =
        Builder { text, blank: lines, stack: vec![root], pending: Vec::new(), comments: Vec::new() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        builder.take(event, span)?;
    }
    let mut root = builder.stack.pop()?;
    root.tail.append(&mut builder.pending);
    builder.comments.sort_unstable();
    Some((root, builder.comments))
}

struct Builder<'t> {
    text: &'t str,
    /// Which lines are blank.
    blank: Vec<bool>,
    stack: Vec<Collection>,
    pending: Vec<Comment>,
    comments: Vec<String>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Comment(text, placement) => self.comment(text.trim_end(), placement, span),
            Event::Scalar(text, style, ..) => {
                let written = span.slice(self.text)?;
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let many = written.contains('\n') || is_block;
                let nothing = style == ScalarStyle::Plain && written.is_empty();
                let item = if many && !nothing {
                    Item::Block(text.into_owned())
                } else {
                    Item::Scalar(written.to_owned())
                };
                let start = span.start.line();
                let first = if is_block { self.header_of(start, written) } else { start };
                self.put(item, first, span.end.line())
            }
            Event::Alias(_) => {
                let text = span.slice(self.text)?.to_owned();
                self.put(Item::Scalar(text), span.start.line(), span.end.line())
            }
            Event::Anchor(_, name) => self.anchor(&name),
            Event::SequenceStart(style, ..) => self.open(false, style, span),
            Event::MappingStart(style, ..) => self.open(true, style, span),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => Some(()),
        }
    }

    fn comment(&mut self, text: &str, placement: Placement, span: Span) -> Option<()> {
        let line = span.start.line();
        self.comments.push(text.to_owned());
        let text = format!("#{text}");
        if placement == Placement::Right {
            let last = self.stack.last_mut()?.entries.last_mut();
            if let Some(entry) = last.filter(|entry| entry.line == line && entry.trailing.is_none()) {
                entry.trailing = Some(text);
                return Some(());
            }
        }
        self.pending.push(Comment {
            blank: self.is_blank(line.saturating_sub(1)),
            text,
            column: if placement == Placement::Right { 0 } else { span.start.col() },
        });
        Some(())
    }

    /// The line with this number, from 1, is blank.
    fn is_blank(&self, line: usize) -> bool {
        line.checked_sub(1).and_then(|index| self.blank.get(index)).copied().unwrap_or(false)
    }

    /// The line with the `|` or `>` of a text whose span begins here, at that or behind it.
    fn header_of(&self, start: usize, written: &str) -> usize {
        if written.starts_with(['|', '>']) {
            return start;
        }
        (1..start).rev().find(|line| !self.is_blank(*line)).unwrap_or(start)
    }

    /// The entry that the next node belongs to: one that waits for its value, or a new one.
    fn entry(&mut self, line: usize) -> Option<&mut Entry> {
        let blank = self.is_blank(line.saturating_sub(1));
        let waiting = self.stack.last()?.entries.last().is_some_and(|entry| entry.value.is_none());
        if !waiting {
            let before = std::mem::take(&mut self.pending);
            self.stack.last_mut()?.entries.push(Entry { blank, before, line, ..Entry::default() });
        }
        self.stack.last_mut()?.entries.last_mut()
    }

    fn put(&mut self, item: Item, first: usize, last: usize) -> Option<()> {
        let map = self.stack.last()?.map;
        let pending = if self.stack.last()?.entries.last().is_some_and(|entry| entry.value.is_none()) {
            // Comments between a key and its value on the next line.
            std::mem::take(&mut self.pending)
        } else {
            Vec::new()
        };
        let entry = self.entry(first)?;
        entry.before.extend(pending);
        entry.line = last;
        match item {
            Item::Scalar(text) if map && entry.key.is_none() => entry.key = Some(text),
            Item::Block(text) if map && entry.key.is_none() => {
                entry.key = Some(serde_json::to_string(&text).ok()?);
            }
            item => entry.value = Some(item),
        }
        Some(())
    }

    fn anchor(&mut self, name: &str) -> Option<()> {
        let name = Some(format!("&{name}"));
        let nested = self.stack.len() > 1;
        let open = self.stack.last_mut()?;
        // The event follows the node: of a collection it comes before the first entry, of a scalar when its entry is there.
        if open.entries.is_empty() && nested {
            open.anchor = name;
        } else {
            open.entries.last_mut()?.anchor = name;
        }
        Some(())
    }

    fn open(&mut self, map: bool, style: StructureStyle, span: Span) -> Option<()> {
        // What is indented deeper than the dash of a block belongs to what stands inside.
        let dash = self.stack.last()?.column;
        let own = |comment: &Comment| style == StructureStyle::Flow || comment.column <= dash;
        let count = self.pending.iter().take_while(|comment| own(comment)).count();
        let inside = self.pending.split_off(count);
        self.entry(span.start.line())?;
        self.pending.extend(inside);
        let flow = style == StructureStyle::Flow;
        self.stack.push(Collection { map, flow, column: span.start.col(), ..Collection::default() });
        Some(())
    }

    fn close(&mut self, span: Span) -> Option<()> {
        let mut closed = self.stack.pop()?;
        let own = |comment: &Comment| closed.flow || comment.column >= closed.column;
        let count = self.pending.iter().take_while(|comment| own(comment)).count();
        closed.tail = self.pending.drain(..count).collect();
        let entry = self.stack.last_mut()?.entries.last_mut()?;
        entry.anchor = entry.anchor.take().or(closed.anchor.take());
        if closed.flow {
            entry.line = span.end.line();
        } else {
            entry.line = 0;
        }
        entry.value = Some(Item::Collection(closed));
        Some(())
    }
}
