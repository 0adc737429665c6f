//! How long large configurations take to read: `cargo bench -p weir-schema --profile dev --bench parse`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use weir_schema::diagnostic::Style;
use weir_schema::lookup::Anything;
use weir_schema::shield::ListFile;
use weir_schema::{Format, Report, Sources, fmt, parse};

/// The best of a few runs: the machine is shared.
fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..3).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

fn routes(count: usize) -> String {
    let mut text = String::from("version: 1\nlisteners:\n  - bind: \":80\"\nroutes:\n");
    for n in 0..count {
        text += &format!(
            "  - match: host{}.example.com/service{n}/*\n    upstream: api\n    timeouts: {{ connect: 1s }}\n",
            n % 1000
        );
    }
    text.push_str("upstreams:\n  api: { targets: [ 10.0.0.11:8080 ] }\n");
    text
}

fn list(count: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        let [a, b, c, d] = n.wrapping_mul(2_654_435_761).to_be_bytes();
        text += &if n % 4 == 0 {
            format!("{a}.{b}.{c}.0/24 # entry {n}\n")
        } else {
            format!("{a}.{b}.{c}.{d}\n")
        };
    }
    text
}

fn main() {
    for count in [10, 1_000, 100_000] {
        let text = routes(count);
        let sources = Sources::one("routes.yaml", text.clone());
        let parsed = best(|| drop(black_box(parse(&sources, &Anything))));
        let formatted = best(|| drop(black_box(fmt::format(&text))));
        println!("{count:>7} routes, {:>9} bytes: parse {parsed:>10.3?}, fmt {formatted:>10.3?}", text.len());
    }
    let broken = routes(100_000).replace("connect: 1s", "connect: 1");
    let sources = Sources::one("broken.yaml", broken);
    let spent = best(|| {
        drop(black_box(parse(&sources, &Anything).report.write(&sources, Format::Text, Style::Plain)));
    });
    println!("100,000 wrong routes, 500 of them printed: {spent:.3?}");
    let text = list(1_000_000);
    let spent = best(|| drop(black_box(ListFile::parse(&text, 0, &mut Report::default()))));
    println!("1,000,000 lines of a list, {} bytes: {spent:.3?}", text.len());
}
