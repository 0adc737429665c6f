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

const ROUNDS: usize = 41;
const BATCH_NS: f64 = 2_000_000.0;

/// Times each case in batches of about two milliseconds, all cases in every round.
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
    for _ in 0..ROUNDS {
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

/// How a goal looks beside what was measured.
pub(crate) fn goal(measured: f64, most: f64, unit: &str) -> String {
    let met = if measured <= most { "met" } else { "MISSED" };
    format!("{measured:.3}{unit} of at most {most}{unit}: {met}")
}
