//! The rules of the form "only this file does that".

use super::{Finding, Rule};
use crate::lint::source::{Source, Token};

pub(super) const VERDICTS: Rule = Rule {
    name: "verdict-owner",
    explain: "only ebpf/xdp/src/main.rs names XDP_PASS, XDP_DROP, XDP_TX, XDP_REDIRECT and XDP_ABORTED: each stage \
              returns a Result with a Reason, and one match turns it into a verdict and counts it, once. A stage \
              that returned a verdict could let a packet through uncounted.",
    check: |tree| {
        let names = ["XDP_PASS", "XDP_DROP", "XDP_TX", "XDP_REDIRECT", "XDP_ABORTED"];
        let code =
            tree.code().filter(|(path, _)| *path != "ebpf/xdp/src/main.rs" && path.starts_with("ebpf/"));
        each(
            code,
            |token| names.contains(&token.text.as_str()),
            "return a Reason; ebpf/xdp/src/main.rs makes the verdict",
        )
    },
};

pub(super) const SCHEMA: Rule = Rule {
    name: "schema-owner",
    explain: "only schema derives Deserialize for configuration, so that every key has one place, one error text and \
              one entry in the JSON schema. kernel, control and admin may read other documents (their journal, JWKS, the \
              admin API); the other rooms take values that are parsed already.",
    check: |tree| {
        let rooms = ["wire", "message", "reactor", "meter", "policy", "plan", "proxy", "weir"];
        let mut findings = Vec::new();
        for (path, source) in tree.code().filter(|(path, _)| rooms.contains(&room(path))) {
            for (line, text) in source.lines().filter(|(_, text)| derives_deserialize(text)) {
                let what = format!("`{}`: let schema read it and hand the value in", text.trim());
                findings.push(Finding::new(path, line, what));
            }
        }
        findings
    },
};

pub(super) const HOP: Rule = Rule {
    name: "hop-owner",
    explain: "only message names the hop-by-hop headers, in its table of names and in message::hop. A second list would differ from the first one day, and \
              a header that one side drops and the other forwards is how requests are smuggled. Use its constants \
              and functions.",
    check: |tree| {
        let rooms = ["policy", "plan", "proxy", "control", "admin"];
        let code = tree.code().filter(|(path, _)| rooms.contains(&room(path)));
        let is_named = |token: &Token| {
            token.literal().is_some_and(|text| HOP_BY_HOP.iter().any(|name| name.eq_ignore_ascii_case(text)))
        };
        each(code, is_named, "use message::hop; no other room names hop-by-hop headers")
    },
};

pub(super) const METRICS: Rule = Rule {
    name: "metric-owner",
    explain: "only meter::names spells a metric. One table of names is what makes the documentation, the exposition \
              and the dashboards agree; elsewhere a metric is an identifier the compiler checks.",
    check: |tree| {
        let code = tree.code().filter(|(path, _)| {
            path.starts_with("userspace/") && !is_module(path, "userspace/meter/src/names")
        });
        each(code, |token| token.literal().is_some_and(is_metric), "use the identifier from meter::names")
    },
};

pub(super) const STATUSES: Rule = Rule {
    name: "status-owner",
    explain: "in proxy, only fault.rs maps an error to a status of 4xx or 5xx: errors are typed where they arise and \
              become a reply in one file, so two ways to the same mistake cannot answer differently. Policies choose \
              their own reply, that is their job, and comparing a status is not choosing one.",
    check: |tree| {
        let code = tree.code().filter(|(path, _)| {
            path.starts_with("userspace/proxy/src/") && !is_module(path, "userspace/proxy/src/fault")
        });
        let mut findings = Vec::new();
        for (path, source) in code {
            let tokens = source.tokens();
            for (at, token) in tokens.iter().enumerate().filter(|(_, token)| is_status(token)) {
                let before = tokens.get(at.saturating_sub(2)..at).unwrap_or_default();
                if !is_comparison(before) {
                    let what = format!("{}: return a Fault; proxy::fault gives it the status", token.text);
                    findings.push(Finding::new(path, token.line, what));
                }
            }
        }
        findings
    },
};

/// Headers whose names mean nothing else; `te`, `trailer` and `upgrade` are words of other trades too.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "transfer-encoding",
    "proxy-authorization",
];

/// Error statuses that are not also round numbers of something else (500 ms, 512 bytes).
const STATUS: [&str; 18] = [
    "400", "401", "403", "404", "405", "408", "411", "413", "414", "417", "421", "429", "431", "501", "502",
    "503", "504", "505",
];

/// A finding for each token that `is_owned` picks.
fn each<'a>(
    code: impl Iterator<Item = (&'a str, &'a Source)>,
    is_owned: impl Fn(&Token) -> bool,
    what: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in code {
        for token in source.tokens().iter().filter(|token| is_owned(token)) {
            findings.push(Finding::new(path, token.line, format!("{}: {what}", token.text)));
        }
    }
    findings
}

