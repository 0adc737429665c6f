//! What the README quotes of the committed baseline: the rows a reader wants to see, in a reader's words.

use super::row::Row;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// One line of the table: what a reader calls it, and the rows that it quotes, one for each peer.
struct Line {
    work: &'static str,
    id: &'static str,
    what: &'static str,
    unit: &'static str,
}

const fn line(work: &'static str, id: &'static str, what: &'static str, unit: &'static str) -> Line {
    Line { work, id, what, unit }
}

const CPU: &str = "µs CPU per request";
const MEMORY: &str = "bytes per connection";

const LINES: [Line; 32] = [
    line("HTTP/1.1 keep-alive, 13 B", "P1", "HTTP/1.1 keep-alive, 13 B", CPU),
    line(
        "the same with ACL, limit, JWT and Maglev, nginx bare",
        "P2",
        "HTTP/1.1 keep-alive, 13 B; weir with ACL, limit, JWT and Maglev, the others bare",
        CPU,
    ),
    line(
        "512 clients over HTTP/2 to the origin",
        "P3",
        "HTTP/1.1 keep-alive from 512 clients, 13 B; weir over HTTP/2 to the origin",
        CPU,
    ),
    line("HTTP/1.1, 16 KiB", "P4", "HTTP/1.1 keep-alive, 16 KiB down", CPU),
    line("HTTP/1.1, 1 MiB", "P4", "HTTP/1.1 keep-alive, 1 MiB down", CPU),
    line("TLS 1.3 handshake, ECDSA", "P5", "TLS 1.3, full handshake, ECDSA P-256, one request each", CPU),
    line(
        "TLS 1.3 handshake, resumed",
        "P5",
        "TLS 1.3, resumed handshake, ECDSA P-256, one request each",
        CPU,
    ),
    line("TLS 1.3 handshake, RSA", "P5", "TLS 1.3, full handshake, RSA 2048, one request each", CPU),
    line("TLS 1.3 keep-alive, 13 B", "P6", "TLS 1.3 keep-alive, 13 B", CPU),
    line(
        "HTTP/2 to HTTP/1.1, 64 streams",
        "P7",
        "HTTP/2 to HTTP/1.1, 4 connections with 64 streams, 13 B",
        CPU,
    ),
    line("p99 at half of nginx's ceiling", "P8", HALF, "µs p99"),
    line("p99.9 at half of nginx's ceiling", "P8", HALF, "µs p99.9"),
    line("p99 at a quarter of it", "P8", QUARTER, "µs p99"),
    line("p99.9 at a quarter of it", "P8", QUARTER, "µs p99.9"),
    line(
        "an access log, beside none and beside nginx with its own",
        "log",
        "HTTP/1.1 keep-alive, 13 B, with an access log",
        CPU,
    ),
    line("memory of an idle connection", "P9", "memory of idle HTTP/1.1 connections", MEMORY),
    line("memory of an idle connection, TLS", "P9", "memory of idle TLS 1.3 connections", MEMORY),
    line(
        "honest packet, 10,000 networks, a limit, one source",
        "P10",
        "clean: 10,000 CIDRs, limit, 1 source",
        "ns",
    ),
    line(
        "honest packet, 10,000 networks, a limit, a million sources",
        "P10",
        "clean: 10,000 CIDRs, limit, 1,048,576 sources",
        "ns",
    ),
    line("look-up among a million networks", "P11", "lookup in 1048576 prefixes", "ns"),
    line("banned packet", "P12", "banned, of 1024", "ns"),
    line("packet dropped by a list, native", "P12", "dropped in native mode", "ns CPU"),
    line("SYN answered", "P13", "SYN answered, MSS only, any source", "ns"),
    line("a million SYNs answered in XDP", "P13", "a million SYNs answered, native", "ms CPU"),
    line("honest exchanges beside 100,000 SYNs a second", "P14", "goodput under a SYN flood", "exchanges"),
    line(
        "SYNs a second before honest connects fail",
        "P14",
        "SYNs a second before honest connects fail: weir, native, beside tcp_syncookies=1",
        "SYN/s",
    ),
    line("JWT known from before", "P15", "JWT known from before, 1,000 tokens", "ns"),
    line("JWT verified anew, ES256", "P15", "JWT ES256, verified anew", "ns"),
    line("JWT verified anew, HS256", "P15", "JWT HS256, verified anew", "ns"),
    line("compiling 100,000 routes", "P16", "compiling 100,000 routes", "ms"),
    line("finding one of 100,000 routes", "P16", "finding one of 100,000 routes, 20 to a host", "ns"),
    line("p99 while reloading", "P16", "p99 while reloading, closed loop", "µs"),
];

const HALF: &str = "HTTP/1.1 keep-alive, 13 B, open loop at half of nginx's ceiling";
const QUARTER: &str = "HTTP/1.1 keep-alive, 13 B, open loop at a quarter of nginx's ceiling";

/// Where the table begins; its lines follow.
const HEAD: &str = "| work | weir | ratio | goal |\n|---|---|---|---|\n";

/// Puts the table of these rows into a document, in the place of the one that is there.
///
/// # Errors
/// The document has no such table.
pub(super) fn renew(document: &str, rows: &[Row]) -> Result<String> {
    let (before, rest) = document.split_once(HEAD).context("there is no table of the speed")?;
    let old = rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let after = rest.get(old..).unwrap_or_default();
    Ok(format!("{before}{HEAD}{}{after}", table(rows)))
}

/// The same for a file.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let place = || format!("{}", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", place()))?;
    let text = renew(&text, rows).with_context(place)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", place()))
}

