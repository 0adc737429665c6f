//! The committed rows, and which of them no longer hold.

use super::row::Row;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Rows that the baseline meets and that are missed now, by more than they spread.
pub(super) fn fallen(path: &Path, rows: &[Row]) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(Vec::new()) };
    let known: Vec<Value> =
        serde_json::from_str(&text).with_context(|| format!("{} is no list", path.display()))?;
    let known: Vec<Row> = known.into_iter().map(Row).collect();
    Ok(rows.iter().filter(|row| has_fallen(row, &known)).map(describe).collect())
}

fn has_fallen(row: &Row, known: &[Row]) -> bool {
    let was_met = known.iter().any(|old| old.is_same(row) && old.met() == Some(true));
    if !was_met || row.met() != Some(false) {
        return false;
    }
    // Which side of the goal is the good one shows in the row itself: it is on the other.
    match (row.number("ratio"), row.number("goal"), row.number("spread")) {
        (Some(ratio), Some(goal), Some(spread)) => (ratio - goal).abs() > spread,
        _ => true,
    }
}

fn describe(row: &Row) -> String {
    let number = |key| row.number(key).map_or_else(|| "-".into(), |value| format!("{value:.3}"));
    format!(
        "{} {} against {}: {} ± {}, goal {}",
        row.text("id"),
        row.text("what"),
        row.text("peer_name"),
        number("ratio"),
        number("spread"),
        number("goal")
    )
}

/// Writes the rows down. Those that were not measured now keep what stood there. Returns all that stand there then.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<Vec<Row>> {
    let old = fs::read_to_string(path).unwrap_or_else(|_| "[]".into());
    let mut list: Vec<Row> = serde_json::from_str::<Vec<Value>>(&old)?.into_iter().map(Row).collect();
    for row in rows.iter().filter(|row| row.number("ours").is_some()) {
        match list.iter_mut().find(|old| old.is_same(row)) {
            Some(old) => *old = row.clone(),
            None => list.push(row.clone()),
        }
    }
    let order =
        |row: &Row| row.text("id").trim_start_matches(char::is_alphabetic).parse::<u32>().unwrap_or(u32::MAX);
    list.sort_by_key(order);
    let values: Vec<&Value> = list.iter().map(|row| &row.0).collect();
    let text = serde_json::to_string_pretty(&json!(values))? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(met: bool, ratio: f64, spread: f64) -> Row {
        Row(
            json!({ "id": "P1", "what": "x", "unit": "u", "peer_name": "nginx", "ours": 1.0, "goal": 0.8, "met": met, "ratio": ratio, "spread": spread }),
        )
    }

    #[test]
    fn only_what_was_met_and_is_missed_beyond_its_spread_has_fallen() {
        let met = [row(true, 0.7, 0.01)];
        assert!(has_fallen(&row(false, 0.9, 0.02), &met));
        assert!(!has_fallen(&row(false, 0.81, 0.02), &met));
        assert!(!has_fallen(&row(true, 0.75, 0.01), &met));
        assert!(!has_fallen(&row(false, 0.9, 0.02), &[row(false, 0.9, 0.01)]));
        assert!(!has_fallen(&row(false, 0.9, 0.02), &[]));
    }

    /// The committed file claims for each missed row that it was met: then, and only then, each of them has fallen.
    #[test]
    fn a_doctored_baseline_is_noticed() {
        let committed = crate::root::folder().join("loadtest/baseline.json");
        let rows: Vec<Value> = serde_json::from_str(&fs::read_to_string(&committed).unwrap()).unwrap();
        let rows: Vec<Row> = rows.into_iter().map(Row).collect();
        assert_eq!(fallen(&committed, &rows).unwrap(), Vec::<String>::new());

        let claimed =
            rows.iter().map(|row| if row.met() == Some(false) { with_met(row) } else { row.0.clone() });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        fs::write(&path, json!(claimed.collect::<Vec<_>>()).to_string()).unwrap();
        let missed = |row: &&Row| row.met() == Some(false) && has_fallen(row, &[Row(with_met(row))]);
        let expected: Vec<String> = rows.iter().filter(missed).map(describe).collect();
        assert!(expected.len() >= 5, "{expected:?}");
        assert_eq!(fallen(&path, &rows).unwrap(), expected);
    }

    fn with_met(row: &Row) -> Value {
        let mut row = row.0.clone();
        row["met"] = json!(true);
        row
    }

    #[test]
    fn a_new_baseline_keeps_what_was_not_measured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        let other = Row(json!({ "id": "P9", "what": "y", "ours": 2.0, "met": true }));
        write(&path, &[other]).unwrap();
        write(&path, &[row(true, 0.7, 0.01)]).unwrap();
        write(&path, &[row(true, 0.6, 0.01)]).unwrap();
        let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(list.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ["P1", "P9"]);
        assert_eq!(list[0]["ratio"], 0.6);
    }
}
