//! The cases of `abuse.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "abuse.rs"]
mod cases;
