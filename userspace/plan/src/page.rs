//! How weir's own error answers look where the configuration says so.

/// The pages of a listener, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages(pub Vec<Page>);

/// What errors of some statuses look like, by what the client reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Ranges of statuses, ends included.
    pub statuses: Vec<(u16, u16)>,
    /// For browsers.
    pub html: Option<Form>,
    /// For terminals.
    pub text: Option<Form>,
    /// For programs.
    pub json: Option<Form>,
}

/// A form with blanks that are filled in for each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    Blank(Blank),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blank {
    Status,
    Title,
    Detail,
    RequestId,
}

const BLANKS: [(&[u8], Blank); 4] = [
    (b"{status}", Blank::Status),
    (b"{title}", Blank::Title),
    (b"{detail}", Blank::Detail),
    (b"{request_id}", Blank::RequestId),
];

/// What is filled in. None of it may need escaping in HTML or JSON.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Three digits.
    pub status: &'a str,
    /// The name of the status.
    pub title: &'a str,
    /// One sentence.
    pub detail: &'a str,
    /// By which the request is found in logs; perhaps empty.
    pub request_id: &'a str,
}

impl Pages {
    /// The first page that names this status.
    #[must_use]
    pub fn find(&self, status: u16) -> Option<&Page> {
        let names =
            |page: &&Page| page.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status));
        self.0.iter().find(names)
    }
}

impl Form {
    /// Reads a form. Braces around anything but the name of a blank are text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Form {
        let (mut pieces, mut rest, mut plain) = (Vec::new(), text, Vec::new());
        while let Some((first, behind)) = rest.split_first() {
            match BLANKS.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, blank)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(Piece::Blank(*blank));
                    rest = rest.get(name.len()..).unwrap_or_default();
                }
                None => {
                    plain.push(*first);
                    rest = behind;
                }
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Form { pieces }
    }

    /// Writes it with its blanks filled in.
    pub fn write(&self, filling: Filling<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            out.extend_from_slice(match piece {
                Piece::Text(text) => text,
                Piece::Blank(Blank::Status) => filling.status.as_bytes(),
                Piece::Blank(Blank::Title) => filling.title.as_bytes(),
                Piece::Blank(Blank::Detail) => filling.detail.as_bytes(),
                Piece::Blank(Blank::RequestId) => filling.request_id.as_bytes(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled_in_and_other_braces_stay() {
        let filling =
            Filling { status: "503", title: "Service Unavailable", detail: "Soon.", request_id: "r1" };
        for (form, expect) in [
            ("", ""),
            ("plain", "plain"),
            ("{status}{title}", "503Service Unavailable"),
            ("p { color: red } {detail}", "p { color: red } Soon."),
            ("{{status}} {STATUS} {request_id", "{503} {STATUS} {request_id"),
            (r#"{"id":"{request_id}"}"#, r#"{"id":"r1"}"#),
        ] {
            let mut out = Vec::new();
            Form::parse(form.as_bytes()).write(filling, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{form}");
        }
    }

    #[test]
    fn the_first_page_that_names_the_status_is_used() {
        let page = |statuses: &[(u16, u16)]| Page { statuses: statuses.to_vec(), ..Page::default() };
        let pages = Pages(vec![page(&[(404, 404), (410, 410)]), page(&[(400, 499)]), page(&[(500, 599)])]);
        for (status, at) in [(404, Some(0)), (410, Some(0)), (403, Some(1)), (503, Some(2)), (302, None)] {
            assert_eq!(pages.find(status), at.and_then(|at: usize| pages.0.get(at)), "{status}");
        }
    }
}
