//! Values by name, in the order written.

use std::collections::HashMap;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::Kind;
use crate::reader::{Fields, Reader};
use crate::shape::Shape;
use crate::shown::Shown;
use crate::span::{At, Span};
use crate::value::{Field, Value};

/// Values by name, in the order written.
#[derive(Clone, Debug)]
pub struct Map<T> {
    entries: Vec<(At<String>, At<T>)>,
    index: HashMap<String, usize>,
    span: Span,
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashMap::new(), span: Span::NOWHERE }
    }
}

impl<T: PartialEq> PartialEq for Map<T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<T> Map<T> {
    /// The value under a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&At<T>> {
        self.index.get(name).and_then(|index| self.entries.get(*index)).map(|(_, value)| value)
    }

    /// The name as written, with its place.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<&At<String>> {
        self.index.get(name).and_then(|index| self.entries.get(*index)).map(|(name, _)| name)
    }

    /// Every name and value in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&At<String>, &At<T>)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where it begins.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Adds a value; one of the same name stays and wins.
    pub fn insert(&mut self, name: At<String>, value: At<T>) {
        if !self.index.contains_key(name.as_str()) {
            self.index.insert(name.value.clone(), self.entries.len());
            self.entries.push((name, value));
        }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut At<T>> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

impl<T: Value> Field for Map<T> {
    type Item = T;

    fn take(
        fields: &mut Fields<'_>,
        key: &str,
        _default: Option<T>,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let Some(found) = fields.take(key) else { return Some(Self::default()) };
        let entries = match &found.value.kind {
            Kind::Map(entries) => entries.as_slice(),
            Kind::Null => &[],
            Kind::Scalar(_) | Kind::List(_) => {
                let message = format!("this is {}, but must be a mapping from names", found.value.describe());
                let wrong = Diagnostic::new(Code::WrongKind, found.value.span, message);
                reader.push(wrong.hint("Each entry stands under its name: `orders: { … }`."));
                reader.broken(key);
                &[]
            }
        };
        let mut map = Self { span: found.span, ..Self::default() };
        for (name, node) in entries {
            match T::read(node, reader) {
                Some(value) => map.insert(At::new(name.text.clone(), name.span), At::new(value, node.span)),
                None => reader.broken(&name.text),
            }
        }
        Some(map)
    }

    fn absent(_default: Option<T>) -> Option<Self> {
        Some(Self::default())
    }

    fn show(&self) -> (Span, Shown) {
        let entry =
            |(name, value): &(At<String>, At<T>)| (name.value.clone(), value.span, value.value.show());
        (self.span, Shown::Map(self.entries.iter().map(entry).collect()))
    }

    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }
}
