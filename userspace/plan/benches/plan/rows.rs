//! Rows for the collected reports.

/// One figure beside what it is compared with.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: Option<(f64, &'static str)>,
    /// Half the distance between the least and the most of several rounds, in parts of the figure.
    pub(crate) spread: f64,
    /// What the work would come to if there were nothing but what nobody can leave out.
    pub(crate) floor: Option<f64>,
    /// What `ours`, or its ratio to the peer where there is one, may be at most.
    pub(crate) goal: Option<f64>,
    pub(crate) note: String,
}

impl Row {
    fn json(&self) -> String {
        let null = || "null".to_owned();
        let number = |value: Option<f64>| value.map_or_else(null, |value| format!("{value:.4}"));
        let ratio = self.peer.map(|(peer, _)| self.ours / peer);
        let peer_name = self.peer.map_or_else(null, |(_, name)| format!("\"{name}\""));
        let met = self.goal.map(|goal| ratio.unwrap_or(self.ours) <= goal);
        format!(
            r#"  {{"id": "{}", "what": "{}", "unit": "{}", "ours": {:.4}, "peer": {}, "peer_name": {peer_name}, "ratio": {}, "spread": {:.4}, "floor": {}, "goal": {}, "met": {}, "note": "{}"}}"#,
            self.id,
            self.what,
            self.unit,
            self.ours,
            number(self.peer.map(|(peer, _)| peer)),
            number(ratio),
            self.spread,
            number(self.floor),
            number(self.goal),
            met.map_or_else(null, |met| met.to_string()),
            self.note,
        )
    }
}

/// Writes them into a file for `cargo xtask bench`.
pub(crate) fn write(file: &str, rows: &[Row]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    let text = rows.iter().map(Row::json).collect::<Vec<_>>().join(",\n");
    std::fs::create_dir_all(folder).expect("a directory for the rows");
    std::fs::write(format!("{folder}/{file}"), format!("[\n{text}\n]\n")).expect("room for the rows");
}
