//! `docs/configuration.md` says what the schema says. `WEIR_BLESS=1` writes it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

#[test]
fn the_reference_of_the_configuration_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = page(&weir_schema::json_schema());
    assert!(page.matches("\n## ").count() > 40, "each section has its part");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == page,
        "docs/configuration.md is old: WEIR_BLESS=1 cargo test -p weir-schema writes it anew"
    );
}

fn page(schema: &Value) -> String {
    let mut page = String::from(
        "# Configuration reference\n\nMade from the schema by `WEIR_BLESS=1 cargo test -p weir-schema`. `config/weir.yaml` is the same as an annotated\n\
         file, `weir render --defaults` shows every value as it holds. Where a list stands, a single item may stand as well.\n",
    );
    let sections = schema["definitions"].as_object().unwrap();
    let first = sections.iter().filter(|(name, _)| *name == "Config");
    for (name, section) in first.chain(sections.iter().filter(|(name, _)| *name != "Config")) {
        write!(page, "\n## {name}\n\n{}\n", said(section)).unwrap();
        let forms =
            section.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![section.clone()]);
        for form in forms {
            match form.get("properties").and_then(Value::as_object) {
                None => write!(page, "\nShort form: {}.\n", kind(&form)).unwrap(),
                Some(keys) => {
                    page.push_str("\n| key | value | default | |\n|---|---|---|---|\n");
                    let needed = form.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
                    for (key, value) in keys {
                        let default = match value.get("default") {
                            _ if needed.iter().any(|name| name == key) => String::from("needed"),
                            Some(default) => format!(
                                "`{}`",
                                default.as_str().map_or_else(|| default.to_string(), str::to_owned)
                            ),
                            None => String::new(),
                        };
                        writeln!(
                            page,
                            "| `{key}` | {} | {} | {} |",
                            cell(&kind(value)),
                            cell(&default),
                            cell(&said(value))
                        )
                        .unwrap();
                    }
                }
            }
        }
    }
    page
}

fn said(value: &Value) -> String {
    value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a value may be, in words.
fn kind(value: &Value) -> String {
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(name) = value.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    let words = list("enum");
    if !words.is_empty() {
        return words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(" ");
    }
    let forms = [list("allOf"), list("anyOf"), list("oneOf")].concat();
    if !forms.is_empty() {
        let mut kinds: Vec<String> = forms.iter().map(kind).filter(|kind| !kind.is_empty()).collect();
        kinds.dedup();
        // A list whose items may also stand alone is said once, as a list.
        let lists: Vec<String> =
            kinds.iter().filter_map(|kind| kind.strip_prefix("list of ").map(str::to_owned)).collect();
        kinds.retain(|kind| !lists.contains(kind));
        return kinds.join(" or ");
    }
    match (value.get("items"), value.get("additionalProperties").filter(|more| more.is_object())) {
        (Some(items), _) => format!("list of {}", kind(items)),
        (_, Some(more)) => format!("by name: {}", kind(more)),
        _ => match value.get("const") {
            Some(word) => format!("`{}`", word.as_str().map_or_else(|| word.to_string(), str::to_owned)),
            None => said(value),
        },
    }
}

/// A text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
