//! The language as its users first meet it: both files of the first sketch are read whole.

use weir_schema::lookup::Anything;
use weir_schema::{Sources, parse};

fn check(text: &str) {
    let outcome = parse(&Sources::one("sketch.yaml", text), &Anything);
    let found: Vec<_> = outcome
        .report
        .iter()
        .map(|d| format!("{} {}:{} {} {:?}", d.code.as_str(), d.span.line, d.span.column, d.message, d.hints))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(outcome.config.is_some());
}

#[test]
fn the_smallest_file_is_read() {
    check(include_str!("sketch/minimal.yaml"));
}

#[test]
fn the_large_file_is_read() {
    check(include_str!("sketch/large.yaml"));
}
