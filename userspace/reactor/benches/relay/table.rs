//! Medians, spreads and ratios, printed and as JSON.

/// One contestant's result.
pub(crate) struct Row {
    work: &'static str,
    name: String,
    median_us: f64,
    /// Median of the absolute distances to the median.
    spread_us: f64,
    /// Median over rounds of this one's time by the floor's in the same round.
    to_floor: f64,
}

pub(crate) fn rows(work: &'static str, names: &[String], samples: &[Vec<f64>]) -> Vec<Row> {
    let row = |(name, own): (&String, &Vec<f64>)| {
        let median_us = median(own.clone());
        let spread_us = median(own.iter().map(|s| (s - median_us).abs()).collect());
        let to_floor = median(own.iter().zip(&samples[0]).map(|(a, b)| a / b).collect());
        Row { work, name: name.clone(), median_us, spread_us, to_floor }
    };
    names.iter().zip(samples).map(row).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<22} {:>12} {:>10} {:>10}", "", "µs CPU", "± spread", "/ bare");
    for row in rows {
        println!("{:<22} {:>12.3} {:>10.3} {:>10.3}", row.name, row.median_us, row.spread_us, row.to_floor);
    }
}

pub(crate) fn json(rows: &[Row]) -> String {
    let line = |r: &Row| {
        format!(
            r#"  {{"work": "{}", "name": "{}", "us": {:.3}, "spread": {:.3}, "to_floor": {:.4}}}"#,
            r.work, r.name, r.median_us, r.spread_us, r.to_floor
        )
    };
    format!("[\n{}\n]\n", rows.iter().map(line).collect::<Vec<_>>().join(",\n"))
}
