//! Several files are one configuration: lists follow one another, names unite, and every message names its file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use weir_schema::lookup::Anything;
use weir_schema::render::{Detail, render};
use weir_schema::{Outcome, Source, Sources, parse};

const MAIN: &str = "version: 1\nlisteners:\n  - bind: \":80\"\nroutes:\n  - match: a.example.com/*\n    upstream: a\nupstreams:\n  a: { targets: [ 10.0.0.1:80 ] }\n";

fn read(files: &[(&str, &str)]) -> (Outcome, Sources) {
    let sources = Sources::new(files.iter().map(|(name, text)| Source::new(*name, *text)).collect());
    (parse(&sources, &Anything), sources)
}

/// Each diagnostic as `code file:line:column`.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let (outcome, sources) = read(files);
    outcome
        .report
        .iter()
        .map(|found| format!("{} {}", found.code.as_str(), sources.place(found.span)))
        .collect()
}

#[test]
fn lists_follow_and_names_unite() {
    let more = "routes:\n  - match: b.example.com/*\n    upstream: b\nupstreams:\n  b: { targets: [ 10.0.0.2:80 ] }\n";
    let (outcome, sources) = read(&[("weir.yaml", MAIN), ("conf.d/b.yaml", more)]);
    assert!(outcome.report.is_empty(), "{:?}", outcome.report);
    let config = outcome.config.unwrap();
    assert_eq!((config.routes.len(), config.upstreams.len()), (2, 2));
    assert_eq!(sources.place(config.upstreams.name("b").unwrap().span), "conf.d/b.yaml:5:3");
    let rendered = render(&config, &sources, Detail { defaults: false, origins: true });
    assert!(rendered.contains("upstream: b                 # conf.d/b.yaml:3:15"), "{rendered}");
}

#[test]
fn what_two_files_say_is_refused_at_both_places() {
    let twice = "upstreams:\n  a: { targets: [ 10.0.0.2:80 ] }\nlimits: { workers: 2 }\n";
    let limits = "limits: { workers: 4 }\n";
    assert_eq!(
        said(&[("weir.yaml", MAIN), ("b.yaml", twice), ("c.yaml", limits)]),
        ["E0315 b.yaml:2:3", "E0102 c.yaml:1:11"]
    );
}

#[test]
fn a_file_may_add_a_single_key_of_a_section() {
    let main = format!("{MAIN}shield: {{ mode: observe, deny: {{ files: [ /etc/weir/deny.txt ] }} }}\n");
    let ban = "shield: { deny: [ 198.51.100.7 ] }\n";
    let more = "shield:\n  deny: 203.0.113.0/24\n  trusted: [ 10.0.0.0/8 ]\nlimits: { drain_timeout: 5s }\n";
    let (outcome, sources) = read(&[("weir.yaml", &main), ("ban.yaml", ban), ("more.yaml", more)]);
    assert!(outcome.report.is_empty(), "{:?}", outcome.report);
    let config = outcome.config.unwrap();
    let deny = config.shield.deny.as_ref().unwrap();
    assert_eq!((deny.cidrs.len(), deny.files.len(), config.shield.trusted.len()), (2, 1, 1));
    let places: Vec<String> = deny.cidrs.iter().map(|cidr| sources.place(cidr.span)).collect();
    assert_eq!(places, ["ban.yaml:1:19", "more.yaml:2:9"]);
    let twice = "shield: { mode: off }\n";
    assert_eq!(said(&[("weir.yaml", &main), ("b.yaml", twice)]), ["E0102 b.yaml:1:11"]);
}

#[test]
fn messages_name_the_file() {
    let check = |part: &str, expect: &[&str]| {
        assert_eq!(said(&[("weir.yaml", MAIN), ("part.yaml", part)]), expect, "{part}");
    };
    check("routes:\n  - match: b.example.com\n    upstream: c\n", &["E0310 part.yaml:3:15"]);
    check("version: 1\n", &[]);
    check("", &[]);
    check("# nothing but a comment\n", &[]);
    check("routes: [\n", &["E0101 part.yaml:1:9"]);
    check("- routes\n", &["E0105 part.yaml:1:1"]);
    check("listeners:\n  - bind: 0.0.0.0:80\n", &["E0402 part.yaml:2:11"]);
}

#[test]
fn an_empty_main_file_takes_what_the_others_say() {
    let (outcome, _) = read(&[("weir.yaml", "# all in conf.d\n"), ("a.yaml", MAIN)]);
    assert!(outcome.report.is_empty(), "{:?}", outcome.report);
}
