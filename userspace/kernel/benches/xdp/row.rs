//! What is left for reports: `target/bench/xdp.json`.
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

static ROWS: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// One comparison, or one figure with a goal of its own.
pub(crate) struct Row<'a> {
    pub(crate) id: &'a str,
    pub(crate) what: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) ours: f64,
    /// Largest less smallest of the rounds, beside the figure.
    pub(crate) spread: f64,
    pub(crate) peer: Option<(f64, &'a str)>,
    /// What cannot be done without, in the same unit.
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Option<Goal>,
    pub(crate) note: &'a str,
}

/// What is aimed at.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// The figure, at most.
    Figure(f64),
    /// The figure beside the peer's, at most.
    Ratio(f64),
    /// The figure beside the peer's, at least.
    RatioMin(f64),
}

impl Row<'_> {
    /// Keeps it for the report.
    pub(crate) fn keep(&self) {
        let ratio = self.peer.map(|(peer, _)| self.ours / peer);
        let (goal, met) = match self.goal {
            None => (None, None),
            Some(Goal::Figure(goal)) => (Some(goal), Some(self.ours <= goal)),
            Some(Goal::Ratio(goal)) => (Some(goal), ratio.map(|ratio| ratio <= goal)),
            Some(Goal::RatioMin(goal)) => (Some(goal), ratio.map(|ratio| ratio >= goal)),
        };
        let (peer, peer_name) = self.peer.unzip();
        let row = json!({
            "id": self.id, "what": self.what, "unit": self.unit, "ours": self.ours, "peer": peer, "peer_name": peer_name,
            "ratio": ratio, "spread": self.spread, "floor": self.floor, "goal": goal, "met": met, "note": self.note,
        });
        ROWS.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }
}

/// Writes what was kept.
pub(crate) fn write() -> std::io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
    std::fs::create_dir_all(folder)?;
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::write(format!("{folder}/xdp.json"), format!("{:#}\n", Value::Array(rows.clone())))
}

/// Fewer rounds are asked for.
pub(crate) fn is_quick() -> bool {
    std::env::var_os("WEIR_BENCH_QUICK").is_some() || std::env::args().any(|argument| argument == "--quick")
}
