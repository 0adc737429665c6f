//! Status codes and ranges of them: `404`, `502-504`, `5xx`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A status code between 200 and 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u16);

impl Leaf for Status {
    const WHAT: &'static str = "a status code such as `404`";
    const CODE: Code = Code::Status;

    fn parse(text: &str) -> Result<Self, Fault> {
        let status = text.parse::<u16>().ok().filter(|status| (200..=599).contains(status));
        status.map(Self).ok_or_else(|| {
            Fault::new("{} is not a final status code").hint("It is a number between 200 and 599.")
        })
    }

    fn spell(&self) -> String {
        self.0.to_string()
    }

    fn shape() -> Shape {
        Shape::Integer { min: 200, max: 599 }
    }
}

/// One status code or a range, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl StatusRange {
    /// It holds this status.
    #[must_use]
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl Leaf for StatusRange {
    const WHAT: &'static str = "status codes such as `502-504` or `5xx`";
    const CODE: Code = Code::Status;

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(class) = text
            .strip_suffix("xx")
            .and_then(|class| class.parse::<u16>().ok())
            .filter(|class| (2..=5).contains(class))
        {
            return Ok(Self { first: class * 100, last: class * 100 + 99 });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (Status(first), Status(last)) = (Status::parse(first)?, Status::parse(last)?);
        if first > last {
            return Err(Fault::new("{} begins above its end").hint(format!("Did you mean `{last}-{first}`?")));
        }
        Ok(Self { first, last })
    }

    fn spell(&self) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{}-{}", self.first, self.last) }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "502-504" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let check = |text: &str, first: u16, last: u16| {
            assert_eq!(StatusRange::parse(text), Ok(StatusRange { first, last }));
        };
        check("404", 404, 404);
        check("502-504", 502, 504);
        check("5xx", 500, 599);
        for text in ["99", "600", "504-502", "xx", "1xx", "abc", "502-"] {
            StatusRange::parse(text).unwrap_err();
        }
    }
}
