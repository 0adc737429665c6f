//! The families that are added up from the blocks of the workers.

use super::Page;
use crate::block::{Block, Cell, Class, Count, Flood, Level, Method, Row, TlsVersion, Unshaken};
use crate::directory::{Rows, Seat};
use crate::histogram::{Histogram, Total};
use crate::names::{self, Name};

/// One of a cell's histograms.
type Pick = fn(&Cell) -> &Histogram;

/// Writes everything that the workers counted. `reason` names a refusal by its number.
pub fn blocks(page: &mut Page, blocks: &[&Block], rows: &Rows, reason: fn(u8) -> Option<&'static str>) {
    for (count, name) in Count::ALL {
        page.single(name, blocks.iter().map(|block| block.count(*count)).sum::<u64>());
    }
    for (level, name) in Level::ALL {
        page.single(name, blocks.iter().map(|block| block.level(*level)).sum::<u64>());
    }
    page.single(&names::SERIES_LOST, rows.lost());
    page.family(&names::REFUSED);
    for number in 0..=u8::MAX {
        let total: u64 = blocks.iter().map(|block| block.refusals(number)).sum();
        if let (1.., Some(reason)) = (total, reason(number)) {
            page.sample(&names::REFUSED, &[("reason", reason)], total);
        }
    }
    page.family(&names::H2_FLOODS);
    for (flood, kind) in Flood::ALL {
        let total: u64 = blocks.iter().map(|block| block.floods(*flood)).sum();
        page.sample(&names::H2_FLOODS, &[("kind", kind)], total);
    }
    page.family(&names::TLS_FAILED);
    for (why, label) in Unshaken::ALL {
        let total: u64 = blocks.iter().map(|block| block.failures(*why)).sum();
        page.sample(&names::TLS_FAILED, &[("why", label)], total);
    }
    sessions(page, blocks);
    bodies(page, blocks, rows);
    cells(page, blocks, rows);
}

fn sessions(page: &mut Page, blocks: &[&Block]) {
    page.family(&names::TLS_SESSIONS);
    for (version, text) in TlsVersion::ALL {
        for (resumed, word) in [(false, "no"), (true, "yes")] {
            let total: u64 = blocks.iter().map(|block| block.sessions(*version, resumed)).sum();
            if total > 0 {
                page.sample(&names::TLS_SESSIONS, &[("version", text), ("resumed", word)], total);
            }
        }
    }
}

fn bodies(page: &mut Page, blocks: &[&Block], rows: &Rows) {
    for (name, at) in [(&names::REQUEST_BYTES, 0), (&names::RESPONSE_BYTES, 1)] {
        page.family(name);
        for (seat, labels) in rows.iter() {
            let total: u64 = of_seat(blocks, seat).filter_map(|row| row.bodies().get(at).copied()).sum();
            if total > 0 {
                page.counted(name, &[labels], total);
            }
        }
    }
}

/// Requests and how long they took, by listener, route, method and class.
fn cells(page: &mut Page, blocks: &[&Block], rows: &Rows) {
    let mut seen = Vec::new();
    for (seat, labels) in rows.iter() {
        for (method, method_text) in Method::ALL {
            for (class, class_text) in Class::ALL {
                if of_seat(blocks, seat).any(|row| row.cell(*method, *class).is_some()) {
                    let labels = [labels, ",method=\"", method_text, "\",class=\"", class_text, "\""];
                    seen.push((seat, *method, *class, labels));
                }
            }
        }
    }
    page.family(&names::REQUESTS);
    for (seat, method, class, labels) in &seen {
        let total = of_seat(blocks, *seat).map(|row| row.requests(*method, *class)).sum();
        page.counted(&names::REQUESTS, labels, total);
    }
    let histograms: [(&Name, Pick); 3] = [
        (&names::DURATION, |cell| &cell.duration),
        (&names::UPSTREAM_DURATION, |cell| &cell.upstream),
        (&names::OWN_DURATION, |cell| &cell.own),
    ];
    for (name, histogram) in histograms {
        page.family(name);
        for (seat, method, class, labels) in &seen {
            let mut total = Total::default();
            for cell in of_seat(blocks, *seat).filter_map(|row| row.cell(*method, *class)) {
                histogram(cell).add_to(&mut total);
            }
            if total.buckets.iter().any(|count| *count > 0) {
                page.histogram(name, labels, &total);
            }
        }
    }
}

fn of_seat<'a>(blocks: &'a [&'a Block], seat: Seat) -> impl Iterator<Item = &'a Row> {
    blocks.iter().filter_map(move |block| block.row(seat))
}
