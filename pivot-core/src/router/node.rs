//! A node of the tree.

use crate::http::MethodSet;
use crate::word::position;

/// Storage for one node of a router's tree: 40 bytes. [`Router::new`](super::Router::new) takes a slice of them.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The edge's text, one to eight bytes. A node without text has a word that no text starts like.
    ///
    /// INVARIANT: the lowest byte is never zero, which stands for "after the end" and for an escaped slash.
    pub(super) word: u64,
    /// The first bytes of the edges of this node and the seven after it, for the first node of each eight children of
    /// one parent; zero where there is no sibling.
    pub(super) keys: u64,
    /// The first of the children with text; the others follow it. [`NONE`] if there are none.
    pub(super) child: u16,
    /// The child that takes a segment, or [`NONE`].
    pub(super) param: u16,
    /// The child that takes the rest, or [`NONE`].
    pub(super) rest: u16,
    /// The node above. The root is its own.
    pub(super) parent: u16,
    /// Where the search goes on when neither the end nor a text child of this node leads to a route: the next of its
    /// own children or of those of a node above; always one that takes a segment or the rest, or [`NONE`].
    pub(super) otherwise: u16,
    /// Where the search goes on when this edge takes nothing: as `otherwise`, without what is below. Of use only if
    /// the edge has no text.
    pub(super) instead: u16,
    /// The first route that ends here, or [`NO_ROUTE`]; the entries are a list.
    pub(super) route: u16,
    /// The methods that a route is found for here, HEAD by GET included.
    pub(super) methods: MethodSet,
    /// Length of the text between this edge and the parameter above it, or the path's start.
    pub(super) offset: u16,
    /// How many children with text there are.
    pub(super) child_count: u8,
    /// Length of the edge's text.
    pub(super) len: u8,
    /// How many bits of `word` the edge's text does not take.
    pub(super) unused_bits: u8,
    /// How many parameters the path has when this node has matched, its own included.
    pub(super) param_count: u8,
    /// What the edge takes from a path.
    pub(super) kind: Kind,
}

/// What an edge takes from a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its own text.
    Text,
    /// A slash and one segment, which is not empty.
    Param,
    /// A slash and the rest, which is not empty.
    Rest,
}

/// The root, which no link ever leads to.
pub(super) const ROOT: u16 = 0;
/// No node.
pub(super) const NONE: u16 = ROOT;
/// No route.
pub(super) const NO_ROUTE: u16 = u16::MAX;

impl Node {
    /// A node that is not in use.
    pub const EMPTY: Self = Self {
        word: u64::MAX,
        keys: 0,
        child: NONE,
        param: NONE,
        rest: NONE,
        parent: ROOT,
        otherwise: NONE,
        instead: NONE,
        route: NO_ROUTE,
        methods: MethodSet::EMPTY,
        offset: 0,
        child_count: 0,
        len: 0,
        unused_bits: 0,
        param_count: 0,
        kind: Kind::Text,
    };

    /// Whether `text`, eight bytes of a path, begins with the edge.
    #[inline(always)]
    pub(super) fn begins(&self, text: u64) -> bool {
        // The shift drops what comes after the edge. It is less than 64, so the mask changes nothing.
        (text ^ self.word) << (self.unused_bits & 63) == 0
    }

    /// The place of the sibling whose edge begins with `byte`, among this node and the seven after it.
    #[inline(always)]
    pub(super) fn sibling(&self, byte: u8) -> Option<usize> {
        position(self.keys, byte)
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::EMPTY
    }
}
