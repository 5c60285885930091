//! HTTP/1.1 and 1.0 as pure functions: slices in, slices out.
//!
//! Nothing here knows a socket, a clock or a pool, so every rule can be fuzzed and tested with plain calls.
//! What of RFC 9110 and RFC 9112 is covered is said at [`h1`].

mod authority;
mod date;
pub mod h1;
mod header;
mod method;
mod number;
mod status;

pub use date::http_date;
pub use header::{
    HeaderName, HeaderValue, is_field_value, is_field_value_byte, is_token, is_token_byte, list, trim,
};
pub use method::{Method, MethodSet};
pub use number::{Digits, NumberError, decimal_len, parse_decimal, write_decimal};
pub use status::Status;
