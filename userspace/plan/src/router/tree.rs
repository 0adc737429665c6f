//! Entries by the segments of their paths, as they are looked up: one tree for each host, in one array.
//!
//! With very many routes a look-up costs what it misses in the caches. So a step to a child reads one cache line, which holds
//! the child together with the text that led there, and the nodes of a host lie side by side. Where a node lies follows from the
//! texts alone and not from the nodes on the way, so that the processor fetches the lines of all steps at the same time.

mod sapling;

use crate::hash::digest;

pub(super) use sapling::{Kind, Sapling, Spot, Step};

/// The end of a list, and what is no node.
const NONE: u32 = u32::MAX >> 1;

/// This bit of an entry in a list says that nothing is to be tested beyond its host and segments.
const PLAIN: u32 = 1 << 31;

/// The parent of those nodes that hang on a root.
const ROOT: u32 = NONE - 1;

/// Every node of every host.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The nodes of each root lie in an area of their own, where their texts say: open addressing.
    nodes: Vec<Branch>,
    /// Roots of exact hosts, where their names say.
    hosts: Vec<Branch>,
    /// All roots, by their numbers.
    roots: Vec<Branch>,
    /// Texts too long for their nodes.
    long: String,
    /// For each entry the next one in the same list.
    next: Vec<u32>,
}

/// What hangs on a node. Lists are given by their first entry, and go on in ascending order.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Branch {
    /// The place of its parent; of a root, where its area begins.
    parent: u32,
    /// Of a root, how many places its area has.
    size: u32,
    /// The child for any one segment.
    one: u32,
    /// Entries that match if the path ends here.
    end: u32,
    /// Entries that match if something is left.
    rest: u32,
    /// Entries that match in any case.
    below: u32,
    /// The first of all entries here and further down.
    least: u32,
    /// It has children by text.
    has_texts: bool,
    text: Text,
}

/// What leads to a node: its bytes, or where they lie among the long ones.
#[derive(Clone, Copy, Debug)]
struct Text {
    /// Up to [`TEXT_MAX`], or what it is instead.
    len: u8,
    bytes: [u8; TEXT_MAX],
}

/// Longer texts are kept elsewhere.
const TEXT_MAX: usize = 34;
/// The text is a long one: its place and its length stand in the bytes.
const LONG: u8 = u8::MAX;
/// Any one segment leads here.
const ANY: u8 = u8::MAX - 1;
/// Nothing lies here.
const VACANT: u8 = u8::MAX - 2;

/// Where the nodes of one root lie.
#[derive(Clone, Copy, Debug)]
struct Area {
    begin: u32,
    size: u32,
}

/// A root by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root(u32);

/// A tree to be searched.
#[derive(Clone, Copy)]
pub(super) struct Start<'t>(&'t Branch);

/// A node on the way.
#[derive(Clone, Copy)]
struct Node<'t> {
    branch: &'t Branch,
    place: u32,
    /// What the texts that led here come to.
    trail: u64,
}

struct Search<'a> {
    area: Area,
    best: &'a mut u32,
    holds: &'a mut dyn FnMut(u32) -> bool,
}

