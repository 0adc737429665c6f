//! What a code or a key means: `E0103`, `routes.match`, `shield.per_source.packets`.

use crate::code::Code;
use crate::config::Config;
use crate::hint;
use crate::shape::{KeyShape, Section, Shape};
use crate::shown::Shown;
use crate::value::Value;

/// The text for a code or for the path of a key.
///
/// # Errors
/// There is nothing of this name; what was probably meant.
pub fn explain(what: &str) -> Result<String, String> {
    let what = what.trim();
    if let Some(code) = Code::find(what) {
        return Ok(format!("{}: {}\n\n{}\n", code.as_str(), code.title(), code.explain()));
    }
    let looks_like_code = what.len() == 5 && what.starts_with(['E', 'W', 'e', 'w']);
    if looks_like_code {
        return Err(format!("there is no code `{what}`"));
    }
    key(what)
}

fn key(path: &str) -> Result<String, String> {
    let mut shape = Config::shape();
    let mut found: Option<KeyShape> = None;
    for part in path.split('.') {
        // A name, such as that of an upstream, is passed over.
        let keys = sections(&shape).iter().flat_map(|section| (section.keys)()).collect::<Vec<_>>();
        match keys.iter().find(|key| key.key == part) {
            Some(key) => {
                shape = key.shape.clone();
                found = Some(key.clone());
            }
            None if matches!(shape, Shape::Map(_)) => shape = inner(shape),
            None => {
                let near = hint::did_you_mean(part, keys.iter().map(|key| key.key).collect::<Vec<_>>());
                return Err(format!("there is no key `{part}` in `{path}`. {}", near.unwrap_or_default())
                    .trim_end()
                    .to_owned());
            }
        }
    }
    found.map(|key| describe(path, &key)).ok_or_else(|| format!("there is no key `{path}`"))
}

fn inner(shape: Shape) -> Shape {
    match shape {
        Shape::Map(value) => *value,
        other => other,
    }
}

/// The sections that can stand at a place, through lists, names and short forms.
fn sections(shape: &Shape) -> Vec<Section> {
    match shape {
        Shape::Section(section) | Shape::Choice(section) => vec![*section],
        Shape::List(item) | Shape::Map(item) => sections(item),
        Shape::Any(forms) => forms.iter().flat_map(sections).collect(),
        _ => Vec::new(),
    }
}

fn describe(path: &str, key: &KeyShape) -> String {
    let mut text = format!("{path}: {}\n\n", key.doc.trim());
    text.push_str(&format!("  It is {}.\n", forms(&key.shape)));
    match &key.default {
        Some(Shown::Text(default)) => text.push_str(&format!("  Left out: {default}\n")),
        Some(Shown::Choice(word, _)) => text.push_str(&format!("  Left out: {word}\n")),
        _ if key.required => text.push_str("  It cannot be left out.\n"),
        _ => {}
    }
    for section in sections(&key.shape) {
        text.push('\n');
        for key in (section.keys)() {
            text.push_str(&format!("  {:<22} {}\n", key.key, key.doc.trim()));
        }
    }
    text
}

/// What may be written, in words.
fn forms(shape: &Shape) -> String {
    match shape {
        Shape::Text { what, example } if what.contains(example) => (*what).to_owned(),
        Shape::Text { what, example } => format!("{what} such as `{example}`"),
        Shape::Integer { min, max } => format!("a whole number between {min} and {max}"),
        Shape::Number => "a number".to_owned(),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Words(words) => format!(
            "one of {}",
            hint::list(&words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>())
        ),
        Shape::List(item) => format!("a list; each entry is {}", forms(item)),
        Shape::Map(value) => format!("a mapping from names; each value is {}", forms(value)),
        Shape::Any(all) => all.iter().map(forms).collect::<Vec<_>>().join(", or "),
        Shape::Section(_) => "a mapping with these keys".to_owned(),
        Shape::Choice(_) => "a mapping with one of these keys".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_keys_are_explained() {
        let check = |what: &str, part: &str| {
            let text = explain(what).unwrap();
            assert!(text.contains(part), "{what}: {text}");
        };
        check("e0103", "E0103: no such key here");
        check("shield.per_source.packets", "Left out: 20k/s");
        check("upstreams.orders.balance", "maglev");
        check("upstreams.balance.hash.by", "What is hashed");
        check("routes.match.path", "a list; each entry is a path such as `/v1/*`");
        check("listeners", "bind");
        check("policies.login.jwt.issuer", "Who must have issued the token");
    }

    #[test]
    fn others_are_answered_with_what_was_meant() {
        let check = |what: &str, part: &str| {
            let text = explain(what).unwrap_err();
            assert!(text.contains(part), "{what}: {text}");
        };
        check("E9999", "no code");
        check("shield.per_sorce", "Did you mean `per_source`?");
        check("routs", "Did you mean `routes`?");
    }
}
