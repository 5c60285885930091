//! **Oldest**: who has waited for too long is refused, and while the queue stands the newest go first.
//!
//! *Protects against* a standing queue, in which everybody waits and is served just when its client has given up. While
//! the queue drains now and then, a request may wait for 100 ms; once it has not been empty for 100 ms, those that
//! come may wait for 5 ms only, and of each class the last to come is the first to start. That serves the clients that
//! still wait, and the short budget clears the tail of the others.
//! (The rule at the queue's entrance: Maurer, "Fail at Scale", ACM Queue 13(8), 2015; the numbers are CoDel's,
//! RFC 8289.)
//!
//! | knob | default | unit |
//! |---|---|---|
//! | `standing` | 100 | ms for which the queue was not empty |
//! | `budget` | 100 | ms |
//! | `budget_standing` | 5 | ms |
//!
//! *Cost*: nothing at the entrance; the queue keeps its deadlines in a heap anyway.
//!
//! *Not for* handlers that take longer than the short budget when few of them run at once: then hardly anybody starts within
//! 5 ms of coming. Nor where order matters to a client that sends several requests at once over several connections.

use crate::admission::{Order, Queue};
use crate::time::{Duration, Instant};

/// Whether the queue has not been empty for this long.
pub(super) fn is_standing(queue: &Queue, standing: Duration, now: Instant) -> bool {
    queue.standing_since().is_some_and(|since| now.since(since) > standing)
}

/// The order for a queue that stands, or does not.
pub(super) fn order(is_standing: bool) -> Order {
    if is_standing { Order::Lifo } else { Order::Fifo }
}
