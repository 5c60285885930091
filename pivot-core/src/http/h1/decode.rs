//! Decodes request heads.

use super::super::Method;

/// A part of the head buffer: `start..start + len`. Heads are at most 65,535 bytes, so 16 bits suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte, counted from the start of the head.
    pub start: u16,
    /// Length in bytes.
    pub len: u16,
}

impl Span {
    /// The bytes that the span covers; empty if it lies outside of `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        bytes.get(start..start + usize::from(self.len)).unwrap_or(&[])
    }
}

/// Where one header field lies in the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSpan {
    /// The field's name, as it was sent.
    pub name: Span,
    /// The field's value, without surrounding white space.
    pub value: Span,
}

/// The protocol version that a request names. Higher minor versions of HTTP/1 count as 1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How a request's content is delimited (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// No content follows the head.
    #[default]
    None,
    /// Content-Length, at least 1.
    Exact(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// The index of a decoded head. It holds no text, only where the text lies.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The request method.
    pub method: Method,
    /// The protocol version.
    pub version: Version,
    /// Length of the whole head in bytes, with the empty line.
    pub len: u16,
    /// How many entries of the header table are filled.
    pub header_count: u16,
    /// The request target as sent.
    pub target: Span,
    /// The path of the target: empty only for `*` and for CONNECT.
    pub path: Span,
    /// What follows the `?` of the target.
    pub query: Option<Span>,
    /// The authority: of the absolute form if the target has one, else the value of Host.
    pub host: Span,
    /// How the content is delimited.
    pub body: BodyLength,
    /// Whether the client lets the connection stay open after the answer.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends content.
    pub expect_continue: bool,
}
