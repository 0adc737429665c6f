//! Changes that are made only if nobody else has changed the same thing meanwhile.

/// Whether an `If-Match` holds for the entity tag that is current, if there is one (RFC 9110, section 13.1.1). Weak tags never
/// do, because ours are strong.
#[must_use]
pub fn holds(if_match: &str, current: Option<&str>) -> bool {
    let Some(current) = current else { return false };
    if_match.trim() == "*" || if_match.split(',').any(|tag| tag.trim() == current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_what_is_current() {
        let check = |if_match: &str, current: Option<&str>, expect: bool| {
            assert_eq!(holds(if_match, current), expect, "{if_match} {current:?}");
        };
        check("\"7-ab\"", Some("\"7-ab\""), true);
        check("\"6-cd\" , \"7-ab\"", Some("\"7-ab\""), true);
        check("*", Some("\"7-ab\""), true);
        check("\"6-cd\"", Some("\"7-ab\""), false);
        check("W/\"7-ab\"", Some("\"7-ab\""), false);
        check("7-ab", Some("\"7-ab\""), false);
        check("*", None, false);
    }
}
