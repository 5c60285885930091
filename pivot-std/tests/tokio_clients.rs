//! The cases of `clients.rs`, on tokio: P3.
#![cfg(feature = "tokio")]

#[path = "clients.rs"]
mod cases;
