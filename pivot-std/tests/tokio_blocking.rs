//! The cases of `blocking.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "blocking.rs"]
mod cases;
