//! Every example is read without a word of complaint, stands in its one form, and survives being rendered and read again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

use weir_schema::lookup::Anything;
use weir_schema::render::{Detail, render};
use weir_schema::{Config, Sources, fmt, parse};

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn examples() -> Vec<PathBuf> {
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let inside = |directory: &Path| {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(yaml).collect::<Vec<_>>()
    };
    let mut files = inside(&config());
    files.extend(inside(&config().join("examples")));
    files.sort();
    files
}

fn read(name: &str, text: &str) -> (Config, Sources) {
    let sources = Sources::one(name, text);
    let outcome = parse(&sources, &Anything);
    let said =
        outcome.report.write(&sources, weir_schema::Format::Text, weir_schema::diagnostic::Style::Plain);
    assert!(outcome.report.is_empty(), "{said}");
    (outcome.config.unwrap(), sources)
}

#[test]
fn every_example_is_read_without_complaint() {
    let files = examples();
    assert!(files.len() > 20, "only {} examples", files.len());
    for path in files {
        read(&path.to_string_lossy(), &fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn every_example_stands_in_its_one_form() {
    let bless = std::env::var_os("WEIR_BLESS").is_some();
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        let formatted = fmt::format(&text).unwrap();
        if bless && text != formatted {
            fs::write(&path, &formatted).unwrap();
        } else {
            assert_eq!(fmt::unified(&path.to_string_lossy(), &text, &formatted), "");
        }
    }
}

#[test]
fn what_is_rendered_reads_as_the_same() {
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        // Secrets are covered and could not be read back.
        let text = text.replace("\"${cred:", "\"/${cred:");
        let (config, sources) = read(&path.to_string_lossy(), &text);
        for defaults in [false, true] {
            let rendered = render(&config, &sources, Detail { defaults, origins: true });
            let again = parse(&Sources::one("rendered.yaml", rendered.clone()), &Anything);
            assert!(!again.report.has_errors(), "{}: {:#?}\n{rendered}", path.display(), again.report);
            if !rendered.contains("(secret)") {
                assert_eq!(again.config.as_ref(), Some(&config), "{}\n{rendered}", path.display());
            }
        }
    }
}

#[test]
fn every_kind_of_policy_has_an_example() {
    for kind in weir_schema::policy::Policy::WORDS {
        let path = config().join("examples").join(format!("{kind}.yaml"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(&format!("{kind}:")), "{} does not show `{kind}`", path.display());
    }
}

#[test]
fn the_smallest_file_is_twelve_lines() {
    assert_eq!(weir_schema::init().lines().count(), 12);
}

#[test]
fn the_schema_for_editors_is_current() {
    let path = config().join("schema.json");
    let text = format!("{:#}\n", weir_schema::json_schema());
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "config/schema.json is not current; WEIR_BLESS=1 writes it");
}

/// Every key that the schema reaches from a definition, policies apart: they have examples of their own.
fn keys(
    schema: &serde_json::Value,
    node: &serde_json::Value,
    seen: &mut Vec<String>,
    found: &mut Vec<String>,
) {
    match node {
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(schema, item, seen, found)),
        serde_json::Value::Object(entries) => {
            if let Some(name) = entries.get("$ref").and_then(|name| name.as_str()?.rsplit('/').next()) {
                if name != "Policy" && !seen.iter().any(|known| known == name) {
                    seen.push(name.to_owned());
                    keys(schema, &schema["definitions"][name], seen, found);
                }
                return;
            }
            if let Some(properties) = entries.get("properties").and_then(|properties| properties.as_object())
            {
                found.extend(properties.keys().cloned());
            }
            entries
                .iter()
                .filter(|(key, _)| *key != "definitions")
                .for_each(|(_, value)| keys(schema, value, seen, found));
        }
        _ => {}
    }
}

#[test]
fn the_reference_shows_every_key() {
    let schema = weir_schema::json_schema();
    let mut found = Vec::new();
    keys(&schema, &schema["allOf"], &mut Vec::new(), &mut found);
    found.sort();
    found.dedup();
    assert!(found.len() > 150, "only {} keys", found.len());
    let text = fs::read_to_string(config().join("weir.yaml")).unwrap();
    // Tests on texts and words that stand alone are shown by name in a comment.
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let missing: Vec<_> = found.iter().filter(|key| !words.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "config/weir.yaml does not show {missing:?}");
}

#[test]
fn formatting_changes_no_configuration() {
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        // Spread out as a careless hand would have it.
        let careless = text
            .replace("{ ", "{")
            .replace(": {", ":   {")
            .replace("\n  - ", "\n\n\n  - ")
            .replace("\n", "   \n");
        let (before, _) = read("careless.yaml", &careless);
        let (after, _) = read("formatted.yaml", &fmt::format(&careless).unwrap());
        assert_eq!(before, after, "{}", path.display());
    }
}
