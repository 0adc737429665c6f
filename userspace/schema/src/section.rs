//! The macros that declare a section once: its struct, how it is read, shown and described.
//!
//! `section!` declares a mapping with known keys. Every field is one of
//! `At<T>` (needed, unless `= default` stands behind it or `T` has a default of its own), `Option<At<T>>` (may be left out),
//! `Vec<At<T>>` (one or many, empty when left out) and `Map<T>` (by name). The doc comments become the descriptions in the JSON
//! Schema. `[short]` behind the name asks for an `impl Short`, a form that is no mapping; `[checked]` for an `impl Checked`, rules
//! over several keys; `[needed]` says that it cannot be left out although each of its keys can. `words!` declares one word out of several, `choice!` one key out of several.
//! Other programs of the project declare files of their own with them: `document` reads such a file.

/// A mapping with known keys.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident $label:literal $([$($flag:ident),+])? {
            $( $(#[doc = $doc:literal])+ pub $field:ident : $type:ty $(= $default:expr)?, )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[doc = $doc])+ pub $field: $type, )* }

        impl $name {
            const KEYS: &'static [&'static str] = &[$($crate::section::key(stringify!($field)),)*];

            /// With nothing written; `None` if a key must be.
            #[must_use]
            pub fn blank() -> Option<Self> {
                Some(Self { $(
                    $field: <$type as $crate::value::Field>::absent($crate::section::default!($($default)?))?,
                )* })
            }
        }

        impl $crate::value::Value for $name {
            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                $($( $crate::section::before!($flag, node, reader); )+)?
                #[allow(unused_variables, reason = "only the flag `checked` asks")]
                let errors = reader.errors();
                #[allow(unused_mut, reason = "a section without keys takes nothing")]
                let mut fields = reader.fields(node, $label)?;
                $( let $field = <$type as $crate::value::Field>::take(
                    &mut fields,
                    $crate::section::key(stringify!($field)),
                    $crate::section::default!($($default)?),
                    reader,
                ); )*
                fields.finish(Self::KEYS, reader);
                let section = Self { $( $field: $field?, )* };
                $($( $crate::section::after!($flag, section, errors, node, reader); )+)?
                Some(section)
            }

            fn absent() -> Option<Self> {
                let needed: &[bool] = &[$($( $crate::section::needed!($flag) ),+)?];
                if needed.contains(&true) { None } else { Self::blank() }
            }

            fn show(&self) -> $crate::shown::Shown {
                $crate::shown::Shown::Map(vec![$({
                    let (span, shown) = $crate::value::Field::show(&self.$field);
                    ($crate::section::key(stringify!($field)).to_owned(), span, shown)
                },)*])
            }

            fn shape() -> $crate::shape::Shape {
                let section = $crate::shape::Section {
                    name: stringify!($name),
                    doc: concat!($($about),+),
                    keys: || vec![$({
                        let absent = <$type as $crate::value::Field>::absent($crate::section::default!($($default)?));
                        $crate::shape::KeyShape {
                            key: $crate::section::key(stringify!($field)),
                            doc: concat!($($doc),+),
                            shape: <$type as $crate::value::Field>::shape(),
                            required: absent.is_none(),
                            default: absent.map(|absent| $crate::value::Field::show(&absent).1),
                        }
                    },)*],
                };
                #[allow(unused_mut, reason = "only the flag `short` adds a form")]
                let mut forms = vec![$crate::shape::Shape::Section(section)];
                $($( $crate::section::forms!($flag, forms); )+)?
                $crate::shape::any(forms)
            }
        }
    };
}

/// Values that are a single text.
#[macro_export]
macro_rules! leaves {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::value::Value for $type {
            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                $crate::value::read_leaf(node, reader)
            }

            fn show(&self) -> $crate::shown::Shown {
                if <Self as $crate::value::Leaf>::SECRET {
                    return $crate::shown::Shown::Secret;
                }
                $crate::shown::Shown::Text($crate::value::Leaf::spell(self))
            }

            fn shape() -> $crate::shape::Shape {
                <Self as $crate::value::Leaf>::shape()
            }
        }
    )+};
}

/// One word out of several.
#[macro_export]
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident $what:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $( $(#[doc = $doc])+ $variant, )+ }

        impl $name {
            const WORDS: &'static [(&'static str, &'static str)] = &[$(($word, concat!($($doc),+)),)+];

            /// The word as written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::value::Leaf for $name {
            const WHAT: &'static str = $what;
            const CODE: $crate::code::Code = $crate::code::Code::UnknownWord;

            fn parse(text: &str) -> Result<Self, $crate::value::Fault> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::section::unknown_word(text, $what, Self::WORDS)),
                }
            }

            fn spell(&self) -> String {
                self.as_str().to_owned()
            }

            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Words(Self::WORDS)
            }
        }

        $crate::section::leaves!($name);
    };
}

