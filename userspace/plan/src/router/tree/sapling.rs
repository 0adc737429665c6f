//! The tree while entries are put into it; then its nodes are laid out for looking up.

use std::collections::HashMap;

use super::{ANY, Area, Branch, LONG, NONE, PLAIN, ROOT, Root, Text, Tree, VACANT, mixed, number, trail_to};
use crate::hash::{Stable, digest};

/// A step from a node to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::router) enum Step<'a> {
    /// By this segment.
    Text(&'a str),
    /// By any segment that is not empty.
    One,
}

/// Under which condition an entry matches at its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::router) enum Kind {
    /// The path ends here.
    End,
    /// Something is left.
    Rest,
    /// Always.
    Below,
}

/// Where an entry belongs.
pub(in crate::router) struct Spot<'a> {
    pub(in crate::router) steps: Vec<Step<'a>>,
    pub(in crate::router) kind: Kind,
    /// Nothing is to be tested beyond its host and segments.
    pub(in crate::router) is_plain: bool,
}

/// What is made of entries, in the order in which it was made: a parent before its children.
#[derive(Default)]
pub(in crate::router) struct Sapling<'a> {
    roots: Vec<Sprout<'a>>,
    nodes: Vec<Sprout<'a>>,
    /// Nodes by root, parent and step.
    known: HashMap<(u32, u32, Step<'a>), u32, Stable>,
    hosts: HashMap<&'a str, Root, Stable>,
    next: Vec<u32>,
}

struct Sprout<'a> {
    /// What hangs on it. Until it has a place, its parent is the number of a node here.
    branch: Branch,
    /// The number of its root.
    root: u32,
    /// The step that leads to it; to the root of an exact host, its name.
    step: Step<'a>,
}

impl<'a> Sapling<'a> {
    /// One with room for so many entries.
    pub(in crate::router) fn new(entries: usize) -> Self {
        Self { next: vec![NONE; entries], ..Self::default() }
    }

    /// A root for hosts that are no single name.
    pub(in crate::router) fn root(&mut self) -> Root {
        self.add_root(Step::One)
    }

    /// The root of the host with this very name, made now if there is none yet.
    pub(in crate::router) fn host(&mut self, name: &'a str) -> Root {
        if let Some(known) = self.hosts.get(name) {
            return *known;
        }
        let root = self.add_root(Step::Text(name));
        self.hosts.insert(name, root);
        root
    }

    fn add_root(&mut self, step: Step<'a>) -> Root {
        let root = number(self.roots.len());
        self.roots.push(Sprout { branch: Branch::NOTHING, root, step });
        Root(root)
    }

    /// Puts an entry at its spot. Entries must come in descending order.
    pub(in crate::router) fn insert(&mut self, Root(root): Root, spot: Spot<'a>, entry: u32) {
        let mut node = ROOT;
        self.lower(root, node, entry);
        for step in spot.steps {
            node = self.child(root, node, step);
            self.lower(root, node, entry);
        }
        let Some(branch) = self.branch(root, node) else { return };
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

    fn branch(&mut self, root: u32, node: u32) -> Option<&mut Branch> {
        let sprout =
            if node == ROOT { self.roots.get_mut(root as usize) } else { self.nodes.get_mut(node as usize) };
        sprout.map(|sprout| &mut sprout.branch)
    }

    fn lower(&mut self, root: u32, node: u32, entry: u32) {
        if let Some(branch) = self.branch(root, node) {
            branch.least = branch.least.min(entry);
        }
    }

    fn child(&mut self, root: u32, parent: u32, step: Step<'a>) -> u32 {
        if let Some(known) = self.known.get(&(root, parent, step)) {
            return *known;
        }
        let child = number(self.nodes.len());
        self.nodes.push(Sprout { branch: Branch { parent, ..Branch::NOTHING }, root, step });
        self.known.insert((root, parent, step), child);
        if let Some(branch) = self.branch(root, parent) {
            branch.has_texts |= step != Step::One;
        }
        if let Some(root) = self.branch(root, ROOT) {
            root.size += 1;
        }
        child
    }

    /// Lays everything out for looking up.
    pub(in crate::router) fn settle(mut self) -> Tree {
        let mut tree = Tree { next: self.next, ..Tree::default() };
        let mut begin = 0;
        for root in &mut self.roots {
            let size = room(root.branch.size);
            (root.branch.parent, root.branch.size) = (begin, size);
            begin += size;
        }
        tree.nodes = vec![Branch::NOTHING; begin as usize];
        tree.roots = self.roots.iter().map(|root| root.branch).collect();
        tree.place(self.nodes);
        tree.name(&self.roots);
        tree
    }
}

/// Places for so many: half of them stay vacant, so that what is looked for lies at its first place as a rule.
const fn room(count: u32) -> u32 {
    if count == 0 { 0 } else { count * 2 + 1 }
}

impl Tree {
    /// Gives every node its place in the area of its root.
    fn place(&mut self, nodes: Vec<Sprout<'_>>) {
        let mut placed: Vec<(u32, u64)> = Vec::with_capacity(nodes.len());
        for Sprout { mut branch, root, step } in nodes {
            let (parent, trail) = placed.get(branch.parent as usize).copied().unwrap_or((ROOT, 0));
            let trail = match step {
                Step::Text(text) => trail_to(trail, text),
                Step::One => mixed(trail),
            };
            branch.parent = parent;
            branch.text = self.text(step);
            let Some(area) = self.roots.get(root as usize).map(Branch::area) else { continue };
            let place = put(&mut self.nodes, area, trail, branch);
            let above = if parent == ROOT {
                self.roots.get_mut(root as usize)
            } else {
                self.nodes.get_mut(parent as usize)
            };
            if let Some(above) = above.filter(|_| step == Step::One) {
                above.one = place;
            }
            placed.push((place, trail));
        }
    }

    /// Puts the roots of exact hosts where their names say.
    fn name(&mut self, roots: &[Sprout<'_>]) {
        let is_named = |root: &&Sprout<'_>| root.step != Step::One;
        let size = room(number(roots.iter().filter(is_named).count()));
        self.hosts = vec![Branch::NOTHING; size as usize];
        for root in roots {
            let Step::Text(name) = root.step else { continue };
            let Some(branch) = self.roots.get(root.root as usize).copied() else { continue };
            let text = self.text(root.step);
            put(&mut self.hosts, Area { begin: 0, size }, digest(name.as_bytes()), Branch { text, ..branch });
        }
    }

    fn text(&mut self, step: Step<'_>) -> Text {
        let Step::Text(text) = step else { return Text { len: ANY, ..Text::NOTHING } };
        let mut kept = Text { len: LONG, ..Text::NOTHING };
        if let (Some(room), Ok(len)) = (kept.bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            room.copy_from_slice(text.as_bytes());
            return Text { len, ..kept };
        }
        let where_it_is = [number(self.long.len()), number(text.len())].map(u32::to_le_bytes);
        kept.bytes.iter_mut().zip(where_it_is.as_flattened()).for_each(|(byte, of_place)| *byte = *of_place);
        self.long.push_str(text);
        kept
    }
}

/// Puts something into the first vacant place for its hash, and says which.
fn put(places: &mut [Branch], area: Area, hash: u64, branch: Branch) -> u32 {
    for place in area.places(hash) {
        if let Some(free) = places.get_mut(place as usize).filter(|free| free.text.is(VACANT)) {
            *free = branch;
            return place;
        }
    }
    NONE
}
