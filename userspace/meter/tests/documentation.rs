//! `docs/metrics.md` says what the table of names says. `WEIR_BLESS=1` writes it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fmt::Write;
use std::path::Path;
use weir_meter::names::ALL;

#[test]
fn the_page_of_metrics_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let mut page = String::from(
        "# Metrics\n\nMade from the table of names by `WEIR_BLESS=1 cargo test -p weir-meter`. Prometheus 0.0.4 and OpenMetrics 1.0, by `Accept`.\n\
         Units are base units. No label takes a value that a client can choose.\n\n| name | kind | labels | |\n|---|---|---|---|\n",
    );
    for name in ALL {
        let labels: Vec<String> = name.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", name.kind).to_lowercase();
        writeln!(page, "| `{}` | {kind} | {} | {} |", name.name, labels.join(" "), name.help).unwrap();
    }
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == page, "docs/metrics.md is old: WEIR_BLESS=1 cargo test -p weir-meter writes it anew");
}
