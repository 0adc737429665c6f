//! The pure rooms: no I/O and no clock.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "pure",
    explain: "wire, message, schema, meter, policy and plan do no I/O, start no threads and read no clock: time is an \
              argument. So every one of their decisions can be tested and replayed from its inputs. Do the I/O in \
              kernel, proxy or control and hand the result in.",
    check,
};

const ROOMS: [&str; 6] = [
    "ebpf/wire/src/",
    "userspace/message/src/",
    "userspace/schema/src/",
    "userspace/meter/src/",
    "userspace/policy/src/",
    "userspace/plan/src/",
];

/// Paths that touch the world, as they are written.
const IMPURE: [&str; 17] = [
    "Instant::now",
    "SystemTime::now",
    "UNIX_EPOCH.elapsed",
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "fs::read",
    "fs::write",
    "File::open",
    "File::create",
    "thread::spawn",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "tokio::",
];

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.code().filter(|(path, _)| ROOMS.iter().any(|room| path.starts_with(room))) {
        let tokens = source.tokens();
        for (at, first) in tokens.iter().enumerate() {
            let found = IMPURE.iter().find(|impure| {
                let written = tokens.iter().skip(at).map(|token| token.text.as_str());
                begins(written, impure)
            });
            let known = findings.iter().any(|known: &Finding| known.place.is(path, first.line));
            if let Some(impure) = found.filter(|_| !known) {
                let what = format!("{impure} in a pure room; hand the result in as an argument");
                findings.push(Finding::new(path, first.line, what));
            }
        }
    }
    findings
}

/// Whether tokens, written without spaces, begin with a path, on whole tokens.
fn begins<'a>(tokens: impl Iterator<Item = &'a str>, path: &str) -> bool {
    let mut rest = path;
    for token in tokens {
        match rest.strip_prefix(token) {
            Some("") => return true,
            Some(left) => rest = left,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn arguments_and_tests_are_pure() {
        let text = "use std::time::Instant;\nuse std::net::IpAddr;\nfn a(now: Instant) {}\n\
                    #[cfg(test)]\nmod tests { fn b() { Instant::now(); } }\n";
        assert!(places(&RULE, &[("userspace/policy/src/a.rs", text)]).is_empty());
        assert!(places(&RULE, &[("userspace/proxy/src/a.rs", "fn a() { Instant::now(); }\n")]).is_empty());
    }

    #[test]
    fn clocks_and_files_are_found() {
        for text in [
            "fn a() { let now = std::time::Instant::now(); }",
            "use std::fs;",
            "fn a() { std::thread::spawn(b); }",
            "fn a() { TcpStream::connect(b); }",
            "macro_rules! m { () => { SystemTime::now() } }",
        ] {
            let path = "userspace/policy/src/a.rs";
            assert_eq!(places(&RULE, &[(path, text)]), [format!("{path}:1")], "{text}");
        }
    }
}
