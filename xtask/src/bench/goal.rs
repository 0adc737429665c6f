//! The goals by their ids: a row that was not measured is said to be missing, not left out.

use super::row::Row;
use serde_json::json;

const GOALS: [(&str, &str, &str); 16] = [
    ("P1", "HTTP/1.1 keep-alive, 13 B", "≤ 0.78 nginx, ≤ 0.73 HAProxy"),
    ("P2", "the same with ACL, limit, JWT and Maglev against bare nginx", "≤ 0.87"),
    ("P3", "many clients on few HTTP/2 connections upstream", "≤ 0.50 nginx"),
    ("P4", "bodies of 16 KiB and 1 MiB", "≤ 0.77, ≤ 0.91 nginx"),
    ("P5", "TLS 1.3 handshakes: new, resumed, RSA", "≤ 0.46, 0.53, 0.71 nginx"),
    ("P6", "TLS keep-alive, small", "≤ 0.74 nginx"),
    ("P7", "HTTP/2 to HTTP/1.1", "≤ 0.50 nginx, ≤ 0.80 HAProxy"),
    ("P8", "p99 and p99.9 at half of nginx's ceiling", "≤ 0.8, ≤ 0.7 nginx"),
    ("P9", "memory of an idle connection, plain and TLS", "≤ 0.6, ≤ 0.55 nginx"),
    ("P10", "XDP: an honest packet, 10,000 networks and limits", "≤ 90 ns"),
    ("P11", "a lookup among 1,000,000 prefixes against the kernel's trie", "≥ 25 ×"),
    ("P12", "a drop against nftables, native", "≤ 0.2"),
    ("P13", "a SYN answered", "≤ 110 ns, ≤ 0.25 of the kernel"),
    ("P14", "goodput kept under a SYN flood", "≥ 90 % and ≥ 2 ×"),
    ("P15", "JWT: known, ES256, HS256", "≤ 0.5 µs, ≤ 1.05 × raw, ≤ 0.3 ×"),
    ("P16", "100,000 routes, 1,000 reloads under load", "< 1 s, flat, none failed"),
];

/// In the order of the goals; with all asked for, those that nobody measured stand there empty.
pub(super) fn complete(rows: &[Row], whole: bool) -> Vec<Row> {
    let mut ordered = Vec::new();
    for (id, what, goal) in GOALS {
        let own: Vec<Row> = rows.iter().filter(|row| row.text("id") == id).cloned().collect();
        if own.is_empty() && whole {
            ordered.push(Row(
                json!({ "id": id, "what": what, "goal": goal, "met": null, "note": "not measured" }),
            ));
        }
        ordered.extend(own);
    }
    let is_other = |row: &&Row| GOALS.iter().all(|(id, ..)| *id != row.text("id"));
    ordered.extend(rows.iter().filter(is_other).cloned());
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_order_and_gaps_are_said() {
        let rows = || ["X1", "P15", "P1", "P1"].iter().map(|id| Row(json!({ "id": id }))).collect::<Vec<_>>();
        let ids = |rows: Vec<Row>| rows.iter().map(|row| row.text("id").to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(complete(&rows(), false)), ["P1", "P1", "P15", "X1"]);
        assert_eq!(complete(&rows(), true).len(), 16 + 2);
    }
}