fn table(rows: &[Row]) -> String {
    LINES.iter().filter_map(|line| describe(line, rows)).collect()
}

/// Nothing for what was never measured.
fn describe(line: &Line, rows: &[Row]) -> Option<String> {
    let Line { work, id, what, unit } = line;
    let is_own = |row: &&Row| row.text("id") == *id && row.text("what") == *what && row.text("unit") == *unit;
    let own: Vec<&Row> = rows.iter().filter(is_own).collect();
    let figure = with_unit(own.first()?.number("ours")?, unit);
    let ratios: Vec<String> = own.iter().filter_map(|row| ratio(row)).collect();
    let goals: Vec<String> = own.iter().filter_map(|row| goal(row)).collect();
    Some(format!("| {work} | {figure} | {} | {} |\n", ratios.join(", "), goals.join(", ")))
}

fn ratio(row: &Row) -> Option<String> {
    let peer = match row.text("peer_name") {
        "haproxy" => "HAProxy",
        "nginx-logged" => "nginx",
        other => other,
    };
    Some(format!("{} of {peer}", share(row.number("ratio")?)))
}

/// A goal is a ratio where there is one, else a figure.
fn goal(row: &Row) -> Option<String> {
    let goal = row.number("goal")?;
    let goal = if row.number("ratio").is_some() { share(goal) } else { with_unit(goal, row.text("unit")) };
    let verdict = match row.met() {
        Some(true) => "met",
        Some(false) => "missed",
        None => "void",
    };
    Some(format!("{goal} {verdict}"))
}

fn with_unit(value: f64, unit: &str) -> String {
    let unit = match unit {
        MEMORY => "B",
        "exchanges" | "SYN/s" => "",
        unit => unit.split(' ').next().unwrap_or(unit),
    };
    format!("{} {unit}", thousands(value)).trim_end().to_owned()
}

/// Of a share hundredths count, unless there are none.
fn share(value: f64) -> String {
    if value < 0.01 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// Three figures, and a comma before every third digit.
fn thousands(value: f64) -> String {
    let size = value.abs().max(1.0).log10().floor() - 2.0;
    let rounded = (value / 10_f64.powf(size)).round() * 10_f64.powf(size);
    let places = if size < 0.0 { -size } else { 0.0 };
    let plain = match places {
        places if places > 1.0 => format!("{rounded:.2}"),
        places if places > 0.0 => format!("{rounded:.1}"),
        _ => format!("{rounded:.0}"),
    };
    let plain = plain.strip_suffix(".00").or(plain.strip_suffix(".0")).unwrap_or(&plain);
    let whole = plain.find('.').unwrap_or(plain.len());
    let comma = |at: usize| if at > 0 && at < whole && (whole - at).is_multiple_of(3) { "," } else { "" };
    plain.char_indices().map(|(at, digit)| format!("{}{digit}", comma(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn row(peer: &str, ratio: f64, met: bool) -> Row {
        Row(json!({
            "id": "P1", "what": "HTTP/1.1 keep-alive, 13 B", "unit": CPU, "ours": 13.94, "peer_name": peer,
            "ratio": ratio, "goal": 0.78, "met": met,
        }))
    }

    #[test]
    fn a_line_has_every_peer_and_every_goal() {
        let alone = Row(
            json!({ "id": "P16", "what": "compiling 100,000 routes", "unit": "ms", "ours": 1407.2, "goal": 1000.0, "met": false }),
        );
        assert_eq!(
            table(&[row("nginx", 0.766, true), row("haproxy", 0.8, false), alone]),
            "| HTTP/1.1 keep-alive, 13 B | 13.9 µs | 0.77 of nginx, 0.80 of HAProxy | 0.78 met, 0.78 missed |\n\
             | compiling 100,000 routes | 1,410 ms |  | 1,000 ms missed |\n"
        );
    }

    #[test]
    fn figures_have_three_digits() {
        let check = |value, text| assert_eq!(thousands(value), text);
        check(798_281.2, "798,000");
        check(56_965.0, "57,000");
        check(407.2, "407");
        check(90.0, "90");
        check(13.94, "13.9");
        check(1.0, "1");
        check(0.284, "0.28");
        assert_eq!([share(0.0021), share(0.766)], ["0.002", "0.77"]);
    }

    #[test]
    fn only_the_table_is_renewed() {
        let rows = [row("nginx", 0.766, true)];
        let text = renew(&format!("before\n\n{HEAD}| old | row |\n\nafter\n"), &rows).unwrap();
        assert_eq!(text, format!("before\n\n{HEAD}{}\nafter\n", table(&rows)));
        assert_eq!(renew(&text, &rows).unwrap(), text);
        assert!(renew("no table", &rows).is_err());
    }

    /// Whatever the baseline says, the README says.
    #[test]
    fn the_readme_quotes_the_baseline() {
        let root = crate::root::folder();
        let rows: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(root.join("loadtest/baseline.json")).unwrap()).unwrap();
        let rows: Vec<Row> = rows.into_iter().map(Row).collect();
        for line in &LINES {
            assert!(describe(line, &rows).is_some(), "the baseline has no row {} {}", line.id, line.what);
        }
        let readme = root.join("README.md");
        if std::env::var_os("WEIR_BLESS").is_some() {
            write(&readme, &rows).unwrap();
        }
        let text = fs::read_to_string(&readme).unwrap();
        assert_eq!(text, renew(&text, &rows).unwrap(), "README.md: WEIR_BLESS=1 quotes what is measured");
    }
}
