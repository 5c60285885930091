//! HTTP/1.1 framing (RFC 9112): decoding of heads and chunked bodies, encoding of answers.

pub mod decode;
