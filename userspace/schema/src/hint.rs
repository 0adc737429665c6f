//! What was probably meant: the nearest word, and the terms of nginx, HAProxy, Envoy and Kong.

mod foreign;

/// The word nearest to `word`, if one is near enough to be a slip of the fingers.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let far = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| {
            (strsim::osa_distance(&word, &candidate.to_ascii_lowercase().replace('-', "_")), candidate)
        })
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "Did you mean …?" for a name or word, or the list of what there is.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("Did you mean `{near}`?"));
    }
    let known: Vec<_> = known.into_iter().take(13).map(|word| format!("`{word}`")).collect();
    match known.len() {
        0 => None,
        1..=12 => Some(format!("There is {}.", list(&known))),
        _ => None,
    }
}

/// What to write instead of a key that does not exist in this section.
pub(crate) fn unknown_key(section: &str, key: &str, known: &[&str]) -> String {
    if let Some(advice) = foreign::advice(section, key) {
        return advice;
    }
    if let Some(near) = nearest(key, known.iter().copied()) {
        return format!("Did you mean `{near}`?");
    }
    if known.is_empty() {
        return "Nothing can be set here.".to_owned();
    }
    let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
    format!("It has {}.", list(&known))
}

/// Why a key that is missing is needed, where the name alone does not say it.
pub(crate) fn missing(section: &str, key: &str) -> Option<String> {
    let hint = match (section, key) {
        ("file", "version") => "Begin the file with `version: 1`.",
        ("listener", "bind") => "Say where to listen, for instance `bind: \":443\"`.",
        ("route", "match") => {
            "Say which requests are meant, for instance `match: api.example.com/v1/*`; `match: \"*\"` takes all."
        }
        ("upstream", "targets") => "Say where it runs, for instance `targets: [ 10.0.0.11:8080 ]`.",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// `listener` → `a listener`.
pub(crate) fn article(section: &str) -> String {
    if section == "file" {
        return "the file".to_owned();
    }
    let vowel = section.starts_with(['a', 'e', 'i', 'o']) || section.starts_with("up");
    format!("{} `{section}`", if vowel { "an" } else { "a" })
}

/// `a`, `b` and `c`.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let check = |word: &str, expect: Option<&str>| {
            assert_eq!(nearest(word, ["upstream", "policies", "timeouts", "tls"]), expect, "{word}");
        };
        check("upstrem", Some("upstream"));
        check("Upstreams", Some("upstream"));
        check("polices", Some("policies"));
        check("time-outs", Some("timeouts"));
        check("tsl", Some("tls"));
        check("proxy_pass", None);
    }
}
