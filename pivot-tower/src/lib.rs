//! Pivot's protection as [`tower`] layers, for services that stay with axum or hyper.
//!
//! The policies are those of `pivot-core`; this crate reads the clock, keeps their memory, and turns a refusal into an
//! answer. The order that makes sense, outermost first:
//!
//! | layer | refuses | status |
//! |---|---|---|
//! | [`MonitorLayer`] | nobody: it counts how every request ended | |
//! | [`RateLimitLayer`] | a client that has used up its quota | 429 |
//! | [`ShedLayer`] | by class, what cannot be started in time; the others wait for a permit | 503 |
//! | [`BreakerLayer`] | everybody, while what is inside fails | 503 |
//!
//! [`ConcurrencyLimitLayer`] is a bound without a queue, for where nothing may wait.
//!
//! # What tells them from others
//! - A permit is taken in `call`, never in `poll_ready`, which only asks the service inside. A connection that is ready
//!   and sends nothing holds nothing, and a task that has used up its share of a turn is not taken for a server
//!   that is full.
//! - A future that is dropped gives back its permit, its place in the queue and its probe.
//! - An admitted request takes nothing from the heap: futures are named types. Two exceptions: a request that waits in
//!   the queue keeps a clone of the service inside, and an answer to a refused request has header fields.
//! - All memory is taken when a layer is made, bounded by its numbers, and kept until the program ends. Make layers
//!   at start, and not again and again.
//!
//! # What they leave out
//! The body of an answer: a request ends for these layers with the head of its answer.
//!
//! # Examples
//! ```
//! use pivot_tower::{BreakerLayer, MonitorLayer, RateLimitLayer, ShedLayer, ShedOptions};
//! use pivot_core::admission::{BreakerConfig, Quota};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let monitor = MonitorLayer::new();
//! let service = ServiceBuilder::new()
//!     .layer(monitor.clone())
//!     .layer(RateLimitLayer::new(Quota::PRESET, 10_000))
//!     .layer(ShedLayer::new(ShedOptions::PRESET)?)
//!     .layer(BreakerLayer::new(BreakerConfig::PRESET)?)
//!     .service(service_fn(async |_: http::Request<()>| Ok::<_, ()>(http::Response::new(()))));
//! # let _ = service;
//! # Ok::<(), pivot_core::mode::ConfigError>(())
//! ```
//!
//! [`tower`]: https://docs.rs/tower

mod answer;
mod breaker;
mod clock;
mod concurrency;
mod future;
mod monitor;
mod rate_limit;
mod request;
mod shed;

pub use answer::{Answer, Answered, HttpAnswer, Refused};
pub use breaker::{BreakerLayer, BreakerService, Probe};
pub use clock::now;
pub use concurrency::{ConcurrencyLimitLayer, ConcurrencyLimitService, HeldPermit};
pub use future::Guarded;
pub use monitor::{Counting, MonitorLayer, MonitorService};
pub use rate_limit::{RateLimitLayer, RateLimitService, Unguarded};
pub use request::{Describe, HttpRequests};
pub use shed::{ShedFuture, ShedLayer, ShedOptions, ShedService};
