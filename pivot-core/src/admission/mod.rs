//! Decides who is served: rate limiter, load shedder, circuit breaker, queue, permits.
//!
//! Values in, a permit or a [`Refusal`] out; no I/O, no clock, no HTTP. What workers share here is made of single
//! atomic words, each changed by a pure function of the word and a short loop that swaps the result in.

mod access;
mod breaker;
mod cidr;
mod class;
mod connections;
mod key;
mod permits;
mod queue;
pub mod rate_limit;
mod refusal;

pub use access::{Access, AccessList};
pub use breaker::{Breaker, BreakerConfig, BreakerState, Ticket};
pub use cidr::{Cidr, CidrError};
pub use class::Class;
pub use connections::{ConnectionPermit, Connections};
pub use key::{ClientKey, Part, Seed};
pub use permits::{Permit, Permits};
pub use queue::{Entry, Queue, QueueNode};
pub use rate_limit::{
    Algorithm, Decision, FIELD_LEN_MAX, LIMITS_MAX, LOG_MAX, Limit, Policy, PolicyError, Quota, QuotaError,
    RateCell, RateLimiter, RateSet, Verdict,
};
pub use refusal::Refusal;
