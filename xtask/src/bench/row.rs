//! One row of the summary, as whoever measured it wrote it.

use serde_json::Value;

/// `{id, what, unit, ours, peer, peer_name, ratio, spread, floor, goal, met, note}`.
#[derive(Clone, Debug)]
pub(super) struct Row(pub(super) Value);

impl Row {
    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.as_f64()
    }

    /// `None` where it is void or was not measured.
    pub(super) fn met(&self) -> Option<bool> {
        self.0.get("met")?.as_bool()
    }

    /// What must be kept, as a number or in words; `None` where the figure is told for its own sake.
    fn goal(&self) -> Option<&Value> {
        self.0.get("goal").filter(|goal| !goal.is_null())
    }

    /// Two rows of different runs are the same row.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        ["id", "what", "unit", "peer_name"].iter().all(|key| self.text(key) == other.text(key))
    }

    fn verdict(&self) -> &'static str {
        match (self.met(), self.number("ours")) {
            (Some(true), _) => "met",
            (Some(false), _) => "missed",
            (None, Some(_)) if self.goal().is_none() => "told",
            (None, Some(_)) => "void",
            (None, None) => "not measured",
        }
    }

    fn cells(&self) -> [String; 9] {
        let number = |key: &str| self.number(key).map_or_else(|| "-".into(), short);
        let text = |key: &str| self.text(key).to_owned();
        let ratio = match (self.number("ratio"), self.number("spread")) {
            (Some(ratio), Some(spread)) => format!("{ratio:.3} ± {spread:.3}"),
            (Some(ratio), None) => format!("{ratio:.3}"),
            _ => "-".into(),
        };
        // A goal is a number, or words where it is more than one.
        let goal = if self.text("goal").is_empty() { number("goal") } else { text("goal") };
        [
            text("id"),
            text("what"),
            text("unit"),
            number("ours"),
            format!("{} {}", number("peer"), text("peer_name")),
            ratio,
            number("floor"),
            goal,
            self.verdict().into(),
        ]
    }
}

const HEADS: [&str; 9] = ["id", "what", "unit", "ours", "peer", "ratio", "floor", "goal", ""];

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// For a terminal.
pub(super) fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 9]> =
        std::iter::once(HEADS.map(String::from)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| {
        cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

/// For documents.
pub(super) fn markdown(rows: &[&Row]) -> String {
    let line = |cells: [String; 9]| format!("| {} |\n", cells.join(" | "));
    let mut out = line(HEADS.map(String::from)) + &format!("|{}\n", "---|".repeat(HEADS.len()));
    out.extend(rows.iter().map(|row| line(row.cells())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_says_what_was_not_measured() {
        let rows = [
            Row(
                json!({"id": "P1", "what": "x", "unit": "µs", "ours": 7.5, "peer": 10.0, "peer_name": "nginx", "ratio": 0.75, "spread": 0.01, "goal": 0.78, "met": true}),
            ),
            Row(json!({"id": "P2", "what": "y", "met": null, "goal": "≤ 1"})),
            Row(json!({"id": "P3", "what": "z", "ours": 1.0, "met": null, "goal": 2.0})),
            Row(json!({"id": "P4", "what": "z", "ours": 1.0, "met": null, "goal": null})),
        ];
        let table = table(&rows);
        assert!(table.contains("7.50  10.0 nginx  0.750 ± 0.010"), "{table}");
        assert!(table.lines().nth(2).unwrap().ends_with("≤ 1   not measured"), "{table}");
        let ends =
            |line: usize, end: &str| assert!(table.lines().nth(line).unwrap().ends_with(end), "{table}");
        ends(3, "2.00  void");
        ends(4, "-     told");
        assert_eq!(markdown(&rows.iter().collect::<Vec<_>>()).lines().count(), 6);
    }
}
