//! Decides who is served: rate limiter, load shedder, circuit breaker, queue, permits.
//!
//! Values in, a permit or a [`Refusal`] out; no I/O, no clock. Of HTTP, [`classify`] alone knows: it reads heads. What
//! workers share here is made of single atomic words, each changed by a pure function of the word and a short loop that
//! swaps the result in.

mod access;
pub mod breaker;
mod cidr;
mod class;
pub mod classify;
pub mod concurrency;
mod connections;
mod deadline;
mod guard;
mod key;
mod permits;
mod queue;
pub mod rate_limit;
mod refusal;
mod retry_budget;
pub mod shed;

pub use access::{Access, AccessList};
pub use breaker::{
    Breaker, BreakerConfig, BreakerState, Lane, Registry, RegistryError, RegistrySlot, Ticket,
};
pub use cidr::{Cidr, CidrError};
pub use class::Class;
pub use connections::{ConnectionPermit, Connections};
pub use deadline::{DEADLINE_HEADER, Deadline, DeadlineValue};
pub use guard::{Call, CallRefusal, Outbound, Upstream, UpstreamConfig};
pub use key::{ClientKey, Part, Seed};
pub use permits::{Permit, Permits};
pub use queue::{Entry, Order, Queue, QueueNode};
pub use rate_limit::{
    Algorithm, Decision, FIELD_LEN_MAX, LIMITS_MAX, LOG_MAX, Limit, LimitBy, LimitSpec, Policy, PolicyError,
    Quota, QuotaError, RateCell, RateLimiter, RateSet, Verdict,
};
pub use refusal::Refusal;
pub use retry_budget::{RetryBudget, RetryConfig};
pub use shed::{Arrival, Calibration, Cursor, Load, Sample, ShedConfig, ShedReason, Shedder, Strategy};
