//! JSON read once, strictly, into a flat list of nodes over the text.
//!
//! Duplicate names are an error at every depth: two readers that choose differently among them are how a token
//! means one thing at the edge and another behind it (RFC 7515, section 4; RFC 7519, section 4).

mod reader;

/// Bounds on a document from outside.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most values and names together.
    pub nodes_max: usize,
    /// The most members of one object; names are compared pair by pair.
    pub members_max: usize,
    /// The deepest nesting.
    pub depth_max: usize,
}

impl Limits {
    /// Enough for any header or set of claims.
    pub const TOKEN: Limits = Limits { nodes_max: 2_048, members_max: 128, depth_max: 16 };
    /// Enough for a thousand keys with certificates.
    pub const KEYS: Limits = Limits { nodes_max: 65_536, members_max: 128, depth_max: 16 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Number,
    Text,
    Array,
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The node after this one and all that it contains.
    next: u32,
}

/// A parsed document. Strings are unescaped inside the text, which is never longer than it was.
#[derive(Clone, Debug, Default)]
pub struct Document {
    text: Vec<u8>,
    nodes: Vec<Node>,
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    document: &'a Document,
    index: u32,
}

impl Document {
    /// Parses `text`, which must hold one JSON value and nothing else.
    pub fn parse(text: Vec<u8>, limits: Limits) -> Option<Document> {
        let mut document = Document { text, nodes: Vec::new() };
        document.nodes.reserve(32);
        reader::read(&mut document.text, &mut document.nodes, limits)?;
        Some(document)
    }

    /// The value that the whole document is.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    /// How much memory the document holds.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.nodes.capacity() * size_of::<Node>()
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }
}

impl<'a> Value<'a> {
    fn node(self) -> Option<&'a Node> {
        self.document.node(self.index)
    }

    fn of(self, kind: Kind) -> Option<&'a Node> {
        self.node().filter(|node| node.kind == kind)
    }

    fn bytes_of(self, node: &Node) -> &'a [u8] {
        self.document.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// The value as a string, unescaped.
    pub fn text(self) -> Option<&'a [u8]> {
        self.of(Kind::Text).map(|node| self.bytes_of(node))
    }

    /// The value as a number, as it was written.
    pub fn number(self) -> Option<&'a [u8]> {
        self.of(Kind::Number).map(|node| self.bytes_of(node))
    }

    /// The value as a truth value.
    pub fn truth(self) -> Option<bool> {
        match self.node()?.kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// What a scalar looks like in a field or a key: strings plainly, numbers and truth values as written.
    pub fn scalar(self) -> Option<&'a [u8]> {
        let node = self.node()?;
        match node.kind {
            Kind::Text | Kind::Number => Some(self.bytes_of(node)),
            Kind::True => Some(b"true"),
            Kind::False => Some(b"false"),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }

    /// Whether the value is an array or object.
    pub fn is_array(self) -> bool {
        self.of(Kind::Array).is_some()
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.of(Kind::Object).is_some()
    }

    /// The elements of an array; none for anything else.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        let (mut at, end) = self.inside(Kind::Array);
        std::iter::from_fn(move || {
            let item = Value { document: self.document, index: (at < end).then_some(at)? };
            at = item.node()?.next;
            Some(item)
        })
    }

    /// The members of an object; none for anything else.
    pub fn members(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let (mut at, end) = self.inside(Kind::Object);
        std::iter::from_fn(move || {
            let name = Value { document: self.document, index: (at < end).then_some(at)? };
            let value = Value { document: self.document, index: at + 1 };
            at = value.node()?.next;
            Some((name.text()?, value))
        })
    }

    /// The member of that name.
    pub fn member(self, name: &[u8]) -> Option<Value<'a>> {
        self.members().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn inside(self, kind: Kind) -> (u32, u32) {
        self.of(kind).map_or((0, 0), |node| (self.index + 1, node.next))
    }
}

#[cfg(test)]
mod tests;