/// One key out of several; where the section behind the key has a default for everything, the word alone will do.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident $label:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident($type:ty) = $word:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name { $( $(#[doc = $doc])+ $variant($type), )+ }

        impl $name {
            /// Every word this can begin with.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word as written.
            #[must_use]
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)+ }
            }

            /// What stands for the word alone, if everything behind it has a default.
            #[must_use]
            pub fn bare(word: &str) -> Option<Self> {
                match word {
                    $( $word => <$type as $crate::value::Value>::absent().map(Self::$variant), )+
                    _ => None,
                }
            }
        }

        impl $crate::value::Value for $name {
            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                if node.scalar().is_some() {
                    let text = reader.text(node, $label)?;
                    let bare = Self::bare(&text.text);
                    if bare.is_none() {
                        $crate::section::not_bare(&text, $label, Self::WORDS, reader);
                    }
                    return bare;
                }
                let (key, inner) = $crate::section::one_key(node, $label, Self::WORDS, reader)?;
                match key {
                    $( $word => <$type as $crate::value::Value>::read(inner, reader).map(Self::$variant), )+
                    _ => None,
                }
            }

            fn show(&self) -> $crate::shown::Shown {
                let inner = match self { $(Self::$variant(inner) => $crate::value::Value::show(inner),)+ };
                $crate::shown::Shown::Choice(self.as_str(), Box::new(inner))
            }

            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Choice($crate::shape::Section {
                    name: stringify!($name),
                    doc: concat!($($about),+),
                    keys: || vec![$( $crate::shape::KeyShape {
                        key: $word,
                        doc: concat!($($doc),+),
                        shape: <$type as $crate::value::Value>::shape(),
                        required: <$type as $crate::value::Value>::absent().is_none(),
                        default: None,
                    }, )+],
                })
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! default {
    () => {
        None
    };
    ($default:expr) => {
        Some($default)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! before {
    (short, $node:ident, $reader:ident) => {
        if !matches!($node.kind, $crate::node::Kind::Map(_) | $crate::node::Kind::Null) {
            return <Self as $crate::value::Short>::short($node, $reader);
        }
    };
    ($flag:ident, $node:ident, $reader:ident) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! after {
    (checked, $section:ident, $errors:ident, $node:ident, $reader:ident) => {
        // With a key wrong, what the rules would say of the others is a guess.
        if $reader.errors() == $errors {
            $crate::value::Checked::check(&$section, $node.span, $reader);
        }
    };
    ($flag:ident, $section:ident, $errors:ident, $node:ident, $reader:ident) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! forms {
    (short, $forms:ident) => {
        $forms.insert(0, <Self as $crate::value::Short>::short_shape());
    };
    ($flag:ident, $forms:ident) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! needed {
    (needed) => {
        true
    };
    ($flag:ident) => {
        false
    };
}

pub use {after, before, choice, default, forms, leaves, needed, section, words};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::hint;
use crate::node::{Kind, Node};
use crate::reader::{Reader, Text};
use crate::value::Fault;

/// The key of a field: its name, without what Rust needs to tell it from a keyword.
pub const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// The fault of a word that is none of those allowed.
pub fn unknown_word(text: &str, what: &str, words: &[(&'static str, &str)]) -> Fault {
    let fault = Fault::new(format!("{{}} is not {what}"));
    match hint::did_you_mean(text, words.iter().map(|(word, _)| *word)) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// Reports a word that cannot stand alone, or is none of the choice.
pub fn not_bare(text: &Text<'_>, label: &str, words: &'static [&'static str], reader: &mut Reader<'_>) {
    let word = text.text.as_ref();
    if words.contains(&word) {
        let message = format!("`{word}` needs settings of its own here");
        let found = Diagnostic::new(Code::MissingKey, text.span, message);
        reader.push(found.hint(format!("Write `{{ {word}: {{ … }} }}`.")));
        return;
    }
    let found = Diagnostic::new(Code::UnknownWord, text.span, format!("{} is not {label}", text.shown()));
    reader.push(found.hint_if(hint::did_you_mean(word, words.iter().copied())));
}

/// The only key of a mapping and what stands under it.
pub fn one_key<'n>(
    node: &'n Node,
    label: &str,
    words: &'static [&'static str],
    reader: &mut Reader<'_>,
) -> Option<(&'static str, &'n Node)> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong_kind(node, label);
        return None;
    };
    let Some(((key, inner), rest)) = entries.split_first() else {
        reader.push(Diagnostic::new(
            Code::Empty,
            node.span,
            format!("{label} is missing between the braces"),
        ));
        return None;
    };
    if let Some((second, _)) = rest.first() {
        let message = format!("{label} is one key, but here are {}", entries.len());
        let found = Diagnostic::new(Code::Conflict, second.span, message).also(key.span, "the first");
        reader.push(
            found.hint("Is the indentation right? What belongs to the first stands one step further in."),
        );
        return None;
    }
    let Some(word) = words.iter().find(|word| **word == key.text) else {
        let found = Diagnostic::new(Code::UnknownWord, key.span, format!("`{}` is not {label}", key.text));
        reader.push(found.hint_if(hint::did_you_mean(&key.text, words.iter().copied())));
        return None;
    };
    Some((word, inner))
}
