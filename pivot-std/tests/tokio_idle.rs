//! The cases of `idle.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "idle.rs"]
mod cases;
