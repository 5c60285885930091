//! HTTP/1.1 and 1.0 as pure functions: slices in, slices out.
//!
//! Nothing here knows a socket, a clock or a pool, so every rule can be fuzzed and tested with plain calls.
//! What of RFC 9110 and RFC 9112 is covered is said at [`h1`].

pub mod h1;
mod method;
mod status;

pub use method::{Method, MethodSet};
pub use status::Status;
