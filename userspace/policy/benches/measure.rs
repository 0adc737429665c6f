//! Times closures against each other, in turns, so that whatever else the machine does hits all of them.
use std::hint::black_box;
use std::time::Instant;

/// What one closure took.
pub(crate) struct Timing {
    /// Nanoseconds for one call: the median over all rounds.
    pub(crate) ns: f64,
    /// The same in the fastest round.
    pub(crate) best_ns: f64,
}

/// One thing to measure.
pub(crate) type Case<'a> = (&'a str, &'a mut dyn FnMut());

/// Rounds, and with `--quick`. Many and short ones: some of them fall between what else the machine does.
const ROUNDS: [usize; 2] = [411, 91];
const BATCH_NS: f64 = 200_000.0;

/// Times each case in batches of about a fifth of a millisecond, all cases in every round.
pub(crate) fn in_turns(cases: &mut [Case<'_>]) -> Vec<Timing> {
    let batch = |case: &mut dyn FnMut(), calls: u32| {
        let begun = Instant::now();
        for _ in 0..calls {
            case();
        }
        black_box(begun.elapsed().as_nanos() as f64) / f64::from(calls)
    };
    let calls: Vec<u32> = cases
        .iter_mut()
        .map(|(_, case)| (BATCH_NS / batch(case, 50).max(1.0)).clamp(10.0, 1e6) as u32)
        .collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    let quick = std::env::args().any(|argument| argument == "--quick");
    for _ in 0..ROUNDS[usize::from(quick)] {
        for ((times, (_, case)), calls) in times.iter_mut().zip(cases.iter_mut()).zip(&calls) {
            times.push(batch(case, *calls));
        }
    }
    let timing = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        Timing { ns: times[times.len() / 2], best_ns: times[0] }
    };
    times.into_iter().map(timing).collect()
}

/// Prints one row of the table, and whether the goal is met.
pub(crate) fn row(what: &str, timing: &Timing, beside: &str) {
    println!("{what:<44} {:>9.1} ns  best {:>9.1}  {beside}", timing.ns, timing.best_ns);
}

/// What was measured against goals, for the collected reports.
#[derive(Default)]
pub(crate) struct Goals {
    rows: Vec<String>,
    /// What the next figure cannot be below on this machine.
    pub(crate) floor_ns: Option<f64>,
}

impl Goals {
    /// Notes a figure, or its ratio to a peer's, that should be at most so much.
    pub(crate) fn judge(
        &mut self,
        (id, what, unit): (&str, &str, &str),
        ours: f64,
        peer: Option<(f64, &str)>,
        most: f64,
    ) {
        let ratio = peer.map(|(peer, _)| ours / peer);
        let met = ratio.unwrap_or(ours) <= most;
        let word = if met { "met" } else { "MISSED" };
        println!("  goal {what}: {:.3} of at most {most}: {word}", ratio.unwrap_or(ours));
        let null = || "null".to_owned();
        let (theirs, name) = peer
            .map_or_else(|| (null(), null()), |(peer, name)| (format!("{peer:.2}"), format!("\"{name}\"")));
        let ratio = ratio.map_or_else(null, |ratio| format!("{ratio:.4}"));
        let floor = self.floor_ns.take().map_or_else(null, |floor| format!("{floor:.2}"));
        self.rows.push(format!(
            r#"  {{"id": "{id}", "what": "{what}", "unit": "{unit}", "ours": {ours:.2}, "peer": {theirs}, "peer_name": {name}, "ratio": {ratio}, "spread": null, "floor": {floor}, "goal": {most}, "met": {met}, "note": "the fastest of the rounds"}}"#
        ));
    }

    /// Writes them for `cargo xtask bench`.
    pub(crate) fn write(&self, file: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(format!("{folder}/{file}"), format!("[\n{}\n]\n", self.rows.join(",\n"))).unwrap();
    }
}
