//! References inside values: `${NAME}`, `${NAME:-default}`, `${file:PATH}`, `${cred:NAME}`; `$${` stands for `${`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lookup::Lookup;
use crate::node::Scalar;
use crate::span::Span;

/// A text with its references filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// Some of it came from a file or credential.
    pub(crate) secret: bool,
    /// A file that some of it came from and that others may read.
    pub(crate) open: Option<String>,
    /// Some of it only stands in for a value that is not known here.
    pub(crate) guessed: bool,
}

/// Fills in every reference.
pub(crate) fn fill(scalar: &Scalar, span: Span, lookup: &dyn Lookup) -> Result<Filled, Vec<Diagnostic>> {
    let text = scalar.text.as_str();
    let (mut filled, mut secret, mut faults) = (String::with_capacity(text.len()), false, Vec::new());
    let (mut open, mut guessed) = (None, false);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let offset = text.len().saturating_sub(after.len()).saturating_sub(2);
        let Some((name, tail)) = after.split_once('}') else {
            let found =
                Diagnostic::new(Code::Reference, part(scalar, span, offset, 2), "`${` is not closed by `}`");
            faults.push(found.hint("Write `$${` for the two characters themselves."));
            return Err(faults);
        };
        rest = tail;
        match resolve(name, lookup) {
            Ok((value, from_outside)) => {
                filled.push_str(&value);
                secret |= from_outside;
                // A default is a value as good as any.
                guessed |= lookup.guesses() && !name.contains(":-");
                open = open.or_else(|| {
                    name.strip_prefix("file:").filter(|path| lookup.is_open(path)).map(str::to_owned)
                });
            }
            Err((code, message, hint)) => {
                let place = part(scalar, span, offset, name.len().saturating_add(3));
                faults.push(Diagnostic::new(code, place, message).hint(hint));
            }
        }
    }
    filled.push_str(rest);
    if faults.is_empty() { Ok(Filled { text: filled, secret, open, guessed }) } else { Err(faults) }
}

fn part(scalar: &Scalar, span: Span, offset: usize, len: usize) -> Span {
    let (Some(inset), Some(before)) = (scalar.inset, scalar.text.get(..offset)) else { return span };
    span.part(usize::from(inset).saturating_add(before.chars().count()), len)
}

type Fault = (Code, String, String);

fn resolve(name: &str, lookup: &dyn Lookup) -> Result<(String, bool), Fault> {
    if let Some(path) = name.strip_prefix("file:") {
        let value = lookup.file(path).map_err(|why| {
            let hint = "Give the path from the root and let the service's user read it.";
            (Code::FileUnreadable, format!("`{path}` cannot be read: {why}"), hint.to_owned())
        })?;
        return Ok((value.trim_end_matches(['\r', '\n']).to_owned(), true));
    }
    if let Some(credential) = name.strip_prefix("cred:") {
        let value = lookup.credential(credential).map_err(|why| {
            let hint = format!("Add `LoadCredential={credential}:/path` to the service's unit.");
            (Code::CredentialMissing, format!("no credential `{credential}`: {why}"), hint)
        })?;
        return Ok((value.trim_end_matches(['\r', '\n']).to_owned(), true));
    }
    variable(name, lookup)
}

fn variable(name: &str, lookup: &dyn Lookup) -> Result<(String, bool), Fault> {
    let (variable, default) =
        name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if variable.is_empty() || !variable.chars().all(fits) {
        let hint = "A reference is `${NAME}`, `${NAME:-default}`, `${file:PATH}` or `${cred:NAME}`.";
        return Err((Code::Reference, format!("`${{{name}}}` is not a reference"), hint.to_owned()));
    }
    let known = if lookup.guesses() && default.is_some() { None } else { lookup.env(variable) };
    match known.or_else(|| default.map(str::to_owned)) {
        Some(value) => Ok((value, false)),
        None => {
            let hint = format!("Set it for the service, or give a default: `${{{variable}:-…}}`.");
            Err((Code::EnvUndefined, format!("the environment variable `{variable}` is not set"), hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::Fixed;

    fn filled(text: &str) -> Result<(String, bool), Vec<(Code, u32)>> {
        let mut lookup = Fixed::default();
        lookup.env.insert("PORT".into(), "8443".into());
        lookup.credentials.insert("api.key".into(), "s3cret\n".into());
        let scalar = Scalar { text: text.into(), inset: Some(0) };
        let span = Span { file: 0, len: 9, line: 1, column: 1 };
        fill(&scalar, span, &lookup)
            .map(|filled| (filled.text, filled.secret))
            .map_err(|found| found.into_iter().map(|d| (d.code, d.span.column)).collect())
    }

    #[test]
    fn what_is_not_known_here_is_a_guess_unless_there_is_a_default() {
        let check = |text: &str, expect: &str, guessed: bool| {
            let scalar = Scalar { text: text.into(), inset: Some(0) };
            let filled = fill(&scalar, Span::NOWHERE, &crate::lookup::Anything).unwrap();
            assert_eq!((filled.text.as_str(), filled.guessed), (expect, guessed), "{text}");
        };
        check(":8080", ":8080", false);
        check("${BIND:-:8080}", ":8080", false);
        check("${BIND}", "env-BIND", true);
        check("${cred:key}", crate::lookup::OFFLINE, true);
    }

    #[test]
    fn references_are_filled_or_reported_at_their_column() {
        let check = |text: &str, expect: Result<(&str, bool), (Code, u32)>| {
            let expect = expect.map(|(text, secret)| (text.to_owned(), secret)).map_err(|fault| vec![fault]);
            assert_eq!(filled(text), expect, "{text}");
        };
        check(":${PORT}", Ok((":8443", false)));
        check("${HOST:-::1}", Ok(("::1", false)));
        check("${cred:api.key}", Ok(("s3cret", true)));
        check("a $${x} b", Ok(("a ${x} b", false)));
        check("a${b", Err((Code::Reference, 2)));
        check("ab${HOST}", Err((Code::EnvUndefined, 3)));
        check("${file:/no}", Err((Code::FileUnreadable, 1)));
        check("x${cred:no}", Err((Code::CredentialMissing, 2)));
        check("${a b}", Err((Code::Reference, 1)));
    }
}
