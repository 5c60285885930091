//! HTTP/1.1 framing (RFC 9112): decoding of heads and chunked bodies, encoding of answers.
//!
//! Where RFC 9112 lets a recipient choose between lenient and strict, this one is strict: a message that two
//! programs can read in two ways is how requests are smuggled past the first of them.
//!
//! | in a request | here |
//! |---|---|
//! | empty lines before it | up to two CRLFs are skipped |
//! | line ends | CRLF alone; a lone LF or CR is 400 |
//! | version | 1.1, and 1.2 to 1.9 as 1.1; 1.0; another major version is 505 |
//! | method | a token; 501 if Pivot does not know it |
//! | target | origin form; absolute form of http and https; `*` for OPTIONS; authority form for CONNECT |
//! | characters of the target | visible ASCII without `#`; the rest is left to whoever decodes the path |
//! | Host | exactly one in 1.1, at most one in 1.0, by the grammar, without user information |
//! | Content-Length | one field, digits alone; beyond 64 bits it is 413 |
//! | Transfer-Encoding | `chunked` alone, in 1.1 alone, never beside Content-Length; codings under it are 501, without it 400 |
//! | chunk extensions | by the grammar, bounded, dropped |
//! | Expect | `100-continue` in 1.1; ignored in 1.0; anything else is 417 |
//! | folded lines, space before the colon or the first field | 400 |
//! | too long | 414 for the request line, 431 for the fields |
//!
//! After an error the position of the next request is unknown: the connection ends with the answer.

mod chunk_extension;
pub mod chunked;
pub mod decode;
pub mod encode;
mod fields;
mod head_error;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod reader;
mod request_line;
mod target;