/// The room a path belongs to.
fn room(path: &str) -> &str {
    let mut parts = path.split('/');
    match parts.next() {
        Some("userspace" | "ebpf") => parts.next().unwrap_or_default(),
        _ => "",
    }
}

/// Whether a path is a module's file or lies in its folder.
fn is_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn derives_deserialize(line: &str) -> bool {
    let line = line.trim_start();
    let word = line.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "Deserialize");
    word && (line.starts_with("#[derive(") || line.starts_with("impl"))
}

/// `weir_` and the rest of a metric's name; the names of the packages are not metrics.
fn is_metric(text: &str) -> bool {
    let packages = [
        "admin", "control", "kernel", "message", "meter", "plan", "policy", "proxy", "reactor", "schema",
        "wire",
    ];
    text.strip_prefix("weir_").is_some_and(|rest| {
        let is_name =
            rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        is_name && rest.len() > 2 && !packages.contains(&rest)
    })
}

/// Whether two tokens end in an operator that compares: who asks for a status does not choose one.
fn is_comparison(before: &[Token]) -> bool {
    match before {
        [.., last] if matches!(last.text.as_str(), "<" | ">") => true,
        [first, last] => last.text == "=" && matches!(first.text.as_str(), "<" | ">" | "=" | "!"),
        _ => false,
    }
}

fn is_status(token: &Token) -> bool {
    let digits = token.text.trim_end_matches("u16").trim_end_matches('_');
    STATUS.contains(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    fn check(rule: &Rule, path: &str, text: &str, found: bool) {
        let expect: Vec<_> = found.then(|| format!("{path}:1")).into_iter().collect();
        assert_eq!(places(rule, &[(path, text)]), expect, "{path} {text}");
    }

    #[test]
    fn only_main_names_verdicts() {
        check(&VERDICTS, "ebpf/xdp/src/main.rs", "fn a() -> u32 { XDP_DROP }", false);
        check(&VERDICTS, "ebpf/xdp/src/list.rs", "fn a() -> u32 { xdp_action::XDP_DROP }", true);
        check(&VERDICTS, "ebpf/wire/src/reason.rs", "const A: u32 = XDP_PASS;", true);
        check(&VERDICTS, "ebpf/xdp/src/list.rs", "// XDP_DROP is for main.\n", false);
        check(&VERDICTS, "userspace/kernel/src/attach.rs", "const A: u32 = XDP_FLAGS_SKB_MODE;", false);
    }

    #[test]
    fn only_schema_derives_deserialize() {
        check(&SCHEMA, "userspace/schema/src/route.rs", "#[derive(Deserialize)] struct A;", false);
        check(&SCHEMA, "userspace/control/src/jwks.rs", "#[derive(Deserialize)] struct A;", false);
        check(&SCHEMA, "userspace/plan/src/route.rs", "#[derive(Debug, serde::Deserialize)] struct A;", true);
        check(&SCHEMA, "userspace/proxy/src/route.rs", "impl<'de> Deserialize<'de> for A {}", true);
        check(&SCHEMA, "userspace/plan/src/route.rs", "#[derive(DeserializeOwned)] struct A;", false);
    }

    #[test]
    fn only_hop_names_hop_by_hop_headers() {
        check(&HOP, "userspace/message/src/hop.rs", "const A: &str = \"transfer-encoding\";", false);
        check(&HOP, "userspace/message/src/hop/list.rs", "const A: &str = \"keep-alive\";", false);
        check(&HOP, "userspace/proxy/src/h1.rs", "const A: &[u8] = b\"Transfer-Encoding\";", true);
        check(&HOP, "userspace/policy/src/a.rs", "const A: &str = \"connection refused\";", false);
        check(
            &HOP,
            "userspace/message/src/a.rs",
            "#[cfg(test)] mod tests { const A: &str = \"keep-alive\"; }",
            false,
        );
    }

    #[test]
    fn only_names_spells_metrics() {
        check(&METRICS, "userspace/meter/src/names.rs", "const A: &str = \"weir_requests_total\";", false);
        check(&METRICS, "userspace/proxy/src/a.rs", "const A: &str = \"weir_requests_total\";", true);
        check(&METRICS, "userspace/weir/src/a.rs", "const A: &str = \"weir_proxy\";", false);
        check(&METRICS, "userspace/weir/src/a.rs", "const A: &str = \"weir_proxy=debug\";", false);
    }

    #[test]
    fn only_fault_gives_statuses() {
        check(&STATUSES, "userspace/proxy/src/fault.rs", "const A: u16 = 502;", false);
        check(&STATUSES, "userspace/proxy/src/h1.rs", "const A: u16 = 502;", true);
        check(&STATUSES, "userspace/proxy/src/h1.rs", "const A: u16 = 431_u16;", true);
        check(&STATUSES, "userspace/proxy/src/h1.rs", "const A: u64 = 500;", false);
        check(&STATUSES, "userspace/proxy/src/h1.rs", "fn a(b: u16) -> bool { b >= 400 && b != 404 }", false);
        check(&STATUSES, "userspace/policy/src/limit.rs", "const A: u16 = 429;", false);
    }
}
