//! Bytes make a set of routes and paths; the tree and the naive list must find the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pivot_core::router::naive;

fuzz_target!(|data: &[u8]| naive::compare(data));
