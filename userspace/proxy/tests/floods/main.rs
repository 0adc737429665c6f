//! Clients of HTTP/2 that flood: each is stopped within ten thousand frames, costs less than a megabyte of memory, is
//! counted and reported, and does not keep others from being served. One after the other, because memory is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

#[path = "../serve/origin.rs"]
mod origin;
#[path = "../serve/plans.rs"]
mod plans;
#[path = "../serve/rig.rs"]
mod rig;
mod wire;

use libtest_mimic::{Arguments, Trial};
use origin::{Act, Origin, ok};
use plans::Draft;
use rig::Rig;
use std::time::{Duration, Instant};
use weir_meter::{Count, Flood};
use weir_plan::listener::{Protocols, Service};
use weir_wire::Reason;
use wire::{Peer, block, frame, get, headers};

const FRAMES_MAX: usize = 10_000;
const GROWTH_MAX: u64 = 1 << 20;

/// What a client sends as its n-th turn, and how many frames that is.
type Turn = fn(u32) -> (Vec<u8>, usize);

/// Floods, what they are counted as, and what the first turn is preceded by.
const FLOODS: &[(&str, Option<Flood>, Turn)] = &[
    // Seen by the library as well, if streams are reset before they were looked at.
    ("c1_rapid_reset", None, |n| {
        let id = 2 * n + 1;
        ([get(id), frame(3, 0, id, &8_u32.to_be_bytes())].concat(), 2)
    }),
    ("c2_made_you_reset_by_zero_increments", None, |n| {
        let id = 2 * n + 1;
        ([get(id), frame(8, 0, id, &[0; 4])].concat(), 2)
    }),
    ("c2_made_you_reset_by_window_overflow", None, |n| {
        let id = 2 * n + 1;
        ([headers(4, id, &block()), frame(8, 0, id, &0x7fff_ffff_u32.to_be_bytes())].concat(), 2)
    }),
    ("c2_made_you_reset_by_data_after_the_end", None, |n| {
        let id = 2 * n + 1;
        ([get(id), frame(0, 0, id, b"x")].concat(), 2)
    }),
    ("c2_made_you_reset_by_priority_of_four_bytes", None, |n| {
        let id = 2 * n + 1;
        ([get(id), frame(2, 0, id, &[0; 4])].concat(), 2)
    }),
    ("c3_continuation", None, |n| {
        let more = [0x00, 1, b'x', 1, b'y'].repeat(20);
        if n == 0 { (headers(0, 1, &block()), 1) } else { (frame(9, 0, 1, &more), 1) }
    }),
    ("c4_empty_continuation", None, |n| {
        if n == 0 { (headers(0, 1, &block()), 1) } else { (frame(9, 0, 1, &[]), 1) }
    }),
    ("c5_empty_data", None, |n| if n == 0 { (headers(4, 1, &block()), 1) } else { (frame(0, 0, 1, &[]), 1) }),
    ("c6_settings", Some(Flood::Settings), |_| (frame(4, 0, 0, &[]), 1)),
    ("c6_ping", Some(Flood::Ping), |_| (frame(6, 0, 0, &[7; 8]), 1)),
    ("c7_priority", Some(Flood::Priority), |n| {
        (frame(2, 0, 2 * n + 1, &[0, 0, 0, (n % 100) as u8 * 2 + 1, 16]), 1)
    }),
    ("c8_empty_names", None, |n| (headers(5, 2 * n + 1, &[block(), [0, 0, 0].repeat(50)].concat()), 1)),
    ("c9_hpack_bomb", None, |n| {
        // One entry of 3.9 kB goes into the table, and is then named as often as fits.
        let mut entry = vec![0x40, 1, b'b', 0x7f, 0xbd, 0x1d];
        entry.extend([b'v'; 3900]);
        let id = 2 * n + 1;
        let bomb = [block(), entry, vec![0xbe; 4000]].concat();
        (headers(5, id, &bomb), 1)
    }),
    ("c9_table_size_beyond_the_limit", None, |n| {
        (headers(5, 2 * n + 1, &[vec![0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f], block()].concat()), 1)
    }),
    ("c10_window_flip_flop", Some(Flood::Settings), |n| {
        (frame(4, 0, 0, &[&[0, 4][..], &(n % 2 * 65_535).to_be_bytes()].concat()), 1)
    }),
    ("c10_windows_opened_by_a_byte", Some(Flood::Window), |_| (frame(8, 0, 0, &1_u32.to_be_bytes()), 1)),
    ("c12_malformed_requests", None, |n| {
        (headers(5, 2 * n + 1, &[block(), b"\x00\x03x-a\x04b\r\nc".to_vec()].concat()), 1)
    }),
    ("c13_repeated_pseudo_fields", None, |n| (headers(5, 2 * n + 1, &[block(), vec![0x82]].concat()), 1)),
    ("c15_even_streams", None, |n| (get(2 * n + 2), 1)),
    ("c15_data_for_idle_streams", None, |n| (frame(0, 0, 2 * n + 1, b"x"), 1)),
    ("c15_streams_that_go_backwards", None, |n| (get(2001 - 2 * n.min(1000)), 1)),
    ("c16_more_streams_than_allowed", None, |n| (headers(4, 2 * n + 1, &block()), 1)),
    ("c17_trailers_that_do_not_end", None, |n| {
        let id = 2 * n + 1;
        ([headers(4, id, &block()), headers(4, id, &[0, 1, b'x', 1, b'y'])].concat(), 2)
    }),
    ("frames_of_no_known_kind", Some(Flood::Other), |_| (frame(0xbb, 0, 0, b"what"), 1)),
];

