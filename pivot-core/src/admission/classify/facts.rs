//! What is known of a request when its class is decided.

use core::net::IpAddr;

use crate::admission::Class;
use crate::http::Method;
use crate::http::h1::decode::{HeaderSpan, last_field};

/// A decoded head and where it came from. Nothing is copied: every field borrows what the server has anyway.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    /// The request method.
    pub method: Method,
    /// The path without the query, as the router gets it: percent-decoded once, `%2F` as a zero byte. Empty where the
    /// request names no path (`OPTIONS *`, CONNECT); then no rule with a path matches.
    pub path: &'r [u8],
    /// The filled part of the table of header fields.
    pub headers: &'r [HeaderSpan],
    /// The bytes that `headers` refers to.
    pub head: &'r [u8],
    /// Who holds the other end of the connection.
    pub peer: IpAddr,
    /// Who sent the request: [`ClientIdentity::address`](super::ClientIdentity::address). The same as `peer` where no
    /// proxy is trusted.
    pub client: IpAddr,
    /// Whether the peer itself is trusted: it came through a listener that only our own programs reach.
    pub is_trusted: bool,
}

impl<'r> Facts<'r> {
    /// The value of the last field with this name, in any case: what the nearest proxy has written.
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        last_field(self.headers, self.head, name)
    }

    /// The class that a trusted peer has set by `X-Pivot-Class`; `None` if the peer is not trusted, or the name unknown.
    ///
    /// Whoever asks for it takes it before the rules: the peer that set it knew more.
    pub fn class_from_header(&self) -> Option<Class> {
        if !self.is_trusted {
            return None;
        }
        Class::from_name(core::str::from_utf8(self.header("x-pivot-class")?).ok()?)
    }
}
