//! Entries by the segments of their paths: one tree for each host, all in one array.
//!
//! With very many routes a look-up costs what it misses in the caches, so a step to a child reads one slot of a small index and
//! one node, which fills a cache line together with the text that led there. Where the slot lies follows from the texts alone
//! and not from the nodes on the way, so that the processor fetches the lines of all steps at the same time.

use crate::hash::digest;

/// A node of the tree, by its place, and what the texts that led there come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    place: u32,
    trail: u64,
}

/// The end of a list, and what is no node.
const NONE: u32 = u32::MAX >> 1;

/// The parent of the roots of exact hosts, which are found as if their names were segments.
const HOSTS: Node = Node { place: NONE - 1, trail: 0 };

/// This bit of an entry in a list says that nothing is to be tested beyond its host and segments.
const PLAIN: u32 = 1 << 31;

/// Every node of every host.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Branch>,
    /// Children by parent and text: open addressing, a power of two, at most three quarters full.
    slots: Vec<Slot>,
    /// What does not fit into the nodes of long texts.
    long: String,
    /// For each entry the next one in the same list.
    next: Vec<u32>,
}

/// What hangs on a node. Lists are given by their first entry, and go on in ascending order.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Branch {
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
    parent: u32,
    text: Text,
}

/// The segment that leads to a node: its length, and its bytes or their place among the long ones.
#[derive(Clone, Copy, Debug)]
struct Text {
    len: u32,
    bytes: [u8; TEXT_MAX],
}

/// Longer segments are kept elsewhere.
const TEXT_MAX: usize = 36;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    node: u32,
}

/// A step from a node to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// By this segment.
    Text(&'a str),
    /// By any segment that is not empty.
    One,
}

/// Under which condition an entry matches at its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The path ends here.
    End,
    /// Something is left.
    Rest,
    /// Always.
    Below,
}

/// Where an entry belongs.
pub(super) struct Spot<'a> {
    pub(super) steps: Vec<Step<'a>>,
    pub(super) kind: Kind,
    /// Nothing is to be tested beyond its host and segments.
    pub(super) is_plain: bool,
}

/// The number of something that is added to a list of so many.
fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

impl Tree {
    /// Makes room for so many entries.
    pub(super) fn reserve(&mut self, entries: usize) {
        self.next = vec![NONE; entries];
    }

    /// A root for hosts that are no single name.
    pub(super) fn root(&mut self) -> Node {
        let trail = mixed(self.nodes.len() as u64);
        Node { place: self.add(NONE, Text { len: 0, bytes: [0; TEXT_MAX] }), trail }
    }

    /// The root of the host with this very name, made now if there is none yet.
    pub(super) fn host(&mut self, name: &str) -> Node {
        self.find_host(name).unwrap_or_else(|| self.add_child(HOSTS, name))
    }

    /// The root of the host with this very name.
    pub(super) fn find_host(&self, name: &str) -> Option<Node> {
        self.find(HOSTS, name)
    }

    fn add(&mut self, parent: u32, text: Text) -> u32 {
        let node = number(self.nodes.len());
        let (one, end, rest, below, least) = (NONE, NONE, NONE, NONE, NONE);
        self.nodes.push(Branch { one, end, rest, below, least, parent, text });
        node
    }

    /// Puts an entry at its spot. Entries must come in descending order.
    pub(super) fn insert(&mut self, root: Node, spot: Spot<'_>, entry: u32) {
        let mut node = root;
        self.lower(node, entry);
        for step in spot.steps {
            node = self.child(node, step);
            self.lower(node, entry);
        }
        let Some(branch) = self.nodes.get_mut(node.place as usize) else { return };
        let head = match spot.kind {
            Kind::End => &mut branch.end,
            Kind::Rest => &mut branch.rest,
            Kind::Below => &mut branch.below,
        };
        let after = std::mem::replace(head, if spot.is_plain { entry | PLAIN } else { entry });
        if let Some(next) = self.next.get_mut(entry as usize) {
            *next = after;
        }
    }

    fn lower(&mut self, node: Node, entry: u32) {
        if let Some(branch) = self.nodes.get_mut(node.place as usize) {
            branch.least = branch.least.min(entry);
        }
    }

    fn child(&mut self, node: Node, step: Step<'_>) -> Node {
        match step {
            Step::Text(text) => self.find(node, text).unwrap_or_else(|| self.add_child(node, text)),
            Step::One => {
                let own = self.branch(node.place).map_or(NONE, |branch| branch.one);
                if own != NONE {
                    return node.one(own);
                }
                let child = self.add(NONE, Text { len: 0, bytes: [0; TEXT_MAX] });
                if let Some(branch) = self.nodes.get_mut(node.place as usize) {
                    branch.one = child;
                }
                node.one(child)
            }
        }
    }

