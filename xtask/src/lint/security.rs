//! Known holes: crates below the version that mends them.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "security-floors",
    explain: "a crate in a lock file must not be older than the version that closes its known holes. The table is in \
              xtask/src/lint/security.rs; `cargo update -p NAME` mends a finding. It is checked without a network; \
              `cargo deny` with deny.toml asks the advisory database as well.",
    check,
};

/// The first good version of each crate that had a hole worth naming.
const FLOORS: [(&str, &str); 13] = [
    ("aws-lc-sys", "0.39.0"),
    ("crossbeam-channel", "0.5.15"),
    ("h2", "0.4.16"),
    ("hickory-resolver", "0.26.2"),
    ("indicatif", "0.18.0"),
    ("jsonwebtoken", "10.3.0"),
    ("maxminddb", "0.27.0"),
    ("prometheus-client", "0.25.2"),
    ("quinn-proto", "0.11.15"),
    ("rustls", "0.23.46"),
    ("rustls-webpki", "0.103.13"),
    ("tracing-subscriber", "0.3.20"),
    ("wasmtime", "48.0.8"),
];

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with("Cargo.lock")) {
        for (line, name, version) in packages(text) {
            let Some((_, floor)) = FLOORS.iter().find(|(crate_, _)| *crate_ == name) else { continue };
            if numbers(version) < numbers(floor) {
                let what = format!("{name} {version} has known holes; update it to {floor} or later");
                findings.push(Finding::new(path, line, what));
            }
        }
    }
    findings
}

/// Name and version of each package of a lock file, with the line of the version.
pub(super) fn packages(lock: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    let mut name = "";
    for (number, line) in (1..).zip(lock.lines()) {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(version) = quoted(line, "version = ") {
            found.push((number, name, version));
        }
    }
    found
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

/// A version as numbers; a pre-release counts as the release before it.
fn numbers(version: &str) -> (Vec<u64>, bool) {
    let (core, pre) = version.split_once('-').map_or((version, false), |(core, _)| (core, true));
    let core = core.split('+').next().unwrap_or(core);
    (core.split('.').map(|part| part.parse().unwrap_or(0)).collect(), !pre)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    fn lock(name: &str, version: &str) -> String {
        format!("version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")
    }

    #[test]
    fn versions_at_or_above_the_floor_pass() {
        for (name, version) in
            [("rustls", "0.23.46"), ("rustls", "0.24.0"), ("h2", "1.0.0"), ("other", "0.0.1")]
        {
            assert!(places(&RULE, &[("Cargo.lock", &lock(name, version))]).is_empty(), "{name} {version}");
        }
    }

    #[test]
    fn versions_below_the_floor_are_found() {
        for (name, version) in [("rustls", "0.23.45"), ("h2", "0.4.9"), ("wasmtime", "48.0.8-rc.1")] {
            assert_eq!(
                places(&RULE, &[("Cargo.lock", &lock(name, version))]),
                ["Cargo.lock:5"],
                "{name} {version}"
            );
        }
    }
}
