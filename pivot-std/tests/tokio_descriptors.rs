//! The cases of `descriptors.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "descriptors.rs"]
mod cases;
