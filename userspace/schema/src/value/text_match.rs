//! Tests on a text: `beta` for the text itself, `"*"` for any, or `{ prefix: … }` and the like.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::reader::Reader;
use crate::section::choice;
use crate::shape::Shape;
use crate::shown::Shown;
use crate::span::Span;
use crate::value::Value;

choice! {
    /// How a text is compared.
    pub enum TextTest "a test such as `equals` or `prefix`" {
        /// It is this text; of a list, one of them.
        Equals(Texts) = "equals",
        /// It begins with this text.
        Prefix(String) = "prefix",
        /// It ends with this text.
        Suffix(String) = "suffix",
        /// It holds this text; of a claim with several values or words, one of them is it.
        Contains(String) = "contains",
        /// This regular expression is found in it.
        Regex(String) = "regex",
        /// It is there (`true`) or not (`false`).
        Present(bool) = "present",
        /// The test inside fails; also if there is nothing to test.
        Not(Box<TextMatch>) = "not",
    }
}

/// A test on a header, parameter, cookie or claim.
#[derive(Clone, Debug, PartialEq)]
pub struct TextMatch(pub TextTest);

/// One text or several, of which one is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Value for Texts {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.scalar().is_some() {
            return reader.text(node, "text").map(|text| Self(vec![text.text.into_owned()]));
        }
        let crate::node::Kind::List(items) = &node.kind else {
            reader.wrong_kind(node, "text, or a list of texts");
            return None;
        };
        if items.is_empty() {
            reader.push(Diagnostic::new(Code::Empty, node.span, "an empty list is equal to nothing"));
        }
        Some(Self(items.iter().filter_map(|item| String::read(item, reader)).collect()))
    }

    fn show(&self) -> Shown {
        match self.0.as_slice() {
            [one] => Shown::Text(one.clone()),
            many => Shown::List(many.iter().map(|text| (Span::NOWHERE, Shown::Text(text.clone()))).collect()),
        }
    }

    fn shape() -> Shape {
        Shape::List(Box::new(String::shape()))
    }
}

impl Value for TextMatch {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.kind, crate::node::Kind::Map(_)) {
            return TextTest::read(node, reader).map(Self);
        }
        if node.scalar().is_some_and(|scalar| scalar.text == "*") {
            return Some(Self(TextTest::Present(true)));
        }
        Texts::read(node, reader).map(|texts| Self(TextTest::Equals(texts)))
    }

    fn show(&self) -> Shown {
        match &self.0 {
            TextTest::Equals(texts) if texts.0.as_slice() != ["*"] => texts.show(),
            TextTest::Present(true) => Shown::Text("*".to_owned()),
            test => test.show(),
        }
    }

    fn shape() -> Shape {
        Shape::Any(vec![Shape::List(Box::new(String::shape())), TextTest::shape()])
    }
}
