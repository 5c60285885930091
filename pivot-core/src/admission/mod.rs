//! Decides who is served: rate limiter, load shedder, circuit breaker, queue, permits.
//!
//! Values in, a permit or a [`Refusal`] out; no I/O, no clock, no HTTP. What workers share here is made of single
//! atomic words, each changed by a pure function of the word and a short loop that swaps the result in.

mod breaker;
mod class;
pub mod concurrency;
mod connections;
mod key;
mod permits;
mod queue;
mod rate_limit;
mod refusal;

pub use breaker::{Breaker, BreakerConfig, BreakerState, Ticket};
pub use class::Class;
pub use connections::{ConnectionPermit, Connections};
pub use key::{ClientKey, Seed};
pub use permits::{Permit, Permits};
pub use queue::{Entry, Queue, QueueNode};
pub use rate_limit::{Quota, QuotaError, RateCell, RateLimiter};
pub use refusal::Refusal;
