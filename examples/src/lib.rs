//! The application that the examples, the tests and the bare-metal image share.
#![no_std]
