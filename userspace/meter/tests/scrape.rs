//! A scrape of ten thousand series costs memory for the page, and none for a series.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use weir_meter::{Block, Directory, Done, Format, Method, Page, blocks};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_series_allocates_nothing() {
    let mut directory = Directory::default();
    let workers = [Block::default(), Block::default()];
    for number in 0..160 {
        let seat = directory.seat("edge", &format!("route-\"{number}\""));
        let (total_ns, upstream_ns) = (1_000_000, Some(900_000));
        for worker in &workers {
            worker.done(&Done {
                seat,
                method: Method::Get,
                status: 200,
                total_ns,
                upstream_ns,
                bodies: [1, 2],
            });
        }
    }
    let region = Region::new(COUNTING);
    let mut page = Page::new(Format::Prometheus, Vec::new());
    blocks(&mut page, &workers.each_ref(), &directory.rows(), |_| None);
    let text = page.finish();
    let change = region.change();
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().filter(|line| !line.starts_with('#')).count() >= 10_000);
    // The page grows by doubling, and so does the list of what there is.
    let counted = change.allocations + change.reallocations;
    assert!(counted <= 32, "{counted} allocations");
}
