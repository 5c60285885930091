//! Pivot on an operating system: sockets, a clock, threads and signals for `pivot-core`.
//!
//! [`mio::Server`] is the place to start; `tokio::Server` (feature `tokio`) is the same server for handlers that await
//! what tokio has. This crate moves bytes and wakes tasks; what a request is worth is decided
//! in `pivot-core`.
//!
//! ```no_run
//! use pivot_core::app::{App, Routes, get};
//! use pivot_core::mode::Profile;
//!
//! fn app() -> App<impl Routes> {
//!     App::new(get("/", async |_req, res| res.text("hello")))
//! }
//!
//! fn main() -> Result<(), pivot_std::Error> {
//!     let config = Profile::High.draft().build()?;
//!     pivot_std::mio::Server::bind("127.0.0.1:8080", config)?.run(app)?;
//!     Ok(())
//! }
//! ```

mod blocking;
mod error;
#[cfg(target_os = "linux")]
pub mod files;
mod heap;
mod host;
pub mod mio;
#[cfg(feature = "tokio")]
pub mod tokio;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So does that of the pages about admission.
#[cfg(doctest)]
#[doc = include_str!("../../docs/classes.md")]
#[doc = include_str!("../../docs/rate-limits.md")]
struct Admission;

pub use error::Error;
pub use heap::Heap;
pub use host::{StdHost, random_seed, thread_cpu_time};
