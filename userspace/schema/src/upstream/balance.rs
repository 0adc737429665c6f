//! How a target is chosen.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::node::{Kind, Node};
use crate::reader::Reader;
use crate::section::{choice, section};
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::value::{Checked, HashKey, Leaf, Short, Value};

choice! {
    /// How a target is chosen.
    pub enum Balance "a way to balance" {
        /// One after the other, by weight.
        RoundRobin(RoundRobin) = "round_robin",
        /// The less busy of two chosen at random.
        LeastRequest(LeastRequest) = "least_request",
        /// The same key to the same target, by a ring as ketama has it.
        Hash(Box<Hash>) = "hash",
        /// The same key to the same target, by a Maglev table: faster, evener, a little less steady.
        Maglev(Box<Maglev>) = "maglev",
    }
}

impl Balance {
    /// What holds when nothing is said.
    #[must_use]
    pub fn usual() -> Self {
        Self::RoundRobin(RoundRobin {})
    }

    /// The keys it hashes, the first that is there counts.
    #[must_use]
    pub fn keys(&self) -> &[At<HashKey>] {
        match self {
            Self::Hash(hash) => &hash.by,
            Self::Maglev(maglev) => &maglev.by,
            Self::RoundRobin(_) | Self::LeastRequest(_) => &[],
        }
    }
}

section! {
    /// One after the other, by weight.
    pub struct RoundRobin "round_robin" {}
}

section! {
    /// The less busy of two chosen at random.
    pub struct LeastRequest "least_request" {}
}

section! {
    /// A hash ring.
    pub struct Hash "hash" [short, checked, needed] {
        /// What is hashed: the first of these that the request has; at last its address. A client without a cookie that
        /// stands last is given one, and keeps its target by it.
        pub by: Vec<At<HashKey>>,
        /// No target gets more than this many times the mean; the rest goes to the next on the ring. Left out, no bound.
        pub bounded_load: Option<At<f64>>,
        /// Points on the ring for each unit of weight.
        pub points: At<u32> = 160,
    }
}

section! {
    /// A Maglev table.
    pub struct Maglev "maglev" [short, checked, needed] {
        /// What is hashed: the first of these that the request has; at last its address. A client without a cookie that
        /// stands last is given one, and keeps its target by it.
        pub by: Vec<At<HashKey>>,
        /// No target gets more than this many times the mean; the rest goes to the next in the table. Left out, no bound.
        pub bounded_load: Option<At<f64>>,
        /// Entries of the table, a prime; at least a hundred times the targets keeps it even.
        pub table: At<u32> = 65_537,
    }
}

fn keys(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<At<HashKey>>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let keys: Vec<_> =
        items.iter().map(|item| HashKey::read(item, reader).map(|key| At::new(key, item.span))).collect();
    keys.into_iter().collect()
}

fn check_hash(by: &[At<HashKey>], bounded_load: Option<&At<f64>>, span: Span, reader: &mut Reader<'_>) {
    if by.is_empty() {
        let found = Diagnostic::new(Code::MissingKey, span, "`by` is missing: what is hashed?");
        reader.push(found.hint("For instance `by: ip` or `by: [ header X-User, ip ]`."));
    }
    if let Some(load) = bounded_load.filter(|load| load.value < 1.0) {
        let found = Diagnostic::new(
            Code::Number,
            load.span,
            format!("a bound of {} times the mean cannot hold", load.value),
        );
        reader.push(found.hint("It is at least `1.0`; `1.25` is usual."));
    }
}

impl Checked for Hash {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        check_hash(&self.by, self.bounded_load.as_ref(), span, reader);
        if !(1..=10_000).contains(&self.points.value) {
            reader.push(Diagnostic::new(
                Code::Number,
                self.points.span,
                "a ring has between 1 and 10000 points a unit of weight",
            ));
        }
    }
}

impl Checked for Maglev {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        check_hash(&self.by, self.bounded_load.as_ref(), span, reader);
        let table = self.table.value;
        if !(251..=16_777_213).contains(&table) || !is_prime(table) {
            let found =
                Diagnostic::new(Code::Number, self.table.span, format!("{table} is not a size for a table"));
            reader.push(found.hint("It is a prime between 251 and 16777213, such as 65537."));
        }
    }
}

fn is_prime(number: u32) -> bool {
    number > 1
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}

impl Short for Hash {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { by: keys(node, reader)?, ..Self::blank()? })
    }

    fn short_shape() -> Shape {
        Shape::List(Box::new(<HashKey as Leaf>::shape()))
    }
}

impl Short for Maglev {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { by: keys(node, reader)?, ..Self::blank()? })
    }

    fn short_shape() -> Shape {
        Shape::List(Box::new(<HashKey as Leaf>::shape()))
    }
}
