//! The bodies of our own answers: RFC 9457 problem details, HTML or plain text, as the client asks, or as a page of the
//! listener has it.
use crate::accept::{Form, prefer};
use weir_message::{Head, Response};
use weir_plan::page::{Filling, Page};

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
    (accept, page): (Option<&[u8]>, Option<&Page>),
    response: &mut Response,
    body: &mut Vec<u8>,
) {
    let form = prefer(accept.unwrap_or_default());
    let status = problem.status.to_string();
    let filling = Filling {
        status: &status,
        title: weir_message::h1::reason(problem.status),
        detail: problem.detail,
        request_id: problem.request_id,
    };
    response.begin(problem.status);
    body.clear();
    let own = page.and_then(|page| match form {
        Form::Json => page.json.as_ref(),
        Form::Html => page.html.as_ref(),
        Form::Text => page.text.as_ref(),
    });
    match (own, form) {
        (Some(own), _) => own.write(filling, body),
        (None, Form::Json) => json(filling, body),
        (None, Form::Html) => html(filling, body),
        (None, Form::Text) => extend(body, &[filling.title, "\n", filling.detail, "\n"]),
    }
    let kind: &[u8] = match (form, own) {
        (Form::Json, None) => b"application/problem+json",
        (Form::Json, Some(_)) => b"application/json",
        (Form::Html, _) => b"text/html; charset=utf-8",
        (Form::Text, _) => b"text/plain; charset=utf-8",
    };
    field(&mut response.head, "Content-Type", kind);
}

fn json(filling: Filling<'_>, body: &mut Vec<u8>) {
    extend(body, &[r#"{"type":"about:blank","title":""#, filling.title]);
    extend(body, &[r#"","status":"#, filling.status, r#","detail":""#, filling.detail, r#"""#]);
    let id = filling.request_id;
    if is_uuid(id) {
        extend(body, &[r#","instance":"urn:uuid:"#, id, r#"""#]);
    }
    if !id.is_empty() {
        extend(body, &[r#","request_id":""#, id, r#"""#]);
    }
    body.extend_from_slice(b"}\n");
}

fn html(filling: Filling<'_>, body: &mut Vec<u8>) {
    let Filling { status, title, detail, request_id } = filling;
    extend(body, &["<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>", status, " ", title]);
    extend(body, &["</title>\n<h1>", title, "</h1>\n<p>", detail, "</p>\n<p><small>", request_id]);
    body.extend_from_slice(b"</small></p>\n</html>\n");
}

fn is_uuid(id: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    id.len() == 36 && id.bytes().enumerate().all(fits)
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
    use weir_plan::page::Form as Blanks;

    const ID: &str = "01234567-89ab-4def-8123-456789abcdef";

    fn check(accept: &str, page: Option<&Page>, kind: &str, text: &str) {
        let (mut response, mut body) = (Response::default(), Vec::new());
        let problem = Problem { status: 404, detail: "Nothing.", request_id: ID };
        write(problem, (Some(accept.as_bytes()), page), &mut response, &mut body);
        assert_eq!(response.head.known(Name::ContentType), Some(kind.as_bytes()), "{accept:?}");
        assert_eq!(String::from_utf8(body).unwrap(), text);
    }

    #[test]
    fn b60_problems_by_accept() {
        let json = format!(
            "{{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"Nothing.\",\
             \"instance\":\"urn:uuid:{ID}\",\"request_id\":\"{ID}\"}}\n"
        );
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>404 Not Found</title>\n\
             <h1>Not Found</h1>\n<p>Nothing.</p>\n<p><small>{ID}</small></p>\n</html>\n"
        );
        check("", None, "application/problem+json", &json);
        check("text/html,*/*;q=0.8", None, "text/html; charset=utf-8", &html);
        check("text/plain", None, "text/plain; charset=utf-8", "Not Found\nNothing.\n");
    }

    #[test]
    fn b60_pages_of_the_listener_take_the_place_of_ours() {
        let form = |text: &str| Some(Blanks::parse(text.as_bytes()));
        let page = Page { html: form("<b>{status}</b>"), json: form("[{status}]"), ..Page::default() };
        check("text/html", Some(&page), "text/html; charset=utf-8", "<b>404</b>");
        check("*/*", Some(&page), "application/json", "[404]");
        check("text/plain", Some(&page), "text/plain; charset=utf-8", "Not Found\nNothing.\n");
    }

    #[test]
    fn only_a_uuid_is_an_instance() {
        assert!(is_uuid(ID));
        for other in
            ["", "r1", "01234567-89ab-4def-8123-456789abcdeg", "0123456789ab-4def-8123-456789abcdef--"]
        {
            assert!(!is_uuid(other), "{other}");
        }
    }
}
