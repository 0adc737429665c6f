//! Names of listeners, routes, policies, consumers, groups and upstreams.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A name: letters, digits, `-`, `_` and `.`, at most 64 of them; it ends up in metrics and logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Leaf for Name {
    const WHAT: &'static str = "a name such as `orders`";
    const CODE: Code = Code::Name;

    fn parse(text: &str) -> Result<Self, Fault> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(bad) = text.find(|c| !fits(c)) {
            let fault = Fault::new("a name has only letters, digits, `-`, `_` and `.`").part(bad, 1);
            if text.contains("://") {
                return Err(fault.hint(
                    "What lies at a URL has a name under `upstreams`, and its address there under `targets`.",
                ));
            }
            if let Some(variable) = text.strip_prefix('$').filter(|rest| rest.chars().all(fits)) {
                return Err(fault.hint(format!("A variable of the environment is `${{{variable}}}`.")));
            }
            let better: String = text.chars().map(|c| if fits(c) { c } else { '-' }).collect();
            return Err(fault.hint(format!("For instance `{better}`.")));
        }
        if text.is_empty() || text.len() > 64 {
            return Err(Fault::new("a name has between 1 and 64 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    fn spell(&self) -> String {
        self.0.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "orders" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(Name::parse("orders-v1.eu").unwrap().spell(), "orders-v1.eu");
        assert_eq!(Name::parse("my orders").unwrap_err().part, Some((2, 1)));
        Name::parse("").unwrap_err();
        Name::parse(&"x".repeat(65)).unwrap_err();
    }
}
