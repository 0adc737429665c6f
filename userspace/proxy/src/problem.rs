//! The bodies of our own answers: RFC 9457 problem details, or plain text for those who ask for that.
use weir_message::{Head, Response};

/// What an answer of ours says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    /// The status.
    pub(crate) status: u16,
    /// One sentence; no text of the client's.
    pub(crate) detail: &'a str,
    /// The id of the request, if it has one already.
    pub(crate) request_id: &'a str,
}

/// Fills in an answer with its body, in the form that the client prefers.
pub(crate) fn write(
    problem: Problem<'_>,
    accept: Option<&[u8]>,
    response: &mut Response,
    body: &mut Vec<u8>,
) {
    let title = weir_message::h1::reason(problem.status);
    response.begin(problem.status);
    body.clear();
    if prefers_text(accept) {
        extend(body, &[title, "\n", problem.detail, "\n"]);
        field(&mut response.head, "Content-Type", b"text/plain; charset=utf-8");
    } else {
        let status = problem.status.to_string();
        extend(body, &[r#"{"type":"about:blank","title":""#, title, r#"","status":"#, &status]);
        extend(body, &[r#","detail":""#, problem.detail, r#"""#]);
        if !problem.request_id.is_empty() {
            extend(body, &[r#","request_id":""#, problem.request_id, r#"""#]);
        }
        body.extend_from_slice(b"}\n");
        field(&mut response.head, "Content-Type", b"application/problem+json");
    }
}

/// Whether text stands in `Accept` and JSON does not. Browsers take what they get; `*/*` gets JSON.
fn prefers_text(accept: Option<&[u8]>) -> bool {
    let mut wants_text = false;
    for range in accept.unwrap_or_default().split(|&byte| byte == b',') {
        let kind = range.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/json")
            || kind.eq_ignore_ascii_case(b"application/problem+json")
        {
            return false;
        }
        wants_text |= kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"text/plain");
    }
    wants_text
}

fn extend(body: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        body.extend_from_slice(part.as_bytes());
    }
}

/// Appends a field of ours; its text is fixed and always writable.
fn field(head: &mut Head, name: &str, value: &[u8]) {
    let written = head.append(name, value);
    debug_assert!(written.is_ok(), "a field of ours must be writable");
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_message::Name;

    fn check(accept: Option<&str>, kind: &str, text: &str) {
        let (mut response, mut body) = (Response::default(), Vec::new());
        let problem = Problem { status: 404, detail: "Nothing.", request_id: "r1" };
        write(problem, accept.map(str::as_bytes), &mut response, &mut body);
        assert_eq!(response.head.known(Name::ContentType), Some(kind.as_bytes()), "{accept:?}");
        assert_eq!(String::from_utf8(body).unwrap(), text);
    }

    #[test]
    fn b60_problems_by_accept() {
        let json = "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"Nothing.\",\"request_id\":\"r1\"}\n";
        let text = "Not Found\nNothing.\n";
        for accept in [None, Some("*/*"), Some("application/json"), Some("text/html, application/json;q=0.9")]
        {
            check(accept, "application/problem+json", json);
        }
        for accept in [Some("text/plain"), Some("text/html,*/*;q=0.8")] {
            check(accept, "text/plain; charset=utf-8", text);
        }
    }
}
