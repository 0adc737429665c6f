//! Bans, as an operator reads them.

use serde_json::Value;

/// A line for each ban. The time is in seconds since 1970.
pub(super) fn table(bans: &[Value], now_s: u64) -> String {
    if bans.is_empty() {
        return String::from("nobody is banned\n");
    }
    let mut lines = format!("{:<42} {:>8} {:>10}  WHY\n", "SOURCE", "LEFT", "HITS");
    for ban in bans {
        let text = |key: &str| ban.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| ban.get(key).and_then(Value::as_u64);
        let source = match number("bits") {
            None | Some(32 | 128) => text("source").to_owned(),
            Some(bits) => format!("{}/{bits}", text("source")),
        };
        let left = left(number("until_s").unwrap_or_default(), now_s);
        let hits = number("hits").unwrap_or_default();
        let (reason, rule) = (text("reason"), text("rule"));
        lines.push_str(&format!("{source:<42} {left:>8} {hits:>10}  {reason}: {rule}\n"));
    }
    lines
}

/// In the largest unit of which there are two.
fn left(until_s: u64, now_s: u64) -> String {
    let left = until_s.saturating_sub(now_s);
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let fits = units.iter().find(|(_, seconds)| left >= 2 * seconds);
    fits.map_or_else(|| format!("{left}s"), |(unit, seconds)| format!("{}{unit}", left / seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_ban_is_a_line() {
        let ban = |source: &str, bits: u32, until: u64| json!({ "source": source, "bits": bits, "until_s": until, "hits": 7, "reason": "operator", "rule": "flood" });
        let bans = [
            ban("198.51.100.7", 32, 4_600),
            ban("2001:db8::", 64, 180_000),
            ban("192.0.2.1", 32, 1_119),
            ban("192.0.2.2", 32, 900),
        ];
        assert_eq!(
            table(&bans, 1_000),
            "SOURCE                                         LEFT       HITS  WHY\n\
             198.51.100.7                                    60m          7  operator: flood\n\
             2001:db8::/64                                    2d          7  operator: flood\n\
             192.0.2.1                                      119s          7  operator: flood\n\
             192.0.2.2                                        0s          7  operator: flood\n"
        );
        assert_eq!(table(&[], 0), "nobody is banned\n");
    }
}
