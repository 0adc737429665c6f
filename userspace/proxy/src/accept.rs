//! What a client wants to read, by its `Accept` (RFC 9110, section 12.5.1).

/// A form that our own answers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For programs.
    Json,
    /// For browsers.
    Html,
    /// For terminals.
    Text,
}

/// Each form by its types, the one for those who take anything first.
const FORMS: [(Form, &[(&str, &str)]); 3] = [
    (Form::Json, &[("application", "problem+json"), ("application", "json")]),
    (Form::Html, &[("text", "html")]),
    (Form::Text, &[("text", "plain")]),
];

/// The form that is wanted most. Who wants none of them gets the first: an error is better than silence.
pub(crate) fn prefer(accept: &[u8]) -> Form {
    let (mut best, mut most) = (Form::Json, 0);
    for (form, types) in FORMS {
        let wanted = types.iter().map(|kind| quality(accept, *kind)).max().unwrap_or(0);
        if wanted > most {
            (best, most) = (form, wanted);
        }
    }
    best
}

/// How much a type is wanted, in thousandths: what the most exact range says that matches it.
fn quality(accept: &[u8], (main, sub): (&str, &str)) -> u32 {
    let (mut exactness, mut quality) = (0, 0);
    for range in accept.split(|byte| *byte == b',') {
        let mut parts = range.split(|byte| *byte == b';');
        let kind = parts.next().unwrap_or_default().trim_ascii();
        let Some(slash) = kind.iter().position(|byte| *byte == b'/') else { continue };
        let (of, rest) = kind.split_at(slash);
        let matched = match (of, rest.get(1..).unwrap_or_default()) {
            (b"*", b"*") => 1,
            (of, b"*") if of.eq_ignore_ascii_case(main.as_bytes()) => 2,
            (of, rest)
                if of.eq_ignore_ascii_case(main.as_bytes()) && rest.eq_ignore_ascii_case(sub.as_bytes()) =>
            {
                3
            }
            _ => 0,
        };
        if matched > exactness {
            exactness = matched;
            quality = parts.find_map(weight).unwrap_or(1000);
        }
    }
    quality
}

/// RFC 9110, section 12.4.2: the weight that a parameter gives, if it is one; at most three digits count.
fn weight(parameter: &[u8]) -> Option<u32> {
    let value = match parameter.trim_ascii() {
        [b'q' | b'Q', b'=', value @ ..] => value,
        _ => return None,
    };
    let (whole, digits) = value.split_at_checked(1)?;
    let mut thousandths = if whole == b"1" { 1000 } else { 0 };
    let digits = digits.strip_prefix(b".").unwrap_or_default();
    for (digit, worth) in digits.iter().zip([100, 10, 1]) {
        thousandths += u32::from(digit.saturating_sub(b'0').min(9)) * worth;
    }
    Some(thousandths.min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_range_says_how_much_a_form_is_wanted() {
        for (accept, form) in [
            ("", Form::Json),
            ("*/*", Form::Json),
            ("image/png", Form::Json),
            ("application/json", Form::Json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("text/html, application/json;q=0.9", Form::Html),
            ("text/html;q=0.5, application/json;q=0.9", Form::Json),
            ("text/*", Form::Html),
            ("text/plain", Form::Text),
            ("TEXT/PLAIN ; Q=0.3, text/html;q=0", Form::Text),
            ("text/*;q=0.1, text/plain;q=1.000, */*;q=0.5", Form::Text),
            ("text/html;level=1;q=0.2, */*;q=0.1", Form::Html),
            ("application/*, text/html", Form::Json),
            ("text/html;q=, text", Form::Html),
            ("*/*;q=0", Form::Json),
        ] {
            assert_eq!(prefer(accept.as_bytes()), form, "{accept:?}");
        }
    }
}
