//! Methods of a request.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::header::is_token_byte;
use crate::value::{Fault, Leaf};

/// A method, in upper case as they all are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(pub String);

impl Leaf for Method {
    const WHAT: &'static str = "a method such as `GET`";
    const CODE: Code = Code::Method;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text == "*" {
            return Err(Fault::new("`*` is not a method").hint("Leave `methods` out to mean all of them."));
        }
        if text.is_empty() || text.len() > 32 || !text.bytes().all(is_token_byte) {
            return Err(Fault::new("{} is not a method"));
        }
        let upper = text.to_ascii_uppercase();
        if upper != text {
            return Err(
                Fault::new("methods are written in upper case").hint(format!("Did you mean `{upper}`?"))
            );
        }
        Ok(Self(upper))
    }

    fn spell(&self) -> String {
        self.0.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "GET" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_upper_case_tokens() {
        assert_eq!(Method::parse("PROPFIND").unwrap().0, "PROPFIND");
        for text in ["get", "*", "", "GE T"] {
            Method::parse(text).unwrap_err();
        }
    }
}
