//! The settings in which two sections differ.

use std::fmt;

use weir_schema::shown::Shown;

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where it stands: `targets[1].weight`.
    pub path: String,
    /// What it was; none if it was not set.
    pub before: Option<String>,
    /// What it is; none if it is not set.
    pub after: Option<String>,
}

/// Every setting in which the two differ. Secrets are the exception: that they differ cannot be seen here.
pub(super) fn leaves(before: &Shown, after: &Shown) -> Vec<Leaf> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    if found.is_empty() {
        let covered = Some("(secret)".to_owned());
        found.push(Leaf { path: "a secret".to_owned(), before: covered.clone(), after: covered });
    }
    found
}

fn compare(path: String, before: Option<&Shown>, after: Option<&Shown>, found: &mut Vec<Leaf>) {
    match (before, after) {
        (Some(Shown::Map(old)), Some(Shown::Map(new))) => {
            let look = |map: &'_ [(String, weir_schema::Span, Shown)], key: &str| {
                map.iter().position(|(name, ..)| name == key)
            };
            for (key, _, old) in old {
                let new = look(new, key).and_then(|place| new.get(place)).map(|(.., value)| value);
                compare(join(&path, key), Some(old), new, found);
            }
            for (key, _, new) in new.iter().filter(|(key, ..)| look(old, key).is_none()) {
                compare(join(&path, key), None, Some(new), found);
            }
        }
        (Some(Shown::Choice(old_word, old)), Some(Shown::Choice(word, new))) if old_word == word => {
            compare(join(&path, word), Some(old), Some(new), found);
        }
        (Some(Shown::List(old)), Some(Shown::List(new))) => {
            for place in 0..old.len().max(new.len()) {
                let [old, new] = [old, new].map(|list| list.get(place).map(|(_, value)| value));
                compare(format!("{path}[{place}]"), old, new, found);
            }
        }
        _ => {
            let [before, after] = [before, after].map(|shown| shown.and_then(in_words));
            if before != after {
                found.push(Leaf { path, before, after });
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value on one line; nothing for what is not set.
fn in_words(shown: &Shown) -> Option<String> {
    match shown {
        Shown::Nothing => None,
        Shown::Text(text) => Some(text.clone()),
        Shown::Secret => Some("(secret)".to_owned()),
        Shown::Choice(word, inner) => Some(match in_words(inner) {
            Some(inner) => format!("{word}: {inner}"),
            None => (*word).to_owned(),
        }),
        Shown::List(items) => {
            let items: Vec<String> = items.iter().filter_map(|(_, item)| in_words(item)).collect();
            (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
        }
        Shown::Map(entries) => {
            let entry = |(key, _, value): &(String, weir_schema::Span, Shown)| {
                in_words(value).map(|value| format!("{key}: {value}"))
            };
            let entries: Vec<String> = entries.iter().filter_map(entry).collect();
            (!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", ")))
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} -> {}", self.path, word(&self.before), word(&self.after))
    }
}