fn main() {
    let arguments = Arguments::from_args();
    let missing = rig::missing();
    let mut trials = Vec::new();
    for (name, flood, turn) in FLOODS {
        let run = move || {
            stopped(*flood, *turn);
            Ok(())
        };
        trials.push(Trial::test(*name, run).with_ignored_flag(missing.is_some()));
    }
    let stalled = || {
        stalled_readers();
        Ok(())
    };
    trials.push(Trial::test("c10_c16_windows_that_never_open", stalled).with_ignored_flag(missing.is_some()));
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

fn rig(origin: &Origin) -> Rig {
    Rig::new(draft(origin).finish())
}

fn draft(origin: &Origin) -> Draft {
    let mut draft = Draft::to(origin.address);
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    draft.listener.limits.requests_max = u32::MAX;
    draft
}

/// How often a flood is repeated. The client and the origin are in this process too, and what is kept for reuse grows at
/// first: what each of the floods costs at least is the worker's.
const TURNS: u64 = 5;

/// Floods until the worker has had enough.
fn stopped(kind: Option<Flood>, turn: Turn) {
    let origin = Origin::fixed();
    let rig = rig(&origin);
    let (mut frames, mut grown) = (0, u64::MAX);
    for _ in 0..TURNS {
        let before = resident();
        frames = flood(&rig, turn).max(frames);
        grown = resident().saturating_sub(before).min(grown);
    }
    assert!(frames <= FRAMES_MAX, "stopped after {frames} frames only");
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
    wait("a report", || {
        rig.block.refusals(Reason::H2Abuse as u8) + rig.block.refusals(Reason::BadFraming as u8) >= TURNS
    });
    if let Some(kind) = kind {
        assert_eq!(rig.block.floods(kind), TURNS, "counted by its kind");
    }
    // Nothing of it has hurt others.
    let mut other = Peer::new(rig.address);
    other.send(&get(1));
    assert!(other.receives(|kind, _, _| kind == 1), "others are served");
    wait("all connections to end", || rig.count(Count::Accepted) - rig.count(Count::Closed) <= 1);
}

/// Sends turns until the connection is ended. Returns the frames sent until then.
fn flood(rig: &Rig, turn: Turn) -> usize {
    let mut peer = Peer::new(rig.address);
    let mut frames = 0;
    for n in 0..4 * FRAMES_MAX as u32 {
        let (bytes, count) = turn(n);
        frames += count;
        if !peer.try_send(&bytes) {
            return frames;
        }
        // What lies in the buffers of sockets has not been looked at, and counts only once it is.
        if n % 64 == 63 {
            wait("the worker to read", || peer.is_taken());
            if peer.is_ended() {
                return frames;
            }
        }
    }
    panic!("never stopped");
}

/// A hundred streams whose client takes no answer: what they hold is bounded, and they end by the idle limit.
fn stalled_readers() {
    let origin = Origin::new(|_, _| Act::Send(ok(&"x".repeat(200_000))));
    let mut draft = draft(&origin);
    draft.impatient();
    draft.listener.limits.idle_timeout = Duration::from_millis(500);
    let rig = Rig::new(draft.finish());
    let stall = || {
        let mut peer = Peer::new(rig.address);
        peer.send(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
        for n in 0..90 {
            peer.send(&get(2 * n + 1));
        }
        let seen = origin.seen().len();
        wait("answers", || origin.seen().len() >= seen.max(1));
        let mut resets = 0;
        let all = peer.receives(|kind, _, _| {
            resets += usize::from(kind == 3);
            resets == 90
        });
        assert!(all, "{resets} of 90 streams are given up");
    };
    let cost = (0..3).map(|_| {
        let before = resident();
        stall();
        resident().saturating_sub(before)
    });
    let grown = cost.min().unwrap();
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
}

/// Bytes of memory in use.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
