//! Encodes answers into a buffer of fixed size: [`Writer`].
//!
//! Everything is written whole or not at all: a call that answers [`Full`] has changed nothing, so the buffer never
//! ends in half a field. What is written has passed a check or is made here, so that no value can break out of its line.

use super::super::{Digits, HeaderName, HeaderValue, Status, http_date};

/// Nothing was written, because the buffer has too little room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why a field was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The buffer has too little room left.
    Full,
    /// The name is no token, or the value has a control character.
    Invalid,
}

impl From<Full> for HeaderError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// Writes a response into a borrowed buffer.
///
/// # Examples
///
/// ```
/// use pivot_core::http::{Status, h1::encode::Writer};
///
/// let mut buffer = [0; 128];
/// let mut writer = Writer::new(&mut buffer);
/// writer.status_line(Status::OK)?;
/// writer.content_length(5)?;
/// writer.end()?;
/// writer.bytes(b"hello")?;
/// assert_eq!(writer.written(), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
/// # Ok::<(), pivot_core::http::h1::encode::Full>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Writes the status line. Answers are HTTP/1.1 whatever the request was (RFC 9110, section 2.5).
    #[inline]
    pub fn status_line(&mut self, status: Status) -> Result<(), Full> {
        if status == Status::OK {
            return self.bytes(b"HTTP/1.1 200 OK\r\n");
        }
        let code = status.code();
        let digits = [b'0' + (code / 100) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8];
        self.parts([b"HTTP/1.1 ", &digits, b" ", status.reason().as_bytes(), b"\r\n"])
    }

    /// Writes a field after checking it.
    pub fn header(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        match (HeaderName::new(name), HeaderValue::new(value)) {
            (Some(name), Some(value)) => Ok(self.field(name, value)?),
            _ => Err(HeaderError::Invalid),
        }
    }

    /// Writes a field that was checked when it was made.
    #[inline]
    pub fn field(&mut self, name: HeaderName<'_>, value: HeaderValue<'_>) -> Result<(), Full> {
        self.parts([name.as_bytes(), b": ", value.as_bytes(), b"\r\n"])
    }

    /// Writes `content-length`.
    #[inline]
    pub fn content_length(&mut self, len: u64) -> Result<(), Full> {
        self.parts([b"content-length: ", Digits::decimal(len).as_bytes(), b"\r\n"])
    }

    /// Writes `transfer-encoding: chunked`. Only an HTTP/1.1 client can read what follows.
    #[inline]
    pub fn transfer_encoding_chunked(&mut self) -> Result<(), Full> {
        self.bytes(b"transfer-encoding: chunked\r\n")
    }

    /// Writes `date`, for a moment in seconds since the start of 1970.
    pub fn date(&mut self, unix_s: u64) -> Result<(), Full> {
        self.parts([b"date: ", &http_date(unix_s), b"\r\n"])
    }

    /// Writes the empty line that ends a head, or the trailers of a chunked body.
    #[inline]
    pub fn end(&mut self) -> Result<(), Full> {
        self.bytes(b"\r\n")
    }

    /// Writes one whole chunk. Empty content writes nothing, since an empty chunk would end the body.
    #[inline]
    pub fn chunk(&mut self, content: &[u8]) -> Result<(), Full> {
        if content.is_empty() {
            return Ok(());
        }
        self.parts([Digits::hexadecimal(content.len() as u64).as_bytes(), b"\r\n", content, b"\r\n"])
    }

    /// Writes the size line of a chunk whose content, and the CRLF after it, are sent from elsewhere.
    ///
    /// # Panics
    ///
    /// In debug builds if `len` is zero: that would end the body.
    pub fn chunk_start(&mut self, len: u64) -> Result<(), Full> {
        debug_assert!(len > 0, "an empty chunk ends the body: use last_chunk");
        self.parts([Digits::hexadecimal(len).as_bytes(), b"\r\n"])
    }

    /// Writes the line that ends chunked content. Trailers may follow, and then [`end`](Self::end).
    #[inline]
    pub fn last_chunk(&mut self) -> Result<(), Full> {
        self.bytes(b"0\r\n")
    }

    /// Writes bytes as they are: content, or a part of a head that was rendered before.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.parts([bytes])
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }

    /// How many bytes were written so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes there is room for.
    pub fn remaining_len(&self) -> usize {
        self.buffer.len() - self.len
    }

    /// Writes all parts one after the other, or none.
    #[inline]
    fn parts<const N: usize>(&mut self, parts: [&[u8]; N]) -> Result<(), Full> {
        // Parts are slices that exist, so their sum stays far below the largest number.
        let size = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut rest = self.buffer.get_mut(self.len..).and_then(|free| free.get_mut(..size)).ok_or(Full)?;
        for part in parts {
            let (place, after) = rest.split_at_mut_checked(part.len()).ok_or(Full)?;
            place.copy_from_slice(part);
            rest = after;
        }
        self.len += size;
        Ok(())
    }
}

