//! Building: the tree that routes are added to.
//!
//! The children of a node that have text lie side by side, so that the search finds one of eight by a single
//! comparison. Adding a node therefore moves others, and every link is put right at once; that is affordable
//! because it happens at start only.

use super::names::Names;
use super::node::{Kind, NO_ROUTE, NONE, Node, ROOT};
use super::pattern::Piece;
use super::{Pattern, RouteError, RouteIndex};
use crate::http::Method;

/// Storage for one route. [`Router::new`] takes a slice of them.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) pattern: Pattern,
    names: Names,
    pub(super) method: Method,
    /// The next route that ends at the same node, or [`NO_ROUTE`].
    pub(super) next: u16,
}

impl Entry {
    /// An entry that is not in use.
    pub const EMPTY: Self =
        Self { pattern: Pattern::EMPTY, names: Names::EMPTY, method: Method::Get, next: NO_ROUTE };
}

impl Default for Entry {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Finds the route of a method and a path; see [the module](super).
///
/// It is built through `&mut` and searched through `&`, so once it is shared it does not change.
#[derive(Debug)]
pub struct Router<'s> {
    /// The nodes, the root first, then those in use, then the others.
    pub(super) nodes: &'s mut [Node],
    node_count: usize,
    /// Where a search begins: behind the slash that all paths begin with, if a node stands there, else at the root.
    pub(super) start: u16,
    /// The routes in the order in which they were added. Entries that are not in use belong to no list.
    pub(super) entries: &'s mut [Entry],
    route_count: usize,
}

impl<'s> Router<'s> {
    /// A router without routes.
    ///
    /// There is room for as many routes as there are entries. One node, and [`Pattern::node_count_max`] for each
    /// pattern, always suffice; shared beginnings take less. More than 65,535 of either are not used.
    pub fn new(nodes: &'s mut [Node], entries: &'s mut [Entry]) -> Self {
        let node_capacity = nodes.len().min(usize::from(u16::MAX));
        let route_capacity = entries.len().min(usize::from(NO_ROUTE));
        let (nodes, entries) = (&mut nodes[..node_capacity], &mut entries[..route_capacity]);
        // What another router left here must not be taken for a part of this one. Entries are reached by nodes only.
        nodes.fill(Node::EMPTY);
        Self { node_count: node_capacity.min(1), start: ROOT, nodes, entries, route_count: 0 }
    }

