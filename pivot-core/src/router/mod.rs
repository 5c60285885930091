//! Finds the route of a method and a path, in a radix tree of fixed capacity.
//!
//! # What a pattern says
//!
//! | segment | matches |
//! |---|---|
//! | `orders` | these bytes |
//! | `{id}` | one segment that is not empty; always the whole segment, so `x-{id}` is refused |
//! | `{*rest}` | everything from here to the end, slashes included, at least one byte; only as the last segment |
//!
//! A trailing slash is significant: `/orders` and `/orders/` are two routes. A pattern is written as the text
//! that a path has *after* percent-decoding, so non-ASCII letters may stand in it and `%` may not.
//!
//! # Which route wins
//!
//! Segment by segment from the left, text goes before `{param}`, and `{param}` before `{*rest}`, whatever the
//! order of registration. Where the better start leads nowhere, the search comes back: with `/a/{x}/c` and
//! `/a/b/d`, the path `/a/b/c` finds the first. A pattern that has no route for the method counts as leading
//! nowhere: with `GET /users/me` and `DELETE /users/{id}`, `DELETE /users/me` finds the second.
//!
//! `GET` answers `HEAD` too, unless the same pattern has a `HEAD` of its own. If patterns match but none has the
//! method, the answer is [`Found::MethodNotAllowed`] with the methods of *all* patterns that match, and OPTIONS:
//! what an `Allow` field needs (RFC 9110, section 10.2.1). An OPTIONS request for which there is no route comes
//! back in this way, and the caller makes its 204 of it.
//!
//! Two routes are in conflict if they have the same method and the same shape. Names of parameters do not count
//! for the shape: `GET /{a}` and `GET /{b}` collide, `GET /{a}` and `POST /{b}` do not, and each keeps its names.
//!
//! # Groups
//!
//! A group's prefix begins with a slash and does not end with one, and a route's own text begins with a slash or
//! is empty; so a pattern is its parts put together, and borders of segments are kept: `/api` and `/orders` make
//! `/api/orders`, `/api` and `/` make `/api/`, `/api` and the empty text make `/api`. None matches `/apiX`.
//!
//! # What a search costs
//!
//! A parameter takes exactly one segment. So a path fixes the one position at which a node of the tree can be
//! reached, and a node is visited at most once in a search: no path can make the search longer than the table
//! is. A visit compares at most eight bytes, or looks for the end of one segment. There is no stack: what a node
//! tries next is known when the tree is built, and the place in the path follows from the parameters so far. And
//! there is no cache that a client could fill.
//!
//! # Examples
//!
//! ```
//! use pivot_core::http::Method;
//! use pivot_core::router::{Entry, Found, Node, Pattern, Router};
//!
//! let mut nodes = [Node::EMPTY; 16];
//! let mut entries = [const { Entry::EMPTY }; 4];
//! let mut router = Router::new(&mut nodes, &mut entries);
//! let show = router.add(Method::Get, Pattern::from("/users/{id}"))?;
//! let create = router.add(Method::Post, Pattern::from("/api").with("/orders"))?;
//!
//! let path = b"/users/42";
//! let Found::Route { route, params } = router.find(Method::Head, path) else { unreachable!() };
//! assert_eq!(route, show);
//! let id = router.param_index(route, "id").and_then(|index| params.get(index)).unwrap();
//! assert_eq!(id.of(path), b"42");
//! # let _ = create;
//! # Ok::<(), pivot_core::router::RouteError>(())
//! ```
//!
//! Paths are made ready for the search by [`path`]: escapes, dot segments, and what becomes of `%2F`.

mod error;
mod find;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod names;
mod node;
pub mod path;
mod pattern;
mod tree;

pub use error::RouteError;
pub use find::{Found, Params};
pub use node::Node;
pub use pattern::Pattern;
pub use tree::{Entry, Router};

/// Most parameters in one pattern, `{*rest}` included.
pub const PARAMS_MAX: usize = 8;

/// Most parts of one pattern: the prefixes of nested groups and the route's own text.
pub const PARTS_MAX: usize = 8;

/// The number of a route: routes are counted from zero in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(pub u16);
