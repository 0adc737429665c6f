//! Differences in words, and that a plan does not differ from itself.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::UnixTime;
use weir_schema::Sources;
use weir_schema::lookup::Fixed;

use super::{Fate, Part, diff};
use crate::compile::tests::{Given, NOW, plan};
use crate::compile::{Outside, compile};

const BASE: &str = "listeners: [ { name: edge, bind: [ ':80', ':81' ] } ]
upstreams:
  a: { targets: [ 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80 ], balance: { maglev: ip } }
routes:
  - { name: first, match: /a, upstream: a }
  - { name: second, match: /b, respond: { body: hi } }
policies: { fair: { rate_limit: { rate: 10/s } } }
";

fn words(before: &str, after: &str) -> Vec<String> {
    diff(&plan(before), &plan(after)).to_string().lines().map(str::to_owned).collect()
}

#[track_caller]
fn check(from: &str, to: &str, expect: &[&str]) {
    assert!(BASE.contains(from), "{from}");
    assert_eq!(words(BASE, &BASE.replace(from, to)), expect);
}

#[test]
fn each_change_is_told_with_its_effect() {
    check("", "", &[]);
    check(
        "':80', ':81'",
        "':80', ':82'",
        &[
            "~ listener `edge`: It opens :82. It closes :81; connections there have 30 s to end. Open connections stay; requests in flight end as they began.",
            "    bind[1]: :81 -> :82",
        ],
    );
    check(
        ", 10.0.0.4:80",
        "",
        &[
            "~ upstream `a`: `10.0.0.4:80` leaves once its requests have ended. 25.3 % of the keys move to another target. Connections to the others stay.",
            "    targets[3]: { address: 10.0.0.4:80, weight: 1 } -> not set",
        ],
    );
    check(
        "match: /a, ",
        "match: /a, timeouts: { total: 5s }, ",
        &[
            "~ route `first`: New requests obey it; those in flight end as they began, and WebSockets stay.",
            "    timeouts: not set -> { connect: 5s, first_byte: 1m, idle: 1m, total: 5s }",
        ],
    );
    check(
        "rate: 10/s",
        "rate: 20/s",
        &[
            "~ policy `fair`: New requests are judged by it; what it counted is forgotten.",
            "    rate_limit.rate: 10/s -> 20/s",
        ],
    );
    check(
        "name: second",
        "name: third",
        &[
            "- route `second`: New requests no longer find it; those in flight end as they began, and its WebSockets have 30 s to end.",
            "+ route `third`: New requests can find it.",
        ],
    );
}

#[test]
fn another_order_of_routes_is_a_change() {
    let (first, second) = (
        "  - { name: first, match: /a, upstream: a }\n",
        "  - { name: second, match: /b, respond: { body: hi } }\n",
    );
    let swapped = BASE.replace(&format!("{first}{second}"), &format!("{second}{first}"));
    let found = diff(&plan(BASE), &plan(&swapped));
    assert_eq!(found.changes.len(), 1);
    assert_eq!((found.changes[0].part, found.changes[0].fate), (Part::Route, Fate::Changed));
}

/// Of the sections of which there is one, each setting: what it is, what it becomes, and whether that takes a restart. The
/// sections that are lists are part of the plan, which workers take as a whole.
#[test]
fn a_restart_is_asked_for_where_it_is_needed_and_nowhere_else() {
    let plan = |section: &str, setting: &str| {
        let text =
            format!("version: 1\n{section}: {{ {setting} }}\nlisteners: [ {{ name: edge, bind: ':80' }} ]\n");
        let config = weir_schema::parse(&Sources::one("weir.yaml", text.clone()), &Fixed::default());
        let config = Arc::new(config.into_result().unwrap_or_else(|report| panic!("{text}\n{report:#?}")).0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
        let outcome = compile(&config, &Outside { files: &Given::default(), now, before: None });
        outcome.plan.unwrap_or_else(|| panic!("{text}\n{:#?}", outcome.report))
    };
    let check = |section: &str, before: &str, after: &str, restart: bool| {
        let found = diff(&plan(section, before), &plan(section, after));
        assert_eq!(found.changes.len(), 1, "{section} {before} {after}: {found}");
        let summary = found.summary();
        assert_eq!(summary.contains("must be restarted"), restart, "{section} {after}: {summary}");
        let name = after.split(':').next().unwrap_or_default();
        assert!(!restart || summary.contains(&format!("`{section}.{name}`")), "{summary}");
    };
    let table = include_str!("tests/settings.txt");
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [section, before, after, when] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}: section, before, after, when");
        };
        check(section, before.trim(), after.trim(), when == "restart");
    }
}

/// What is made of files, whose changes have tests of their own.
const OF_FILES: [&str; 2] = ["tls.certificates", "admin.tls"];

#[test]
fn the_table_of_settings_has_every_setting() {
    let table = include_str!("tests/settings.txt");
    let has = |section: &str, name: &str| {
        let start = format!("{section} | ");
        let rows = table.lines().filter_map(|line| line.strip_prefix(&*start)?.split(" | ").nth(1));
        rows.filter_map(|after| after.split_once(':')).any(|(own, _)| own == name)
    };
    let schema = weir_schema::json_schema();
    let mut missing = Vec::new();
    for section in ["limits", "shield", "tls", "telemetry", "admin"] {
        let title = format!("{}{}", section[..1].to_uppercase(), &section[1..]);
        let names = schema["definitions"][&title]["properties"].as_object().expect(section).keys();
        let all = names.map(|name| (format!("{section}.{name}"), has(section, name)));
        missing.extend(all.filter(|(path, has)| !has && !OF_FILES.contains(&&**path)).map(|(path, _)| path));
    }
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_does_not_differ_from_itself(
        routes in prop::collection::vec((0_u8..4, 0_u8..6, -1_i32..2), 1..20),
        targets in 1_u8..9,
        balance in prop::sample::select(vec!["round_robin", "least_request", "{ hash: ip }", "{ maglev: ip }"]),
    ) {
        use std::fmt::Write;
        let mut text = "listeners: [ { bind: ':80' } ]\nupstreams:\n  a:\n    targets: [".to_owned();
        for target in 0..targets {
            write!(text, " 10.0.0.{target}:80,").unwrap();
        }
        write!(text, " ]\n    balance: {balance}\nroutes:\n").unwrap();
        for (host, path, priority) in &routes {
            writeln!(text, "  - {{ match: h{host}.io/p{path}, priority: {priority}, upstream: a }}").unwrap();
        }
        prop_assert!(diff(&plan(&text), &plan(&text)).is_empty(), "{}", text);
        let more = format!("{text}  - {{ match: other.net/*, upstream: a }}\n");
        prop_assert_eq!(diff(&plan(&text), &plan(&more)).changes.len(), 1);
        prop_assert_eq!(diff(&plan(&more), &plan(&text)).changes.len(), 1);
    }
}