/// Most bytes that [`Writer::chunk`] adds to its content: the digits of a 64-bit size and two CRLFs.
pub const CHUNK_OVERHEAD_MAX: usize = 16 + 2 + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// What `write` writes, after checking that it needs exactly that much room and else leaves the writer as it was.
    fn written(write: impl Fn(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
        let mut large = [0; 256];
        let mut writer = Writer::new(&mut large);
        write(&mut writer).unwrap();
        let text = writer.written().to_vec();
        assert_eq!((writer.len(), writer.remaining_len()), (text.len(), 256 - text.len()));

        for size in 0..text.len() {
            let mut small = std::vec![b'-'; size];
            let mut writer = Writer::new(&mut small);
            assert_eq!(write(&mut writer), Err(Full));
            assert!(writer.is_empty());
            assert!(small.iter().all(|&byte| byte == b'-'), "{small:?}");
        }
        let mut exact = std::vec![0; text.len()];
        assert_eq!(write(&mut Writer::new(&mut exact)), Ok(()));
        assert_eq!(exact, text);
        text
    }

    #[test]
    fn lines_are_written_whole_or_not_at_all() {
        assert_eq!(written(|w| w.status_line(Status::OK)), b"HTTP/1.1 200 OK\r\n");
        assert_eq!(written(|w| w.status_line(Status::NOT_FOUND)), b"HTTP/1.1 404 Not Found\r\n");
        assert_eq!(written(|w| w.content_length(0)), b"content-length: 0\r\n");
        assert_eq!(written(|w| w.content_length(u64::MAX)), b"content-length: 18446744073709551615\r\n");
        assert_eq!(written(|w| w.date(0)), b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(written(|w| w.transfer_encoding_chunked()), b"transfer-encoding: chunked\r\n");
        let value = HeaderValue::new(b"b\tc \xe4").unwrap();
        let name = HeaderName::new("x-a").unwrap();
        assert_eq!(written(|w| w.field(name, value)), b"x-a: b\tc \xe4\r\n");
        assert_eq!(written(|w| w.chunk(&[b'a'; 26])), [b"1a\r\n", &[b'a'; 26][..], b"\r\n"].concat());
        assert_eq!(written(|w| w.chunk_start(u64::MAX)), b"ffffffffffffffff\r\n");
        assert_eq!(written(|w| w.last_chunk()), b"0\r\n");
    }

    #[test]
    fn a_status_without_a_phrase_keeps_its_space() {
        let status = Status::from_code(299).unwrap();
        assert_eq!(written(|w| w.status_line(status)), b"HTTP/1.1 299 \r\n");
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        for (name, value) in [
            ("a", &b"b\r\nset-cookie: c"[..]),
            ("a", b"b\n"),
            ("a", b"\r"),
            ("a", b"\0"),
            ("a\r\nb", b"c"),
            ("a:", b"b"),
            ("a ", b"b"),
            ("", b"b"),
        ] {
            assert_eq!(writer.header(name, value), Err(HeaderError::Invalid), "{name:?} {value:?}");
        }
        assert!(writer.is_empty());
        assert_eq!(writer.header("a", &[b'b'; 64]), Err(HeaderError::Full));
        assert_eq!(writer.header("a", b"b"), Ok(()));
    }

    #[test]
    fn empty_content_does_not_end_the_body() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        writer.chunk(b"").unwrap();
        assert!(writer.is_empty());
        writer.chunk(b"a").unwrap();
        writer.last_chunk().unwrap();
        writer.header("x-sum", b"1").unwrap();
        writer.end().unwrap();
        assert_eq!(writer.written(), b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n");
    }
}
