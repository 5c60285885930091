//! The cases of `no_alloc.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "no_alloc.rs"]
mod cases;
