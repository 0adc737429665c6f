//! Lines with comments at their ends, which stand in one column where lines follow one another.

/// A flow collection that would reach beyond this column is written as a block.
pub(crate) const WIDTH: usize = 120;

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
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|line| line.trailing.is_some()).count();
            let (lines, after) = rest.split_at(run.max(1));
            let width = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
            let width = if width > WIDTH || first.trailing.is_none() { 0 } else { width };
            for line in lines {
                text.push_str(line.text.trim_end());
                if let Some(comment) = &line.trailing {
                    let gap = width.saturating_sub(line.text.chars().count()).saturating_add(2);
                    text.push_str(&format!("{:gap$}{comment}", ""));
                }
                text.push('\n');
            }
            rest = after;
        }
        text
    }
}
