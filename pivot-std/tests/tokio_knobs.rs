//! The cases of `knobs.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "knobs.rs"]
mod cases;
