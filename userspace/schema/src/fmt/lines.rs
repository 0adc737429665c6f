//! Lines with comments at their ends, which stand in one column until a blank line or a comment alone.

/// A flow collection that would reach beyond this column is written as a block.
pub(crate) const WIDTH: usize = 120;

/// Lines longer than this do not push the comments of others to the right.
const COLUMN_MAX: usize = 60;

/// The lines of a text that is being written.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
}

struct Line {
    text: String,
    trailing: Option<String>,
}

impl Lines {
    /// Adds a line.
    pub(crate) fn push(&mut self, text: String, trailing: Option<String>) {
        self.lines.push(Line { text, trailing });
    }

    /// Adds a blank line, unless one stands there or nothing does.
    pub(crate) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
            self.push(String::new(), None);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Puts `start` before line number `at`, in place of its indentation; blank lines there go.
    pub(crate) fn lead(&mut self, at: usize, start: &str) {
        while self.lines.get(at).is_some_and(|line| line.text.is_empty()) {
            self.lines.remove(at);
        }
        if let Some(first) = self.lines.get_mut(at) {
            first.text = format!("{start} {}", first.text.trim_start());
        }
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        let mut text = String::new();
        let mut rest = self.lines.as_slice();
        while !rest.is_empty() {
            let run = rest.iter().take_while(|line| line.is_content()).count();
            let (lines, after) = rest.split_at(run.max(1));
            let widths = lines.iter().filter(|line| line.trailing.is_some()).map(Line::width);
            let width = widths.filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0);
            lines.iter().for_each(|line| line.write(width, &mut text));
            rest = after;
        }
        text
    }
}

impl Line {
    /// It is neither blank nor a comment alone: comments stand in one column until such a line comes.
    fn is_content(&self) -> bool {
        !self.text.is_empty() && !self.text.trim_start().starts_with('#')
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    fn write(&self, width: usize, text: &mut String) {
        text.push_str(self.text.trim_end());
        if let Some(comment) = &self.trailing {
            let gap = width.saturating_sub(self.width()).saturating_add(2);
            text.push_str(&format!("{:gap$}{comment}", ""));
        }
        text.push('\n');
    }
}
