//! Threads for the handlers of blocking routes, and the bounded queue before them.
//!
//! ```text
//!   loop ── submit ──> queue (six classes, a deadline) ── take ──> thread ── finish ──> loop
//!                        │ full: 503       │ expired: 503            │ panic: 500
//! ```
//!
//! A job's place says by one word who has it ([`Handover`](pivot_core::exec::Handover)), so the lock around its contents is
//! never waited for longer than it takes to move them. The queue has a lock that is held for a few steps of bounded
//! length, never while a handler runs.

mod desk;
mod thread;

pub(crate) use desk::Desk;
pub(crate) use thread::run;
