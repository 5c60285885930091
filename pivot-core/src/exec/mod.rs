//! The bounded executor: slots for exchanges, ready words, wakers, a timer wheel.
//!
//! It allocates nothing and decides nothing: which exchange runs next is for [`crate::serve`] to say.

mod handover;
mod ready;
mod slots;
mod timer;
mod waker;

pub use handover::{Handover, HandoverState, HandoverStep};
pub use ready::{Notify, ReadySet};
pub use slots::{Slots, SlotsFull};
pub use timer::{Node, Wheel};
pub use waker::{DOMAINS_MAX, Domain, DomainsFull};
