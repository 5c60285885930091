//! The one place that joins the others: the way of a request.
//!
//! ```text
//!                    bytes                 head complete, admitted           permit
//!   accept ─> Idle ─────────> Head ────────────────────────────────> Queued ────────> Running
//!              ^  ^             │ bad, too slow, refused                                 │
//!              │  └── answered ─┼────────────────────────────────────────────────────────┤
//!              │                v                                                        │ last answer
//!              │             Flushing ─── all sent ──> Lingering ─── read to the end ──> closed
//! ```
//!
//! A turn of a loop has two phases. First every connection that is ready reads and decodes, up to the queue
//! ([`Worker::handle_ready`]). Then handlers run in the order of their classes for one time slice ([`Worker::run`]).
//! Without the two phases the queue would hide in the kernel's buffers, and nobody could choose whom to refuse.
//!
//! The handler of a blocking route runs elsewhere, where the backend has threads for that ([`Offload`]); its request goes the
//! same way.
//!
//! A backend moves bytes (a [`Socket`]), tells the time and guards against panics (a [`Host`]), and decides nothing.

mod admit;
mod connection;
mod exchange;
mod offload;
mod refuse;
mod shared;
mod socket;
mod transfer;
mod worker;

pub use exchange::{Admitted, run, run_or_offload};
pub use offload::{Ended, Job, Offload, Place, Progress, Station};
pub use refuse::{retry_after_s, status_of};
pub use shared::{Shared, StartError};
pub use socket::{Host, Io, Panicked, Readiness, Socket};
pub use worker::{AcceptError, Token, Worker};
