//! What a line of the access log costs, and a scrape of ten thousand series.
//!
//! `cargo bench -p weir-meter -- line 100000` only writes lines and `-- scrape 100` only pages, for counting instructions: run it under
//! `valgrind --tool=callgrind` with two numbers of them and divide the difference.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints and has no users"
)]

#[path = "../../plan/benches/plan/rows.rs"]
mod rows;

use rows::Row;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Instant;
use weir_meter::log::{Line, Stamp, path};
use weir_meter::{Block, Directory, Done, Format, Method, Page, TlsVersion, blocks, key};

/// A line costs no more. At three instructions in a nanosecond that is less than a microsecond, of some fifteen that a proxied
/// request takes; the row in nanoseconds says what it is here.
const LINE_INSTRUCTIONS_MAX: f64 = 2_500.0;
/// A scrape takes no longer.
const SCRAPE_MS_MAX: f64 = 10.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.as_slice() {
        [word, count] if word == "line" => {
            return println!("{} bytes a line", lines(count.parse().unwrap()));
        }
        [word, count] if word == "scrape" => return scrape(count.parse().unwrap()),
        _ => {}
    }
    let (count, begun) = (1_000_000, Instant::now());
    let bytes = lines(count);
    let line_ns = begun.elapsed().as_secs_f64() * 1e9 / count as f64;
    println!("a line of {bytes} bytes: {line_ns:.0} ns");
    scrape(20);
    let row = |what: &str, (unit, ours), goal| Row {
        id: "log",
        what: what.to_owned(),
        unit,
        ours,
        peer: None,
        spread: 0.0,
        goal,
        floor: None,
        note: format!("a line of {bytes} bytes, as a proxied request has it"),
    };
    let mut all = vec![row("writing a line of the access log", ("ns", line_ns), None)];
    match instructions() {
        Some(count) => {
            println!("a line of {bytes} bytes: {count:.0} instructions");
            let told = ("instructions", count);
            all.push(row("writing a line of the access log", told, Some(LINE_INSTRUCTIONS_MAX)));
        }
        None => println!("instructions are not counted: that needs valgrind"),
    }
    rows::write("log.json", &all);
}

/// What a line costs in instructions, which no other work on the machine changes: the difference of two runs under valgrind.
fn instructions() -> Option<f64> {
    const LINES: [u64; 2] = [2_000, 12_000];
    let count = |lines: u64| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let output =
            command.arg(std::env::current_exe().ok()?).args(["line", &lines.to_string()]).output().ok()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = words.lines().find_map(|line| line.split_once("Collected :"))?;
        line.1.trim().parse::<u64>().ok()
    };
    let [few, many] = LINES.map(count);
    Some((many? - few?) as f64 / (LINES[1] - LINES[0]) as f64)
}

/// Writes so many lines as a proxied request has them; returns the length of one.
fn lines(count: u64) -> usize {
    let (mut sheet, mut stamp) = (Vec::with_capacity(64 * 1024), Stamp::default());
    let target = Line::prepare(|line| {
        line.text(key!("upstream"), b"orders");
        line.text(key!("target"), b"10.0.0.11:8080");
    });
    let mut length = 0;
    for number in 0..count {
        if sheet.len() > 62 * 1024 {
            sheet.clear();
        }
        let before = sheet.len();
        let mut line = Line::begin(&mut sheet, stamp.text(1_795_230_855_000 + number / 100));
        line.text(key!("listener"), black_box(b"127.0.0.1:8080"));
        line.text(key!("route"), black_box(b"orders"));
        line.address(key!("client"), black_box(Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x1422])));
        line.word(key!("protocol"), "HTTP/1.1");
        line.text(key!("method"), black_box(b"GET"));
        line.text(key!("host"), black_box(b"api.example.com"));
        line.text(key!("path"), path(black_box(b"/v1/orders/4711?page=7")).0);
        line.number(key!("status"), black_box(200));
        line.number(key!("received_bytes"), black_box(0));
        line.number(key!("sent_bytes"), black_box(4096));
        line.millis(key!("duration_ms"), black_box(1_234_567));
        line.prepared(black_box(&target));
        line.number(key!("tries"), black_box(1));
        line.millis(key!("first_byte_ms"), black_box(1_034_567));
        line.millis(key!("upstream_ms"), black_box(1_134_567));
        line.text(key!("request_id"), black_box(b"0198c1d2-5f6e-7a3b-8c4d-0123456789ab"));
        line.text(
            key!("user_agent"),
            black_box(b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        );
        line.end();
        length = sheet.len() - before;
    }
    black_box(&sheet);
    length
}

/// A page of ten thousand series from two workers.
fn scrape(rounds: usize) {
    let mut directory = Directory::default();
    let workers = [Block::default(), Block::default()];
    for number in 0..160 {
        let seat = directory.seat("edge", &format!("route-{number}"));
        for (worker, upstream_ns) in workers.iter().zip([Some(30_000), Some(900_000)]) {
            let (total_ns, bodies) = (1_000_000, [10, 20]);
            worker.done(&Done { seat, method: Method::Get, status: 200, total_ns, upstream_ns, bodies });
            worker.secured(TlsVersion::Tls13, false);
        }
    }
    let mut best = f64::INFINITY;
    let (mut series, mut bytes) = (0, 0);
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut page = Page::new(Format::OpenMetrics, Vec::with_capacity(bytes));
        blocks(&mut page, &workers.each_ref(), &directory.rows(), |_| None);
        let text = black_box(page.finish());
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        bytes = text.len();
        let text = String::from_utf8(text).unwrap();
        series = text.lines().filter(|line| !line.starts_with('#')).count();
    }
    println!("a scrape of {series} series: {best:.2} ms");
    assert!(series >= 10_000 && best <= SCRAPE_MS_MAX, "{SCRAPE_MS_MAX} ms are the most");
}
