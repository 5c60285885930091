//! The deciding part of Pivot: everything that an HTTP server has to judge, and nothing that it has to do.
//!
//! This crate opens no socket, reads no clock, starts no thread and allocates nothing. Bytes, time and
//! randomness come in from a backend; answers and deadlines go out. That is why the same code serves a
//! Linux machine with thousands of clients, a microcontroller with four, and a test that plays an hour
//! in a millisecond.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
extern crate std;

#[macro_use]
mod log;

pub mod admission;
pub mod app;
pub mod exec;
pub mod http;
pub mod mode;
pub mod monitor;
pub mod pool;
pub mod router;
pub mod serve;
pub mod storage;
pub mod sync;
pub mod time;
mod word;
