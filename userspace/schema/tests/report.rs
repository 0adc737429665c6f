//! The forms of a report that programs read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use serde_json::Value;
use weir_schema::diagnostic::Style;
use weir_schema::lookup::Anything;
use weir_schema::{Format, Sources, parse};

const TEXT: &str = "version: 1\nlisteners:\n  - bind: \":80\"\nroutes:\n  - match: a/*\n    upstream: api\n  - match: b/*\n    upstream: api\n    timeouts: { connect: 5 }\nupstreams:\n  api: { targets: [ 10.0.0.1:80, 10.0.0.1:80 ] }\n";

fn written(format: Format) -> Value {
    let sources = Sources::one("weir.yaml", TEXT);
    let report = parse(&sources, &Anything).report;
    serde_json::from_str(&report.write(&sources, format, Style::Plain)).unwrap()
}

#[test]
fn json_has_place_path_and_hints() {
    let report = written(Format::Json);
    assert_eq!(
        (&report["valid"], &report["errors"], &report["warnings"]),
        (&Value::from(false), &Value::from(2), &Value::from(0))
    );
    let first = &report["diagnostics"][0];
    let expect = serde_json::json!({
        "code": "E0201", "severity": "error", "rule": "a duration", "path": "routes[1].timeouts.connect",
        "message": "`5` has no unit", "file": "weir.yaml", "line": 9, "column": 26, "length": 1,
        "hints": ["Seconds are `5s`, milliseconds `5ms`; only `0s` is nothing."], "related": [],
    });
    assert_eq!(first, &expect);
    let second = &report["diagnostics"][1];
    assert_eq!(second["path"], "upstreams.api.targets[1]");
    assert_eq!(
        (&second["related"][0]["line"], &second["related"][0]["column"]),
        (&Value::from(11), &Value::from(21))
    );
}

#[test]
fn sarif_names_its_rules_and_regions() {
    let sarif = written(Format::Sarif);
    let run = &sarif["runs"][0];
    let rules: Vec<_> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(rules, ["E0201", "E0407"]);
    let place = &run["results"][0]["locations"][0];
    assert_eq!(
        place["physicalLocation"]["region"],
        serde_json::json!({ "startLine": 9, "startColumn": 26, "endColumn": 27 })
    );
    assert_eq!(place["logicalLocations"][0]["fullyQualifiedName"], "routes[1].timeouts.connect");
}
