//! Entries by the segments of their paths: one tree for each host, all in one array.

use std::collections::HashMap;

use crate::hash::Stable;

/// A node of the tree, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node(u32);

/// The end of a list, and what is no node.
const NONE: u32 = u32::MAX;

/// Every node of every host.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Branch>,
    /// Children by their text: the numbers of texts in `texts` together with that of the parent.
    children: HashMap<(u32, u32), Node, Stable>,
    /// Each text once, numbered.
    texts: HashMap<Box<str>, u32, Stable>,
    /// For each entry the next one in the same list.
    next: Vec<u32>,
}

/// What hangs on a node. Lists are given by their first entry, and go on in ascending order.
#[derive(Clone, Copy, Debug)]
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
}

impl Tree {
    /// Makes room for so many entries.
    pub(super) fn reserve(&mut self, entries: usize) {
        self.next = vec![NONE; entries];
    }

    /// The root of another host.
    pub(super) fn root(&mut self) -> Node {
        let node = Node(u32::try_from(self.nodes.len()).unwrap_or(NONE));
        self.nodes.push(Branch { one: NONE, end: NONE, rest: NONE, below: NONE, least: NONE });
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
        let Some(branch) = self.nodes.get_mut(node.0 as usize) else { return };
        let head = match spot.kind {
            Kind::End => &mut branch.end,
            Kind::Rest => &mut branch.rest,
            Kind::Below => &mut branch.below,
        };
        let after = std::mem::replace(head, entry);
        if let Some(next) = self.next.get_mut(entry as usize) {
            *next = after;
        }
    }

    fn lower(&mut self, node: Node, entry: u32) {
        if let Some(branch) = self.nodes.get_mut(node.0 as usize) {
            branch.least = branch.least.min(entry);
        }
    }

    fn child(&mut self, node: Node, step: Step<'_>) -> Node {
        match step {
            Step::Text(text) => {
                let fresh = u32::try_from(self.texts.len()).unwrap_or(NONE);
                let text = match self.texts.get(text) {
                    Some(number) => *number,
                    None => *self.texts.entry(text.into()).or_insert(fresh),
                };
                if let Some(child) = self.children.get(&(node.0, text)) {
                    return *child;
                }
                let child = self.root();
                self.children.insert((node.0, text), child);
                child
            }
            Step::One => {
                let own = self.branch(node).map_or(NONE, |branch| branch.one);
                if own != NONE {
                    return Node(own);
                }
                let child = self.root();
                if let Some(branch) = self.nodes.get_mut(node.0 as usize) {
                    branch.one = child.0;
                }
                child
            }
        }
    }

    fn branch(&self, node: Node) -> Option<&Branch> {
        self.nodes.get(node.0 as usize)
    }

    /// Lowers `best` to the first entry under this root that matches the path and holds, if one comes before it.
    pub(super) fn search(&self, root: Node, path: &str, best: &mut u32, holds: &mut dyn FnMut(u32) -> bool) {
        match path.strip_prefix('/') {
            Some(rest) => self.walk(root, Some(rest), &mut Search { best, holds }),
            // `OPTIONS *` asks about the host as a whole: only what is below everything holds it.
            None => {
                if let Some(branch) = self.branch(root) {
                    self.scan(branch.below, &mut Search { best, holds });
                }
            }
        }
    }

    /// Looks at a node and goes on with what is left of the path; nothing is left behind the last segment.
    fn walk(&self, node: Node, rest: Option<&str>, search: &mut Search<'_>) {
        let Some(branch) = self.branch(node).filter(|branch| branch.least < *search.best) else { return };
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
        if let Some(child) = self.texts.get(segment).and_then(|text| self.children.get(&(node.0, *text))) {
            self.walk(*child, tail, search);
        }
        if branch.one != NONE && !segment.is_empty() {
            self.walk(Node(branch.one), tail, search);
        }
        if !rest.is_empty() {
            self.scan(branch.rest, search);
        }
        self.scan(branch.below, search);
    }

    /// The first entry of a list that holds, if it comes before the best so far.
    fn scan(&self, head: u32, search: &mut Search<'_>) {
        let mut entry = head;
        while entry < *search.best {
            if (search.holds)(entry) {
                *search.best = entry;
                return;
            }
            entry = self.next.get(entry as usize).copied().unwrap_or(NONE);
        }
    }
}

struct Search<'a> {
    best: &'a mut u32,
    holds: &'a mut dyn FnMut(u32) -> bool,
}
