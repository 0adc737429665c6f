//! What a log may not tell: credentials, and queries, which carry them.

/// What stands in place of a covered text.
pub const COVERED: &[u8] = b"***";

/// Fields that carry credentials whatever the configuration says.
const SECRET_FIELDS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
];

/// Whether the value of a field must not be told.
pub fn is_secret_field(name: &str) -> bool {
    SECRET_FIELDS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// A target or URL without its query and fragment.
pub fn without_query(target: &[u8]) -> &[u8] {
    // Most targets have neither, and to find that out is quicker than to look for the first of two.
    if !target.contains(&b'?') && !target.contains(&b'#') {
        return target;
    }
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    target.get(..end).unwrap_or_default()
}

/// The path of a request target in any of its forms (RFC 9112, section 3.2), up to a segment that looks like a signed
/// token (RFC 7515, section 3.1); what follows such a segment is left out with it. The flag says that it was.
pub fn path(target: &[u8]) -> (&[u8], bool) {
    let target = without_query(target);
    let path = match target.first() {
        Some(b'/' | b'*') | None => target,
        Some(_) => after_authority(target),
    };
    // Few paths have the letter, and it is found faster than the four.
    let token = path.contains(&b'J').then(|| path.windows(4).position(|window| window == b"/eyJ")).flatten();
    match token {
        Some(at) => (path.get(..=at).unwrap_or_default(), true),
        None => (path, false),
    }
}

/// What follows scheme and authority; `CONNECT` has nothing there.
fn after_authority(target: &[u8]) -> &[u8] {
    let after = target.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
    let rest = target.get(after..).unwrap_or_default();
    let slash = rest.iter().position(|byte| *byte == b'/');
    slash.and_then(|at| rest.get(at..)).unwrap_or(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_neither_query_nor_token_nor_password() {
        let check = |target: &str, expect: &str, covered: bool| {
            assert_eq!(path(target.as_bytes()), (expect.as_bytes(), covered), "{target}");
        };
        check("/a/b", "/a/b", false);
        check("/a?token=secret", "/a", false);
        check("/a#secret", "/a", false);
        check("*", "*", false);
        check("", "", false);
        check("http://user:secret@host/a?b", "/a", false);
        check("http://host", "/", false);
        check("host:443", "/", false);
        check("/reset/eyJhbGciOi.eyJpc3.sig/x", "/reset/", true);
    }

    #[test]
    fn credentials_are_known_by_the_name_of_their_field() {
        assert!(
            is_secret_field("Authorization") && is_secret_field("COOKIE") && is_secret_field("X-Api-Key")
        );
        assert!(!is_secret_field("User-Agent"));
    }
}
