//! What is measured: the rows of the table.

use crate::heads::{self, BROWSER, SMALL};
use crate::{parts, routes, stack};

/// Runs one operation so many times, on what was prepared before.
pub(crate) type Run = Box<dyn FnMut(u64)>;

/// A row of the table.
pub(crate) struct Operation {
    /// The name on the command line and in the table.
    pub(crate) name: &'static str,
    /// Prepares Pivot's side.
    pub(crate) pivot: fn() -> Run,
    /// Who does the like.
    pub(crate) peer: Option<Peer>,
}

/// Another library that does the like of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Prepares its side.
    pub(crate) run: fn() -> Run,
}

/// A number of operations that ends every cycle through the inputs: 130 routes, 1,000 clients.
pub(crate) const CYCLE: u64 = 13_000;

pub(crate) const OPERATIONS: &[Operation] = &[
    beside("decode-small", || Box::new(heads::decode(SMALL)), HTTPARSE, || Box::new(heads::httparse(SMALL))),
    beside(
        "decode-browser",
        || Box::new(heads::decode(BROWSER)),
        HTTPARSE,
        || Box::new(heads::httparse(BROWSER)),
    ),
    beside(
        "route-static",
        || Box::new(routes::pivot(routes::STATIC, true)),
        MATCHIT,
        || Box::new(routes::matchit(routes::STATIC, true)),
    ),
    beside(
        "route-mean",
        || Box::new(routes::pivot(routes::all(), true)),
        MATCHIT,
        || Box::new(routes::matchit(routes::all(), true)),
    ),
    beside(
        "route-three-params",
        || Box::new(routes::pivot(routes::THREE, true)),
        MATCHIT,
        || Box::new(routes::matchit(routes::THREE, true)),
    ),
    beside(
        "route-miss",
        || Box::new(routes::pivot(routes::MISS, false)),
        MATCHIT,
        || Box::new(routes::matchit(routes::MISS, false)),
    ),
    alone("path-check-root", || Box::new(parts::check_path("/"))),
    alone("path-check", || Box::new(parts::check_path("/catalog/bikes/mountain-29.html"))),
    alone("limiter-charge", || Box::new(parts::limiter())),
    alone("breaker-admit-report", || Box::new(parts::breaker())),
    alone("permit-take-drop", || Box::new(parts::permit())),
    alone("queue-push-pop", || Box::new(parts::queue())),
    alone("pool-borrow-return", || Box::new(parts::pool())),
    alone("histogram-record", || Box::new(parts::histogram())),
    alone("client-key-v4", || Box::new(parts::key(false))),
    alone("client-key-v6", || Box::new(parts::key(true))),
    alone("encode-plaintext", || Box::new(parts::encode())),
    alone("axum-bare", || Box::new(stack::bare())),
    beside("axum-protected", || Box::new(stack::pivot()), TOWER, || Box::new(stack::tower())),
];

const HTTPARSE: &str = "httparse";
const MATCHIT: &str = "matchit";
const TOWER: &str = "tower, tower-governor";

const fn alone(name: &'static str, pivot: fn() -> Run) -> Operation {
    Operation { name, pivot, peer: None }
}

const fn beside(name: &'static str, pivot: fn() -> Run, peer: &'static str, run: fn() -> Run) -> Operation {
    Operation { name, pivot, peer: Some(Peer { name: peer, run }) }
}