    /// Adds a route. The order of calls gives routes their index and makes no other difference.
    ///
    /// # Errors
    /// See [`RouteError`]. After an error the router finds what it found before.
    #[expect(
        clippy::result_large_err,
        reason = "errors of building name whole patterns; no request waits for one"
    )]
    pub fn add(&mut self, method: Method, pattern: Pattern) -> Result<RouteIndex, RouteError> {
        if pattern.is_cut() {
            return Err(RouteError::PartsFull { pattern });
        }
        if let Err(why) = pattern.check() {
            return Err(RouteError::BadPattern { pattern, why });
        }
        if self.route_count == self.entries.len() {
            return Err(RouteError::RoutesFull { pattern, capacity: self.entries.len() });
        }
        let end = self.grow(&pattern);
        self.relink();
        let Some(end) = end else {
            return Err(RouteError::NodesFull { pattern, capacity: self.nodes.len() });
        };
        if let Some(old) = self.entry_at(end, method) {
            return Err(RouteError::Conflict { new: pattern, old: old.pattern.clone(), method });
        }
        let index = self.route_count as u16;
        let node = &mut self.nodes[usize::from(end)];
        self.entries[self.route_count] =
            Entry { names: Names::new(&pattern), pattern, method, next: node.route };
        self.route_count += 1;
        node.route = index;
        node.methods = node.methods.with(method);
        if method == Method::Get {
            node.methods = node.methods.with(Method::Head);
        }
        Ok(RouteIndex(index))
    }

    /// The pattern of a route; `None` for an index that no route of this router has.
    pub fn pattern(&self, route: RouteIndex) -> Option<&Pattern> {
        self.entry(route).map(|entry| &entry.pattern)
    }

    /// The method that a route was added for.
    pub fn method(&self, route: RouteIndex) -> Option<Method> {
        self.entry(route).map(|entry| entry.method)
    }

    /// The name of a parameter, without the `*`.
    pub fn param_name(&self, route: RouteIndex, index: usize) -> Option<&'static str> {
        let entry = self.entry(route)?;
        entry.names.get(&entry.pattern, index)
    }

    /// The index of the parameter with this name.
    pub fn param_index(&self, route: RouteIndex, name: &str) -> Option<usize> {
        let entry = self.entry(route)?;
        entry.names.position(&entry.pattern, name)
    }

    /// How many routes there are.
    pub fn route_count(&self) -> usize {
        self.route_count
    }

    /// How many nodes are in use, the root included: the most steps that a search can take.
    pub fn node_count(&self) -> usize {
        self.node_count
    }

    fn entry(&self, route: RouteIndex) -> Option<&Entry> {
        self.entries.get(..self.route_count)?.get(usize::from(route.0))
    }

    /// The route of exactly this method that ends at `node`.
    fn entry_at(&self, node: u16, method: Method) -> Option<&Entry> {
        let mut index = self.nodes[usize::from(node)].route;
        while let Some(entry) = self.entry(RouteIndex(index)) {
            if entry.method == method {
                return Some(entry);
            }
            index = entry.next;
        }
        None
    }

    /// Makes the nodes of a pattern and returns the last; `None` if there are too few. A branch that was begun and
    /// has no route is never found.
    fn grow(&mut self, pattern: &Pattern) -> Option<u16> {
        let (mut node, mut at) = (ROOT, 0);
        if self.node_count == 0 {
            return None;
        }
        loop {
            match pattern.piece(at) {
                Piece::Text { word, len } => {
                    let matched = self.text_step(node, word, len)?;
                    node = matched.0;
                    at += usize::from(matched.1);
                }
                Piece::Param { written_len } => {
                    if self.nodes[usize::from(node)].param == NONE {
                        self.nodes[usize::from(node)].param = self.push(node, Kind::Param)?;
                    }
                    node = self.nodes[usize::from(node)].param;
                    at += written_len;
                }
                Piece::Rest => {
                    if self.nodes[usize::from(node)].rest == NONE {
                        self.nodes[usize::from(node)].rest = self.push(node, Kind::Rest)?;
                    }
                    return Some(self.nodes[usize::from(node)].rest);
                }
                Piece::End => return Some(node),
            }
        }
    }

    /// The child of `node` for a text, and how much of the text it takes: an existing one, cut where the two part, or a
    /// new one for the whole.
    fn text_step(&mut self, node: u16, word: u64, len: u8) -> Option<(u16, u8)> {
        let parent = self.nodes[usize::from(node)];
        for child in parent.child..parent.child + u16::from(parent.child_count) {
            let edge = self.nodes[usize::from(child)];
            // Behind a text's end there are zeros, which no edge has.
            let common = ((edge.word ^ word).trailing_zeros() / 8) as u8;
            if common > 0 {
                let common = common.min(edge.len);
                if common < edge.len {
                    self.split(child, common)?;
                }
                return Some((child, common));
            }
        }
        Some((self.insert_child(node, word, len)?, len))
    }

    /// Cuts the edge of a node after `len` bytes; what the node had goes to a new node below it.
    fn split(&mut self, index: u16, len: u8) -> Option<()> {
        let lower_index = self.push(index, Kind::Text)?;
        let upper = self.nodes[usize::from(index)];
        for node in &mut self.nodes[1..self.node_count - 1] {
            if node.parent == index {
                node.parent = lower_index;
            }
        }
        let bits = 8 * u32::from(len);
        let lower = Node { word: upper.word >> bits, len: upper.len - len, parent: index, ..upper };
        self.nodes[usize::from(lower_index)] = lower;
        let word = upper.word & ((1 << bits) - 1);
        let child = lower_index;
        self.nodes[usize::from(index)] =
            Node { word, len, parent: upper.parent, child, child_count: 1, ..Node::EMPTY };
        Some(())
    }

    /// Adds a child with text behind its siblings, moving the nodes that lie there.
    fn insert_child(&mut self, parent: u16, word: u64, len: u8) -> Option<u16> {
        let Node { child, child_count, .. } = self.nodes[usize::from(parent)];
        // The new node is pushed for its place at the end, which is where it stays if it is an only child.
        let pushed = self.push(parent, Kind::Text)?;
        let place = if child_count == 0 { pushed } else { child + u16::from(child_count) };
        let moved = |link: u16| if link >= place { link + 1 } else { link };
        let parent = if place < pushed { moved(parent) } else { parent };
        if place < pushed {
            self.nodes[usize::from(place)..=usize::from(pushed)].rotate_right(1);
            for node in &mut self.nodes[..self.node_count] {
                node.parent = moved(node.parent);
                node.child = moved(node.child);
                node.param = moved(node.param);
                node.rest = moved(node.rest);
            }
        }
        self.nodes[usize::from(place)] = Node { word, len, parent, ..Node::EMPTY };
        let above = &mut self.nodes[usize::from(parent)];
        above.child_count += 1;
        if child_count == 0 {
            above.child = place;
        }
        Some(place)
    }

    /// Takes a node into use.
    fn push(&mut self, parent: u16, kind: Kind) -> Option<u16> {
        if self.node_count == self.nodes.len() {
            return None;
        }
        let index = self.node_count as u16;
        self.nodes[usize::from(index)] = Node { parent, kind, ..Node::EMPTY };
        self.node_count += 1;
        Some(index)
    }

    /// Computes of all nodes what follows from their places in the tree. At most nodes × depth steps.
    fn relink(&mut self) {
        self.start = match self.nodes.first() {
            // A root with more than one text would have two that begin with a slash.
            Some(root) if root.child_count > 0 && self.nodes[usize::from(root.child)].len == 1 => root.child,
            _ => ROOT,
        };
        for index in 0..self.node_count {
            let (offset, param_count) = self.measure(index);
            let otherwise = self.after(Kind::Text, index as u16);
            let instead = self.after(self.nodes[index].kind, self.nodes[index].parent);
            let node = &mut self.nodes[index];
            (node.offset, node.param_count) = (offset, param_count);
            (node.otherwise, node.instead) = (otherwise, instead);
            node.unused_bits = if node.kind == Kind::Text { 64 - 8 * node.len.clamp(1, 8) } else { 0 };
            let (child, end) =
                (usize::from(node.child), usize::from(node.child) + usize::from(node.child_count));
            for group in (child..end).step_by(8) {
                let mut keys = [0; 8];
                for (key, sibling) in keys.iter_mut().zip(&self.nodes[group..end]) {
                    *key = sibling.word as u8;
                }
                self.nodes[group].keys = u64::from_le_bytes(keys);
            }
        }
    }

    /// Length of the text between a node and the parameter above it, its own text not counted; and the number of
    /// parameters up to and with the node.
    fn measure(&self, index: usize) -> (u16, u8) {
        let node = &self.nodes[index];
        let (mut offset, mut above_count) = (0, 0);
        let mut above = node.parent;
        while above != ROOT {
            let node = &self.nodes[usize::from(above)];
            if node.kind == Kind::Param {
                above_count += 1;
            } else if above_count == 0 {
                offset += u16::from(node.len);
            }
            above = node.parent;
        }
        (offset, above_count + u8::from(node.kind != Kind::Text))
    }

    /// Where a search goes on when of a node's children those of a kind and those before it lead nowhere.
    fn after(&self, mut tried: Kind, mut index: u16) -> u16 {
        loop {
            let node = &self.nodes[usize::from(index)];
            if tried == Kind::Text && node.param != NONE {
                return node.param;
            }
            if tried != Kind::Rest && node.rest != NONE {
                return node.rest;
            }
            if index == ROOT {
                return NONE;
            }
            (tried, index) = (node.kind, node.parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The nodes in the order in which a search may come by: text before the parameter before the rest.
    fn visit(nodes: &[Node], index: u16, order: &mut Vec<u16>) {
        order.push(index);
        let node = &nodes[usize::from(index)];
        for child in node.child..node.child + u16::from(node.child_count) {
            visit(nodes, child, order);
        }
        for child in [node.param, node.rest] {
            if child != NONE {
                visit(nodes, child, order);
            }
        }
    }

    proptest! {
        /// Why a search ends: down is later in that order, and so is `otherwise`. What is later never leads back.
        #[test]
        fn every_link_of_a_node_leads_to_what_a_search_has_not_seen(
            texts in prop::collection::vec("(/[ab]{1,2}|/\\{x[0-9]\\}|/[a-k]){0,5}(/\\{\\*r\\}|/)", 1..40),
        ) {
            let mut nodes = std::vec![Node::EMPTY; 1_000];
            let mut entries = std::vec![Entry::EMPTY; 40];
            let mut router = Router::new(&mut nodes, &mut entries);
            for text in texts {
                // The same name twice and the same shape twice are refused, which is as well here.
                let _ = router.add(Method::Get, Pattern::from(&*text.leak()));
            }
            let mut order = Vec::new();
            visit(router.nodes, ROOT, &mut order);
            prop_assert_eq!(order.len(), router.node_count(), "each node is in the tree, once");
            for (place, &index) in order.iter().enumerate() {
                let node = &router.nodes[usize::from(index)];
                let mut texts = Vec::new();
                for child in node.child..node.child + u16::from(node.child_count) {
                    visit(router.nodes, child, &mut texts);
                }
                let mut below = Vec::new();
                visit(router.nodes, index, &mut below);
                // `otherwise` is later than all children with text, `instead` later than everything below.
                let links = [(node.otherwise, texts.len()), (node.instead, below.len() - 1)];
                for (link, passed) in &links[..if index == ROOT { 1 } else { 2 }] {
                    let later = order.iter().position(|other| other == link);
                    prop_assert!(*link == NONE || later > Some(place + passed));
                    prop_assert!(*link == NONE || router.nodes[usize::from(*link)].kind != Kind::Text);
                }
                if node.param != NONE || node.rest != NONE {
                    prop_assert_eq!(Some(&node.otherwise), order.get(place + 1 + texts.len()));
                }
                prop_assert!((1..=8).contains(&node.len) == (node.kind == Kind::Text && index != ROOT));
            }
        }
    }
}
