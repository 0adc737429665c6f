//! Choosing a target by hash.

use std::hint::black_box;

use weir_plan::hash::{Cycle, Maglev, Place, Ring, Two, digest};

use crate::best;

const ROUNDS: usize = 7;

/// Measures and prints.
pub(crate) fn run() {
    println!();
    println!(
        "Choosing a target, ns; Maglev 65,537 entries, ring 160 points a target, both with XXH3 of a 16-byte key"
    );
    println!(
        "beside them ns without hashing the key, the busiest target over the mean, and how long the table takes"
    );
    println!("   N   maglev (pick)  ring (pick)  round robin   two   maglev max/avg  ring max/avg  build ms");
    for count in [3, 10, 100, 1_000] {
        targets(count);
    }
    println!(
        "Maglev's paper (NSDI 2016, section 3.4): at most 1 % apart where a table has 100 entries for each target."
    );
}

fn targets(count: usize) {
    let names: Vec<String> =
        (0..count).map(|target| format!("10.0.{}.{}:8080", target / 256, target % 256)).collect();
    let places: Vec<Place<'_>> = names.iter().map(|name| Place { name, weight: 1 }).collect();
    let (build_ns, maglev) = best(3, || Maglev::new(&places, Maglev::SIZE));
    let (ring, cycle, two) = (Ring::new(&places, 160), Cycle::new(&places), Two::new(&places));
    let whole = |pick: &dyn Fn(u64) -> Option<usize>| pick_ns(|step| pick(digest(&key(step))));
    let (maglev_key, ring_key) =
        (whole(&|hash| maglev.pick(hash, |_| true)), whole(&|hash| ring.pick(hash, |_| true)));
    let bare =
        |pick: &dyn Fn(u64) -> Option<usize>| pick_ns(|step| pick(step.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    println!(
        "{count:4} {maglev_key:7.1} ({:4.1}) {ring_key:7.1} ({:4.1}) {:10.1} {:8.1} {:13.3} {:13.3} {:10.1}",
        bare(&|hash| maglev.pick(hash, |_| true)),
        bare(&|hash| ring.pick(hash, |_| true)),
        pick_ns(|step| cycle.pick(step, |_| true)),
        bare(&|hash| two.pick(hash, |_| true, |target| u32::try_from(target).unwrap_or(0))),
        busiest(count, |hash| maglev.pick(hash, |_| true)),
        busiest(count, |hash| ring.pick(hash, |_| true)),
        build_ns / 1e6,
    );
}

/// A key as long as a user's id.
fn key(step: u64) -> [u8; 16] {
    (u128::from(step) << 64 | u128::from(step)).to_le_bytes()
}

fn pick_ns(pick: impl Fn(u64) -> Option<usize>) -> f64 {
    const PICKS: u64 = 1_000_000;
    let (ns, _) = best(ROUNDS, || {
        for step in 0..PICKS {
            black_box(pick(step));
        }
    });
    ns / PICKS as f64
}

fn busiest(count: usize, pick: impl Fn(u64) -> Option<usize>) -> f64 {
    let mut loads = vec![0_u32; count];
    for key in 0..2_000_000_u64 {
        loads[pick(digest(&key.to_le_bytes())).expect("a target")] += 1;
    }
    f64::from(loads.into_iter().max().unwrap_or(0)) * count as f64 / 2e6
}
