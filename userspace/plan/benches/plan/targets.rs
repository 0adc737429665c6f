//! Choosing a target: how long it takes, how even it is, and how many keys move when a target leaves.

use std::hint::black_box;

use weir_plan::hash::{Cycle, Maglev, Place, Ring, Two, digest};

use crate::best;
use crate::rows::Row;

/// Rounds, and with `--quick`.
const ROUNDS: [usize; 2] = [15, 5];
const COUNTS: [usize; 4] = [3, 10, 100, 1_000];
/// Keys that are looked at for balance and moves.
const KEYS: u64 = 2_000_000;
/// What a pick may take at 100 targets.
const HASH_NS_MAX: f64 = 30.0;
const TWO_NS_MAX: f64 = 15.0;

/// Measures and prints; the rows are for reports.
pub(crate) fn run() -> Vec<Row> {
    println!();
    println!(
        "Choosing one of N targets; Maglev with 65,537 entries, the ring with 160 points a target, XXH3 of a 16-byte key"
    );
    println!(
        "   N  table   pick ns  (without the hash)  busiest / mean   moved when one leaves  (its share)  build ms"
    );
    let rows = COUNTS.into_iter().flat_map(targets).collect();
    println!(
        "The paper on Maglev (Eisenbud et al., NSDI 2016, section 3.4) promises shares that differ by 1 % at most where a table has\n\
         100 entries for each target, as here up to 655 of them; counting keys instead of entries adds what chance adds."
    );
    rows
}

fn targets(count: usize) -> Vec<Row> {
    let names: Vec<String> =
        (0..count).map(|target| format!("10.0.{}.{}:8080", target / 256, target % 256)).collect();
    let places: Vec<Place<'_>> = names.iter().map(|name| Place { name, weight: 1 }).collect();
    let mut left = places.clone();
    left.remove(count / 2);
    let (build_ns, maglev) = best(3, || Maglev::new(&places, Maglev::SIZE));
    let after = Maglev::new(&left, Maglev::SIZE);
    let picks = [&maglev, &after].map(|table| move |hash| table.pick(hash, |_| true));
    let by_maglev = table("maglev", count, build_ns, &picks);
    let (build_ns, ring) = best(3, || Ring::new(&places, 160));
    let after = Ring::new(&left, 160);
    let picks = [&ring, &after].map(|table| move |hash| table.pick(hash, |_| true));
    let by_ring = table("ring", count, build_ns, &picks);

    let (cycle, two) = (Cycle::new(&places), Two::new(&places));
    let load = |target: usize| u32::try_from(target).unwrap_or(0);
    let by_turn = pick_ns(|step| cycle.pick(step, |_| true));
    let by_two = pick_ns(|step| two.pick(scattered(step), |_| true, load));
    println!("{count:4}  {:7} {by_turn:7.1}", "turns");
    println!("{count:4}  {:7} {by_two:7.1}", "two");
    if count != 100 {
        return Vec::new();
    }
    let row = |id, what: &str, ours, most| Row {
        id,
        what: format!("picking one of 100 targets {what}"),
        unit: "ns",
        ours,
        peer: None,
        spread: 0.0,
        floor: None,
        goal: Some(most),
        note: "the fastest of the rounds, one core, all targets usable".to_owned(),
    };
    vec![
        row("L3", "by Maglev, hashing included", by_maglev, HASH_NS_MAX),
        row("L3", "by the ring, hashing included", by_ring, HASH_NS_MAX),
        row("L4", "as the less busy of two", by_two, TWO_NS_MAX),
    ]
}

/// Prints one line about a table and what it becomes when the target in the middle leaves; the time of one pick.
fn table(kind: &str, count: usize, build_ns: f64, picks: &[impl Fn(u64) -> Option<usize>; 2]) -> f64 {
    let [now, after] = picks;
    let whole = pick_ns(|step| now(digest(&key(step))));
    let bare = pick_ns(|step| now(scattered(step)));
    let (mut loads, mut moved, gone) = (vec![0_u32; count], 0_u32, count / 2);
    for number in 0..KEYS {
        let hash = digest(&number.to_le_bytes());
        let (was, is) = (now(hash).expect("a target"), after(hash).expect("a target"));
        loads[was] += 1;
        moved += u32::from(was == gone || was - usize::from(was > gone) != is);
    }
    let busiest = f64::from(loads.iter().copied().max().unwrap_or(0)) * count as f64 / KEYS as f64;
    let share = 100.0 / count as f64;
    let moved = f64::from(moved) * 100.0 / KEYS as f64;
    println!(
        "{count:4}  {kind:7} {whole:7.1}  ({bare:5.1}) {busiest:26.3} {moved:21.2} % ({share:6.2} %) {:11.1}",
        build_ns / 1e6
    );
    whole
}

/// A key as long as a user's id.
fn key(step: u64) -> [u8; 16] {
    (u128::from(step) << 64 | u128::from(step)).to_le_bytes()
}

/// A number as far from the one before as a hash would be.
fn scattered(step: u64) -> u64 {
    step.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn pick_ns(pick: impl Fn(u64) -> Option<usize>) -> f64 {
    const PICKS: u64 = 1_000_000;
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (ns, _) = best(ROUNDS[usize::from(quick)], || {
        for step in 0..PICKS {
            black_box(pick(black_box(step)));
        }
    });
    ns / PICKS as f64
}
