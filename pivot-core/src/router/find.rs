//! The search: one walk down the tree, which comes back by precomputed links.

use core::fmt;

use super::node::{Kind, NO_ROUTE, NONE, Node};
use super::{PARAMS_MAX, RouteIndex, Router};
use crate::http::h1::decode::Span;
use crate::http::{Method, MethodSet};
use crate::word::Text;

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A route, and what its parameters cover.
    Route {
        /// The route.
        route: RouteIndex,
        /// The parameters, as parts of the path that was searched for.
        params: Params,
    },
    /// Patterns match, but none of them has the method: an answer of 405 or, to OPTIONS, of 204.
    MethodNotAllowed {
        /// What the `Allow` field lists: the methods of all patterns that match, HEAD with GET, and OPTIONS.
        allow: MethodSet,
    },
    /// No pattern matches: an answer of 404.
    NotFound,
}

/// What the parameters of a route cover, in the order of their places in the pattern.
#[derive(Clone, Copy)]
pub struct Params {
    /// INVARIANT: the first `count` are valid; a search that came back may have left others behind them.
    spans: [Span; PARAMS_MAX],
    count: u8,
}

impl Params {
    /// No parameter.
    pub const EMPTY: Self = Self { spans: [Span { start: 0, len: 0 }; PARAMS_MAX], count: 0 };

    /// The part of the path that parameter `index` covers.
    pub fn get(&self, index: usize) -> Option<Span> {
        self.as_slice().get(index).copied()
    }

    /// The parts of the path that the parameters cover.
    pub fn as_slice(&self) -> &[Span] {
        self.spans.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Where the last of `count` parameters ends: zero if there is none.
    #[inline(always)]
    fn end(&self, count: u8) -> usize {
        let last = self.spans[(usize::from(count).wrapping_sub(1)) % PARAMS_MAX];
        if count == 0 { 0 } else { usize::from(last.start) + usize::from(last.len) }
    }

    /// Makes `start..end` the last of `count` parameters. Paths are shorter than 65,536 bytes here.
    #[inline(always)]
    fn set_last(&mut self, count: u8, start: usize, end: usize) {
        let len = end.wrapping_sub(start) as u16;
        self.spans[(usize::from(count).wrapping_sub(1)) % PARAMS_MAX] = Span { start: start as u16, len };
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Router<'_> {
    /// Finds the route of a method and a path.
    ///
    /// The path is decoded text, or text without escapes: [`path`](super::path) tells them apart. A path of more than
    /// 65,535 bytes is not found, and neither is one that does not begin with a slash.
    ///
    /// At most [`node_count`](Self::node_count) steps, whatever the path; see [the module](super).
    pub fn find(&self, method: Method, path: &[u8]) -> Found {
        // The parameters are written into the answer. Moving them there at the end, by wider loads than the stores
        // just before, makes the processor wait: a search with one parameter took 45 ns in place of 33.
        let mut found = Found::Route { route: RouteIndex(NO_ROUTE), params: Params::EMPTY };
        if let Found::Route { route, params } = &mut found {
            match self.search(method, path, params) {
                Ok(index) => *route = index,
                Err(allow) => found = miss(allow),
            }
        }
        found
    }

    /// The route, or the methods of the patterns that match.
    #[inline(always)]
    fn search(&self, method: Method, path: &[u8], params: &mut Params) -> Result<RouteIndex, MethodSet> {
        let mut allow = MethodSet::EMPTY;
        let text = Text::new(path);
        let Some(mut node) = self.nodes.get(usize::from(self.start)) else { return Err(allow) };
        if path.first() != Some(&b'/') || path.len() > usize::from(u16::MAX) {
            return Err(allow);
        }
        let mut at = usize::from(node.len);
        loop {
            if at < path.len() {
                if let Some(child) = self.text_child(node, text.word(at)) {
                    node = child;
                    at += usize::from(child.len);
                    continue;
                }
            } else if !node.methods.is_empty() {
                if let Some(route) = self.route(node, method) {
                    params.count = node.param_count;
                    return Ok(route);
                }
                allow = union(allow, node.methods);
            }
            // No further by text: the next best is a segment or the rest, here or further up.
            let mut link = node.otherwise;
            if let Some(next) = self.nodes.get(usize::from(node.param))
                && node.param != NONE
            {
                if let Some((start, end)) = taken(&text, path, Kind::Param, at) {
                    params.set_last(next.param_count, start, end);
                    (node, at) = (next, end);
                    continue;
                }
                link = next.instead;
            }
            // The place of one further up follows from the parameter above it, so there is nothing to remember on the
            // way down.
            node = loop {
                let next = match self.nodes.get(usize::from(link)) {
                    Some(next) if link != NONE => next,
                    _ => return Err(allow),
                };
                let slash = params.end(next.param_count.wrapping_sub(1)) + usize::from(next.offset);
                if let Some((start, end)) = taken(&text, path, next.kind, slash) {
                    params.set_last(next.param_count, start, end);
                    at = end;
                    break next;
                }
                link = next.instead;
            };
        }
    }

    /// The child whose text the path goes on with. Few children are looked at one by one, which the processor can do
    /// ahead of time; of many, the first bytes of eight at a time.
    #[inline(always)]
    fn text_child(&self, node: &Node, word: u64) -> Option<&Node> {
        let mut first = usize::from(node.child);
        let mut left = usize::from(node.child_count);
        if left <= FEW_CHILDREN {
            return self.nodes.get(first..first + left)?.iter().find(|child| child.begins(word));
        }
        loop {
            if let Some(index) = self.nodes.get(first)?.sibling(word as u8) {
                return self.nodes.get(first + index).filter(|child| child.begins(word));
            }
            if left <= 8 {
                return None;
            }
            first += 8;
            left -= 8;
        }
    }

    /// The route of `method` among those that end at `node`.
    #[inline(always)]
    fn route(&self, node: &Node, method: Method) -> Option<RouteIndex> {
        if !node.methods.contains(method) {
            return None;
        }
        let (mut index, mut get) = (node.route, NO_ROUTE);
        while let Some(entry) = self.entries.get(usize::from(index)) {
            if entry.method == method {
                return Some(RouteIndex(index));
            }
            if entry.method == Method::Get {
                get = index;
            }
            index = entry.next;
        }
        // The method is in the set, so it is HEAD, which GET answers.
        Some(RouteIndex(get))
    }
}

/// Start and end of what an edge without text takes of a path, where its slash has to be at `slash`: a segment or the rest,
/// if it is not empty.
#[inline(always)]
fn taken(text: &Text<'_>, path: &[u8], kind: Kind, slash: usize) -> Option<(usize, usize)> {
    if path.get(slash) != Some(&b'/') {
        return None;
    }
    let start = slash + 1;
    let end = if kind == Kind::Rest { path.len() } else { text.segment_end(start) };
    (end > start).then_some((start, end))
}

/// The answer if no route was found: `allow` has the methods of the patterns that match.
#[cold]
fn miss(allow: MethodSet) -> Found {
    if allow.is_empty() {
        Found::NotFound
    } else {
        Found::MethodNotAllowed { allow: allow.with(Method::Options) }
    }
}

/// The methods of both sets.
#[cold]
fn union(one: MethodSet, other: MethodSet) -> MethodSet {
    other.iter().fold(one, MethodSet::with)
}

/// Up to so many children are compared one by one.
const FEW_CHILDREN: usize = 4;
