//! Lists of networks, written here or in files of their own, a million lines if need be.

mod file;

use crate::node::{Kind, Node};
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shape::Shape;
use crate::span::At;
use crate::value::{Cidr, FilePath, Leaf, Short, Value};

pub use file::ListFile;

section! {
    /// Networks, written here or in files.
    pub struct AddressList "list" [short] {
        /// Networks and addresses.
        pub cidrs: Vec<At<Cidr>>,
        /// Files with one of them a line, `#` begins a comment; `*` in the last part of the path stands for several files.
        pub files: Vec<At<FilePath>>,
        /// What happens if a line of a file cannot be read.
        pub on_bad_line: At<BadLine> = BadLine::Refuse,
        /// Whether it acts; left out, the mode of the shield.
        pub mode: Option<At<super::Mode>>,
    }
}

impl Short for AddressList {
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let read = |item: &Node| Cidr::read(item, reader).map(|cidr| At::new(cidr, item.span));
        let cidrs = items.iter().filter_map(read).collect();
        Some(Self { cidrs, ..Self::absent()? })
    }

    fn short_shape() -> Shape {
        Shape::List(Box::new(<Cidr as Leaf>::shape()))
    }
}

words! {
    /// What happens if a line of a list cannot be read.
    pub enum BadLine "what to do with a bad line" {
        /// Nothing of the new list is used, the old one stays.
        Refuse = "refuse",
        /// The line is reported and the rest is used.
        Skip = "skip",
    }
}
