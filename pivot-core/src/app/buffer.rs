//! The pooled objects: a window of bytes, and a request's head with its index.

use crate::admission::Ticket;
use crate::admission::shed::Sample;
use crate::http::h1::decode::{Head, HeaderSpan, last_field};
use crate::pool::{Guard, Object};
use crate::router::{Found, RouteIndex};
use crate::time::Instant;

/// A piece of memory that is filled at its end and emptied at its front.
///
/// Only what was filled in since the last reset can be read.
#[derive(Debug)]
pub struct Buffer {
    bytes: &'static mut [u8],
    start: usize,
    end: usize,
}

impl Buffer {
    /// What was filled in and not yet consumed.
    #[inline(always)]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The filled part, to be changed in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The room behind the filled part. What stands there is of no meaning: write, then [`Buffer::fill`].
    #[inline(always)]
    pub fn space_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Counts the first `len` bytes of the room as filled.
    #[inline(always)]
    pub fn fill(&mut self, len: usize) {
        self.end = self.bytes.len().min(self.end + len);
    }

    /// Takes `len` bytes from the front.
    pub fn consume(&mut self, len: usize) {
        self.start = self.end.min(self.start + len);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Drops what was filled in behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Appends all of `bytes`, or nothing; says whether they fitted.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        match self.extend(bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// Counts the first `len` bytes of the room as filled, to be written now; `None` if there are not as many.
    #[inline]
    pub fn extend(&mut self, len: usize) -> Option<&mut [u8]> {
        let place = self.bytes[self.end..].get_mut(..len)?;
        self.end += len;
        Some(place)
    }

    /// Makes room for `len` bytes before the filled byte with number `at`, or nothing. What stands there is of no meaning.
    pub fn open_gap(&mut self, at: usize, len: usize) -> Option<&mut [u8]> {
        let at = self.start + at;
        if at > self.end || len > self.bytes.len() - self.end {
            return None;
        }
        if at < self.end {
            self.bytes.copy_within(at..self.end, at + len);
        }
        self.end += len;
        self.bytes.get_mut(at..at + len)
    }

    /// Moves the filled part to the front of the memory, so that all room is behind it.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Bytes filled in and not consumed.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is filled in.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room behind the filled part, in bytes.
    pub fn space_len(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// All bytes of the memory, filled or not.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl Object for Buffer {
    type Seed = &'static mut [u8];

    fn create(bytes: Self::Seed) -> Self {
        Self { bytes, start: 0, end: 0 }
    }

    fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

/// What a [`RequestHead`] is made of: the head's bytes, and room for its header table.
pub type RequestHeadSeed = (&'static mut [u8], &'static mut [HeaderSpan]);

/// A request's head: its bytes, their index, where they lead, and what came behind them on the connection.
#[derive(Debug)]
pub struct RequestHead {
    /// The bytes from the head's first one on.
    pub buffer: Buffer,
    /// Where the header fields lie; the first [`Head::header_count`] count.
    pub headers: &'static mut [HeaderSpan],
    /// When its first byte came.
    pub began: Instant,
    /// The index, once the head is complete.
    pub head: Option<Head>,
    /// Where it leads, once that was looked up. Parameters lie in the path as sent, or in `uri` if that is there.
    pub found: Found,
    /// The decoded path, of a path that has escapes.
    pub uri: Option<Guard<'static, Buffer>>,
    /// The promise to tell the route's breaker how it went.
    pub ticket: Option<Ticket<'static>>,
    /// By when the client wants its answer.
    pub deadline: Instant,
    /// What the model of missed deadlines saw of it.
    pub sample: Option<Sample>,
}

impl RequestHead {
    /// The bytes of the head, to its last CRLF.
    pub fn head_bytes(&self) -> &[u8] {
        let len = self.head.map_or(0, |head| usize::from(head.len));
        &self.buffer.filled()[..len.min(self.buffer.len())]
    }

    /// The header fields, in their order.
    pub fn fields(&self) -> &[HeaderSpan] {
        let count = self.head.map_or(0, |head| usize::from(head.header_count));
        &self.headers[..count.min(self.headers.len())]
    }

    /// The value of the last field with this name, in any case: what the nearest proxy has written.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        last_field(self.fields(), self.buffer.filled(), name)
    }

    /// What came behind the head: content, or the next request.
    pub fn rest(&self) -> &[u8] {
        let len = self.head.map_or(0, |head| usize::from(head.len));
        &self.buffer.filled()[len.min(self.buffer.len())..]
    }

    /// Whether anything came behind the head and `skip` further bytes.
    #[inline(always)]
    pub fn has_more_than(&self, skip: usize) -> bool {
        let len = self.head.map_or(0, |head| usize::from(head.len));
        self.buffer.len() > len + skip
    }

    /// Forgets the request, but keeps what came behind it and `skip` further bytes.
    pub fn finish(&mut self, skip: usize) {
        let len = self.head.map_or(0, |head| usize::from(head.len));
        self.buffer.consume(len + skip);
        self.forget();
    }

    /// The route, if there is one.
    #[inline]
    pub fn route(&self) -> Option<RouteIndex> {
        match self.found {
            Found::Route { route, .. } => Some(route),
            _ => None,
        }
    }

    fn forget(&mut self) {
        self.head = None;
        self.found = Found::NotFound;
        self.uri = None;
        self.ticket = None;
        self.deadline = Instant::NEVER;
        self.sample = None;
    }
}

impl Object for RequestHead {
    type Seed = RequestHeadSeed;

    fn create((bytes, headers): Self::Seed) -> Self {
        Self {
            buffer: Buffer::create(bytes),
            headers,
            began: Instant::ZERO,
            head: None,
            found: Found::NotFound,
            uri: None,
            ticket: None,
            deadline: Instant::NEVER,
            sample: None,
        }
    }

    fn reset(&mut self) {
        self.buffer.reset();
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize) -> Buffer {
        Buffer::create(std::vec![0; len].leak())
    }

    #[test]
    fn bytes_come_out_as_they_went_in_and_nothing_else_can_be_read() {
        let mut buffer = buffer(8);
        assert!(buffer.push(b"abcdef") && !buffer.push(b"xyz"));
        buffer.consume(2);
        assert_eq!((buffer.filled(), buffer.space_len()), (&b"cdef"[..], 2));
        buffer.compact();
        assert_eq!((buffer.filled(), buffer.space_len()), (&b"cdef"[..], 4));
        buffer.open_gap(1, 2).unwrap().copy_from_slice(b"--");
        assert!(buffer.open_gap(0, 3).is_none() && buffer.open_gap(7, 1).is_none());
        assert_eq!(buffer.filled(), b"c--def");
        buffer.truncate(3);
        assert_eq!(buffer.filled(), b"c--");
        buffer.reset();
        assert!(buffer.is_empty() && buffer.filled().is_empty());
    }

    #[test]
    fn counts_beyond_the_memory_are_cut_to_it() {
        let mut buffer = buffer(4);
        buffer.fill(100);
        assert_eq!(buffer.len(), 4);
        buffer.consume(100);
        assert!(buffer.is_empty());
    }
}
