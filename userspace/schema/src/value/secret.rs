//! What must never be printed: secrets, and keys given by path or as text.

use std::fmt;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::{Reader, Text};
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A secret. Neither `Debug` nor `render` shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Leaf for Secret {
    const WHAT: &'static str = "a secret such as `\"${cred:api-key}\"`";
    const CODE: Code = Code::Material;
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::new("a secret must not be empty"));
        }
        Ok(Self(text.to_owned()))
    }

    fn spell(&self) -> String {
        "(secret)".to_owned()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "${cred:api-key}" }
    }

    fn advise(&self, text: &Text<'_>, reader: &mut Reader<'_>) {
        if !text.filled {
            let found =
                Diagnostic::new(Code::SecretInline, text.span, "this secret stands in the file itself");
            reader.push(
                found.hint(
                    "Whoever may read the file has it; write `\"${cred:NAME}\"` or `\"${file:/path}\"`.",
                ),
            );
        }
        readable(text, reader);
    }
}

/// Warns of a secret that stands in a file which others may read.
fn readable(text: &Text<'_>, reader: &mut Reader<'_>) {
    if let Some(path) = &text.open {
        let found = Diagnostic::new(
            Code::SecretReadable,
            text.span,
            format!("everybody on this host can read `{path}`"),
        );
        reader.push(found.hint(format!("`chmod 0600 {path}` leaves it to its owner.")));
    }
}

/// A key or certificate: the path of a PEM file, or the PEM text itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Material {
    /// The path of a PEM file.
    File(String),
    /// PEM text, as `${cred:…}` and `${file:…}` give it.
    Pem(Secret),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spell())
    }
}

impl Leaf for Material {
    const WHAT: &'static str = "the path of a PEM file, or `\"${cred:NAME}\"`";
    const CODE: Code = Code::Material;

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.trim_start().starts_with("-----BEGIN ") {
            return Ok(Self::Pem(Secret::new(text)));
        }
        if text.starts_with('/') && !text.contains(['\0', '\n']) {
            return Ok(Self::File(text.to_owned()));
        }
        let hint = "A path begins with `/`, PEM text with `-----BEGIN `.";
        Err(Fault::new("this is neither the path of a file nor PEM text").hint(hint))
    }

    fn spell(&self) -> String {
        match self {
            Self::File(path) => path.clone(),
            Self::Pem(_) => "(PEM)".to_owned(),
        }
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "/etc/weir/certs/api.key" }
    }

    fn advise(&self, text: &Text<'_>, reader: &mut Reader<'_>) {
        if text.text.contains("PRIVATE KEY-----") {
            readable(text, reader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::parse("hunter2").unwrap();
        assert_eq!((format!("{secret:?}").as_str(), secret.spell().as_str()), ("Secret(…)", "(secret)"));
        let pem = Material::parse("-----BEGIN PRIVATE KEY-----\nabc").unwrap();
        assert_eq!(format!("{pem:?}"), "(PEM)");
        assert_eq!(Material::parse("/a.key"), Ok(Material::File("/a.key".into())));
        Material::parse("a.key").unwrap_err();
    }
}
