//! Medians, spreads and ratios, printed and as JSON.

/// One contestant's result.
pub(crate) struct Row {
    work: String,
    pub(crate) name: String,
    median_us: f64,
    /// Median of the absolute distances to the median.
    spread_us: f64,
    /// Median over rounds of this one's time by the floor's in the same round.
    to_floor: f64,
    to_floor_spread: f64,
    floor_us: f64,
}

pub(crate) fn rows(work: &str, names: &[String], samples: &[Vec<f64>]) -> Vec<Row> {
    let row = |(name, own): (&String, &Vec<f64>)| {
        let median_us = median(own.clone());
        let spread_us = median(own.iter().map(|s| (s - median_us).abs()).collect());
        let ratios: Vec<f64> = own.iter().zip(&samples[0]).map(|(a, b)| a / b).collect();
        let to_floor = median(ratios.clone());
        let to_floor_spread = median(ratios.iter().map(|r| (r - to_floor).abs()).collect());
        let floor_us = median(samples[0].clone());
        Row {
            work: work.into(),
            name: name.clone(),
            median_us,
            spread_us,
            to_floor,
            to_floor_spread,
            floor_us,
        }
    };
    names.iter().zip(samples).map(row).collect()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<22} {:>12} {:>10} {:>10}", "", "µs CPU", "± spread", "/ bare");
    for row in rows {
        println!("{:<22} {:>12.3} {:>10.3} {:>10.3}", row.name, row.median_us, row.spread_us, row.to_floor);
    }
}

impl Row {
    /// The row as the collected reports have it; the peer is the floor.
    pub(crate) fn json(&self, id: &str, goal: Option<f64>) -> String {
        let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        let met = goal.map(|goal| (self.to_floor <= goal).to_string());
        let goal = goal.map(|goal| goal.to_string());
        format!(
            r#"  {{"id": "{id}", "what": "{0}", "unit": "us CPU", "ours": {1:.3}, "peer": {2:.3}, "peer_name": "bare loop", "ratio": {3:.4}, "spread": {4:.4}, "floor": {2:.3}, "goal": {5}, "met": {6}, "note": ""}}"#,
            self.work,
            self.median_us,
            self.floor_us,
            self.to_floor,
            self.to_floor_spread,
            or_null(goal),
            or_null(met),
        )
    }
}

/// Writes the rows for `cargo xtask bench`.
pub(crate) fn write(rows: &[String]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(format!("{folder}/reactor.json"), format!("[\n{}\n]\n", rows.join(",\n"))).unwrap();
}