    fn add_child(&mut self, parent: Node, text: &str) -> Node {
        let text_bytes = self.text(text);
        let child = Node { place: self.add(parent.place, text_bytes), trail: parent.trail_to(text) };
        let full = self.nodes.len() * 4 >= self.slots.len() * 3;
        if full {
            let empty = Slot { hash: 0, node: NONE };
            let size = (self.nodes.len() * 2).next_power_of_two().max(16);
            let slots = std::mem::replace(&mut self.slots, vec![empty; size]);
            slots.into_iter().filter(|slot| slot.node != NONE).for_each(|slot| self.put(slot));
        }
        self.put(Slot { hash: child.hash(), node: child.place });
        child
    }

    fn text(&mut self, text: &str) -> Text {
        let mut kept = Text { len: number(text.len()), bytes: [0; TEXT_MAX] };
        match kept.bytes.get_mut(..text.len()) {
            Some(room) => room.copy_from_slice(text.as_bytes()),
            None => {
                let place = number(self.long.len()).to_le_bytes();
                kept.bytes.iter_mut().zip(place).for_each(|(byte, of_place)| *byte = of_place);
                self.long.push_str(text);
            }
        }
        kept
    }

    fn put(&mut self, new: Slot) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut place = new.hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(place) {
            if slot.node == NONE {
                *slot = new;
                return;
            }
            place = (place + 1) & mask;
        }
    }

    fn branch(&self, place: u32) -> Option<&Branch> {
        self.nodes.get(place as usize)
    }

    /// The child of a node for this segment.
    fn find(&self, node: Node, segment: &str) -> Option<Node> {
        let mask = self.slots.len().wrapping_sub(1);
        let trail = node.trail_to(segment);
        let hash = Node { place: NONE, trail }.hash();
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots.get(place).filter(|slot| slot.node != NONE)?;
            if slot.hash == hash {
                let branch = self.branch(slot.node)?;
                if branch.parent == node.place && self.is(&branch.text, segment) {
                    return Some(Node { place: slot.node, trail });
                }
            }
            place = (place + 1) & mask;
        }
    }

    fn is(&self, text: &Text, segment: &str) -> bool {
        if text.len as usize != segment.len() {
            return false;
        }
        if let Some(bytes) = text.bytes.get(..segment.len()) {
            return bytes == segment.as_bytes();
        }
        let place = text.bytes.first_chunk().copied().map_or(NONE, u32::from_le_bytes) as usize;
        self.long.get(place..).is_some_and(|text| text.starts_with(segment))
    }

    /// Lowers `best` to the first entry under this root that matches the path and holds, if one comes before it.
    pub(super) fn search(&self, root: Node, path: &str, best: &mut u32, holds: &mut dyn FnMut(u32) -> bool) {
        match path.strip_prefix('/') {
            Some(rest) => self.walk(root, Some(rest), &mut Search { best, holds }),
            // `OPTIONS *` asks about the host as a whole: only what is below everything holds it.
            None => {
                if let Some(branch) = self.branch(root.place) {
                    self.scan(branch.below, &mut Search { best, holds });
                }
            }
        }
    }

    /// Looks at a node and goes on with what is left of the path; nothing is left behind the last segment.
    fn walk(&self, node: Node, rest: Option<&str>, search: &mut Search<'_>) {
        let Some(branch) = self.branch(node.place).filter(|branch| branch.least < *search.best) else {
            return;
        };
        let Some(rest) = rest else {
            self.scan(branch.end, search);
            self.scan(branch.below, search);
            return;
        };
        let (segment, tail) = match rest.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (rest, None),
        };
        // The most exact first, so that most of the rest can be left out.
        if let Some(child) = self.find(node, segment) {
            self.walk(child, tail, search);
        }
        if branch.one != NONE && !segment.is_empty() {
            self.walk(node.one(branch.one), tail, search);
        }
        if !rest.is_empty() {
            self.scan(branch.rest, search);
        }
        self.scan(branch.below, search);
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

impl Node {
    /// The trail to the child for a segment. Short segments, which are most, are hashed in a few steps.
    fn trail_to(self, segment: &str) -> u64 {
        mixed(digest(segment.as_bytes()) ^ self.trail.rotate_left(32))
    }

    /// The child for any one segment, which is at this place.
    const fn one(self, place: u32) -> Self {
        Self { place, trail: mixed(self.trail) }
    }

    /// Where it is looked for among the slots.
    fn hash(self) -> u32 {
        u32::try_from(self.trail >> 32).unwrap_or(NONE)
    }
}

const fn mixed(value: u64) -> u64 {
    value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

struct Search<'a> {
    best: &'a mut u32,
    holds: &'a mut dyn FnMut(u32) -> bool,
}
