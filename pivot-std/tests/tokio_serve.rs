//! The cases of `serve.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "serve.rs"]
mod cases;