impl Tree {
    /// The tree of the host with this very name.
    pub(super) fn host(&self, name: &str) -> Option<Start<'_>> {
        let area = Area { begin: 0, size: number(self.hosts.len()) };
        for place in area.places(digest(name.as_bytes())) {
            let root = self.hosts.get(place as usize).filter(|root| !root.text.is(VACANT))?;
            if self.spells(&root.text, name) {
                return Some(Start(root));
            }
        }
        None
    }

    /// The tree below a root.
    pub(super) fn below(&self, root: Root) -> Option<Start<'_>> {
        self.roots.get(root.0 as usize).map(Start)
    }

    /// The child of a node for this segment.
    fn find(&self, area: Area, parent: Node<'_>, segment: &str) -> Option<Node<'_>> {
        let trail = trail_to(parent.trail, segment);
        for place in area.places(trail) {
            let branch = self.nodes.get(place as usize).filter(|branch| !branch.text.is(VACANT))?;
            if branch.parent == parent.place && self.spells(&branch.text, segment) {
                return Some(Node { branch, place, trail });
            }
        }
        None
    }

    fn spells(&self, text: &Text, segment: &str) -> bool {
        match text.bytes.get(..usize::from(text.len)) {
            Some(bytes) => bytes == segment.as_bytes(),
            None if text.is(LONG) => self.long_text(text) == Some(segment),
            None => false,
        }
    }

    fn long_text(&self, text: &Text) -> Option<&str> {
        let (place, len) = text.bytes.split_first_chunk::<4>()?;
        let (place, len) = (u32::from_le_bytes(*place), u32::from_le_bytes(*len.first_chunk()?));
        self.long.get(place as usize..)?.get(..len as usize)
    }

    /// Lowers `best` to the first entry under this root that matches the path and holds, if one comes before it.
    pub(super) fn search(
        &self,
        Start(root): Start<'_>,
        path: &str,
        best: &mut u32,
        holds: &mut dyn FnMut(u32) -> bool,
    ) {
        let mut search = Search { area: root.area(), best, holds };
        match path.strip_prefix('/') {
            Some(rest) => {
                self.walk(Node { branch: root, place: ROOT, trail: 0 }, Some(rest), &mut search);
            }
            // `OPTIONS *` asks about the host as a whole: only what is below everything holds it.
            None => self.scan(root.below, &mut search),
        }
    }

    /// Looks at a node and goes on with what is left of the path; nothing is left behind the last segment.
    fn walk(&self, node: Node<'_>, rest: Option<&str>, search: &mut Search<'_>) {
        let branch = node.branch;
        if branch.least >= *search.best {
            return;
        }
        let Some(rest) = rest else {
            self.scan(branch.end, search);
            self.scan(branch.below, search);
            return;
        };
        if branch.has_texts || branch.one != NONE {
            self.descend(node, rest, search);
        }
        if !rest.is_empty() {
            self.scan(branch.rest, search);
        }
        self.scan(branch.below, search);
    }

    /// The children: the most exact first, so that most of the rest can be left out.
    fn descend(&self, node: Node<'_>, rest: &str, search: &mut Search<'_>) {
        let (segment, tail) = match rest.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (rest, None),
        };
        if node.branch.has_texts
            && let Some(child) = self.find(search.area, node, segment)
        {
            self.walk(child, tail, search);
        }
        let place = node.branch.one;
        if let Some(branch) = self.nodes.get(place as usize).filter(|_| !segment.is_empty()) {
            self.walk(Node { branch, place, trail: mixed(node.trail) }, tail, search);
        }
    }

    /// The first entry of a list that holds, if it comes before the best so far.
    fn scan(&self, head: u32, search: &mut Search<'_>) {
        let mut head = head;
        loop {
            let entry = head & !PLAIN;
            if entry == NONE || entry >= *search.best {
                return;
            }
            if head & PLAIN != 0 || (search.holds)(entry) {
                *search.best = entry;
                return;
            }
            head = self.next.get(entry as usize).copied().unwrap_or(NONE);
        }
    }
}

impl Area {
    /// Where what has this hash may lie, the likeliest place first. Nothing lies behind a vacant place.
    fn places(self, hash: u64) -> impl Iterator<Item = u32> {
        let scaled = ((hash >> 32) * u64::from(self.size)) >> 32;
        let first = u32::try_from(scaled).unwrap_or(0);
        (first..self.size).chain(0..first).map(move |step| self.begin + step)
    }
}

impl Branch {
    /// Nothing hangs on it, and it has no place yet.
    const NOTHING: Self = Self {
        parent: NONE,
        size: 0,
        one: NONE,
        end: NONE,
        rest: NONE,
        below: NONE,
        least: NONE,
        has_texts: false,
        text: Text::NOTHING,
    };

    /// Of a root: where its nodes lie.
    const fn area(&self) -> Area {
        Area { begin: self.parent, size: self.size }
    }
}

impl Text {
    const NOTHING: Self = Self { len: VACANT, bytes: [0; TEXT_MAX] };

    const fn is(&self, what: u8) -> bool {
        self.len == what
    }
}

/// The number of something that is added to a list of so many.
fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

/// The trail to the child for a segment. Short segments, which are most, are hashed in a few steps.
fn trail_to(parent: u64, segment: &str) -> u64 {
    mixed(digest(segment.as_bytes()) ^ parent.rotate_left(32))
}

const fn mixed(value: u64) -> u64 {
    value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
