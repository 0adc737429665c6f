//! The JSON Schema (draft-07) by which editors check and complete a configuration, from the same description that reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::shape::{KeyShape, Section, Shape};
use crate::shown::Shown;

/// The schema of the whole configuration.
#[must_use]
pub fn json_schema() -> Value {
    document::<Config>("weir", "The configuration of weir, an L4-L7 edge appliance.")
}

/// The schema of a file whose whole is a `T`.
#[must_use]
pub fn document<T: crate::value::Value>(title: &str, description: &str) -> Value {
    let mut definitions = BTreeMap::new();
    let root = schema(&T::shape(), &mut definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "description": description,
        "allOf": [root],
        "definitions": definitions,
    })
}

type Definitions = BTreeMap<&'static str, Value>;

fn schema(shape: &Shape, definitions: &mut Definitions) -> Value {
    match shape {
        Shape::Text { what, example } => {
            json!({ "type": ["string", "number"], "description": what, "examples": [example] })
        }
        Shape::Integer { min, max } => {
            or_reference(&json!({ "type": "integer", "minimum": min, "maximum": max }))
        }
        Shape::Number => or_reference(&json!({ "type": "number" })),
        Shape::Boolean => or_reference(&json!({ "type": "boolean" })),
        Shape::Words(words) => self::words(words),
        Shape::List(item) => {
            let item = schema(item, definitions);
            json!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
        }
        Shape::Map(value) => {
            json!({ "type": ["object", "null"], "additionalProperties": schema(value, definitions) })
        }
        Shape::Any(forms) => {
            json!({ "anyOf": forms.iter().map(|form| schema(form, definitions)).collect::<Vec<_>>() })
        }
        Shape::Section(section) => refer(section, definitions, section_schema),
        Shape::Choice(section) => refer(section, definitions, choice_schema),
    }
}

/// A reference such as `${PORT}` may stand for any single value.
fn or_reference(value: &Value) -> Value {
    json!({ "anyOf": [value, { "type": "string", "pattern": "\\$\\{[^}]+\\}" }] })
}

fn words(words: &[(&str, &str)]) -> Value {
    // A word such as `1.2` is a number to editors.
    let number = |word: &str| word.parse::<f64>().ok().map(|number| json!(number));
    let values: Vec<Value> =
        words.iter().flat_map(|(word, _)| [Some(json!(word)), number(word)]).flatten().collect();
    let docs: Vec<String> = words.iter().map(|(word, doc)| format!("`{word}`: {}", doc.trim())).collect();
    json!({ "enum": values, "description": docs.join("\n") })
}

fn refer(
    section: &Section,
    definitions: &mut Definitions,
    make: fn(&Section, &mut Definitions) -> Value,
) -> Value {
    if !definitions.contains_key(section.name) {
        // Reserved first: a section may contain itself.
        definitions.insert(section.name, Value::Null);
        let made = make(section, definitions);
        definitions.insert(section.name, made);
    }
    json!({ "$ref": format!("#/definitions/{}", section.name) })
}

fn properties(keys: &[KeyShape], definitions: &mut Definitions) -> Map<String, Value> {
    let property = |key: &KeyShape| {
        let mut property = Map::new();
        property.insert("description".to_owned(), json!(text(key.doc)));
        property.insert("allOf".to_owned(), json!([schema(&key.shape, definitions)]));
        property.extend(key.default.as_ref().and_then(plain).map(|default| ("default".to_owned(), default)));
        (key.key.to_owned(), Value::Object(property))
    };
    keys.iter().map(property).collect()
}

fn section_schema(section: &Section, definitions: &mut Definitions) -> Value {
    let keys = (section.keys)();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.key).collect();
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "type": kind,
        "description": text(section.doc),
        "properties": properties(&keys, definitions),
        "required": required,
        "additionalProperties": false,
    })
}

fn choice_schema(section: &Section, definitions: &mut Definitions) -> Value {
    let keys = (section.keys)();
    let bare: Vec<&str> = keys.iter().filter(|key| !key.required).map(|key| key.key).collect();
    let one = json!({
        "type": "object",
        "properties": properties(&keys, definitions),
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    let forms = if bare.is_empty() { vec![one] } else { vec![json!({ "enum": bare }), one] };
    json!({ "description": text(section.doc), "anyOf": forms })
}

/// The lines of a doc comment as one text.
fn text(doc: &str) -> String {
    doc.trim().to_owned()
}

/// A default as JSON, where it is a single value or a list of them.
fn plain(shown: &Shown) -> Option<Value> {
    match shown {
        Shown::Text(text) => Some(
            serde_json::from_str(text)
                .ok()
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| json!(text)),
        ),
        Shown::List(items) if !items.is_empty() => {
            items.iter().map(|(_, item)| plain(item)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Shown::Choice(word, _) => Some(json!(word)),
        Shown::List(_) | Shown::Map(_) | Shown::Nothing | Shown::Secret => None,
    }
}
