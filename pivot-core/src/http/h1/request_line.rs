//! Reads request lines: ordinary ones fast, all others byte by byte.
//!
//! Each verdict falls at the first byte that settles it and looks at none behind that byte, so it does not depend on how
//! the line was cut into pieces.

use super::super::{Method, is_token_byte};
use super::decode::{Span, Version, span};
use super::head_error::HeadError;
use super::reader::Reader;
use super::target::{is_target_byte, read_target};
use crate::word::position;

/// A complete request line: what it says, and where in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Span,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    /// The authority that the target names; empty if it names none.
    pub(super) authority: Span,
}

/// Reads a complete line of a method that is known, a target that is a path, and HTTP/1.1 or 1.0.
///
/// `None` says nothing about any other line: that is for [`read_request_line`], which takes this one too. The reader is
/// then somewhere in the line.
#[inline]
pub(super) fn read_ordinary_line(reader: &mut Reader<'_>) -> Option<RequestLine> {
    let word = reader.word();
    let method = if word as u32 == u32::from_le_bytes(*b"GET ") {
        reader.skip(4);
        Method::Get
    } else {
        let len = position(word, b' ')?;
        let method = Method::from_token(word.to_le_bytes().get(..len)?)?;
        reader.skip(len + 1);
        method
    };
    if reader.next() != Some(b"/") || method == Method::Connect {
        return None;
    }
    let start = reader.at();
    let mut ending = reader.skip_path();
    let path = reader.span_from(start);
    let mut query = None;
    if ending == b'?' {
        let start = reader.at() + 1;
        while ending == b'?' {
            reader.skip(1);
            ending = reader.skip_path();
        }
        query = Some(reader.span_from(start));
    }
    let target = reader.span_from(start);
    // Two words that overlap in all but the last three bytes.
    let next = reader.next::<11>()?;
    let (start, end) = (next.first_chunk()?, next.last_chunk()?);
    let version = match u64::from_le_bytes(*end) {
        HTTP_11_END => Version::Http11,
        HTTP_10_END => Version::Http10,
        _ => return None,
    };
    if start != b" HTTP/1." {
        return None;
    }
    reader.skip(next.len());
    Some(RequestLine { method, version, target, path, query, authority: Span::default() })
}

/// Reads the request line at `start` of `window`: `Ok(None)` if it could still become a good one.
///
/// Gives the line and its length with the CRLF. Looks at no more than [`METHOD_LEN_MAX`] bytes of method, one byte more than `target_size_max` of target, and
/// twelve of what follows.
#[cold]
pub(super) fn read_request_line(
    window: &[u8],
    start: usize,
    target_size_max: usize,
) -> Result<Option<(RequestLine, usize)>, HeadError> {
    let bytes = window.get(start..).unwrap_or(&[]);
    let method_len = match bytes.iter().take(METHOD_LEN_MAX + 1).position(|&byte| !is_token_byte(byte)) {
        Some(len) if len > 0 && bytes.get(len) == Some(&b' ') => len,
        Some(_) => return Err(HeadError::Method),
        None if bytes.len() > METHOD_LEN_MAX => return Err(HeadError::MethodUnknown),
        None => return Ok(None),
    };
    let (method, rest) = bytes.split_at(method_len);
    let Some(method) = Method::from_token(method) else { return Err(HeadError::MethodUnknown) };
    let rest = rest.get(1..).unwrap_or(&[]);

    let target_len = match rest.iter().take(target_size_max + 1).position(|&byte| !is_target_byte(byte)) {
        Some(len) if len > 0 && rest.get(len) == Some(&b' ') => len,
        Some(_) => return Err(HeadError::Target),
        None if rest.len() > target_size_max => return Err(HeadError::TargetTooLong),
        None => return Ok(None),
    };
    let (target, rest) = rest.split_at(target_len);
    let Some(parts) = read_target(method, target) else { return Err(HeadError::Target) };
    let rest = rest.get(1..).unwrap_or(&[]);

    for (index, &byte) in rest.iter().take(VERSION_LINE.len()).enumerate() {
        match (VERSION_LINE.get(index), byte) {
            (Some(b'0'), b'0'..=b'9') => {}
            (Some(&expected), _) if byte == expected => {}
            _ if index < VERSION_LEN => return Err(HeadError::Version),
            _ => return Err(HeadError::LineEnd),
        }
    }
    let Some(&[_, _, _, _, _, major, _, minor, _, _]) = rest.first_chunk() else { return Ok(None) };
    if major != b'1' {
        return Err(HeadError::VersionUnsupported);
    }
    let len = method_len + 1 + target_len + 1 + VERSION_LINE.len();
    let line = RequestLine {
        method,
        // RFC 9110, section 2.5: a higher minor version is compatible, so it is read as the highest that is known.
        version: if minor == b'0' { Version::Http10 } else { Version::Http11 },
        target: span(window, target),
        path: span(window, parts.path),
        query: parts.query.map(|query| span(window, query)),
        authority: parts.authority.map_or(Span::default(), |authority| span(window, authority)),
    };
    Ok(Some((line, len)))
}

/// Longest method that is read to its end. RFC 9112, section 3: one longer than any that is implemented is 501.
const METHOD_LEN_MAX: usize = 32;
const HTTP_11_END: u64 = u64::from_le_bytes(*b"TP/1.1\r\n");
const HTTP_10_END: u64 = u64::from_le_bytes(*b"TP/1.0\r\n");
/// The end of a request line; `0` stands for any digit.
const VERSION_LINE: [u8; VERSION_LEN + 2] = *b"HTTP/0.0\r\n";
const VERSION_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &[u8]) -> Result<bool, HeadError> {
        let read = read_request_line(line, 0, 20)?;
        // What the fast way takes, it takes as this one does.
        let mut reader = Reader::new(line);
        if let Some(line) = read_ordinary_line(&mut reader).filter(|line| line.target.len <= 20) {
            assert_eq!(Some((line, reader.at())), read);
        }
        Ok(read.is_some())
    }

    #[test]
    fn a_verdict_falls_at_the_byte_that_settles_it() {
        // Each line is undecided without its last byte, and decided by it.
        let cases: &[(&[u8], Result<bool, HeadError>)] = &[
            (b" ", Err(HeadError::Method)),
            (b"GE@", Err(HeadError::Method)),
            (b"GET\t", Err(HeadError::Method)),
            (b"GET\r", Err(HeadError::Method)),
            (b"get ", Err(HeadError::MethodUnknown)),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Err(HeadError::MethodUnknown)),
            (b"GET  ", Err(HeadError::Target)),
            (b"GET /\r", Err(HeadError::Target)),
            (b"GET /\xc3", Err(HeadError::Target)),
            (b"GET /#", Err(HeadError::Target)),
            (b"GET a ", Err(HeadError::Target)),
            (b"GET /9012345678901234567890", Err(HeadError::TargetTooLong)),
            (b"GET / \r", Err(HeadError::Version)),
            (b"GET /  ", Err(HeadError::Version)),
            (b"GET / h", Err(HeadError::Version)),
            (b"GET / HTTP/1\r", Err(HeadError::Version)),
            (b"GET / HTTP/11", Err(HeadError::Version)),
            (b"GET / HTTP/1.1\n", Err(HeadError::LineEnd)),
            (b"GET / HTTP/1.1 ", Err(HeadError::LineEnd)),
            (b"GET / HTTP/1.10", Err(HeadError::LineEnd)),
            (b"GET / HTTP/1.1\rx", Err(HeadError::LineEnd)),
            (b"GET / HTTP/2.0\r\n", Err(HeadError::VersionUnsupported)),
            (b"GET / HTTP/0.9\r\n", Err(HeadError::VersionUnsupported)),
            (b"GET / HTTP/1.0\r\n", Ok(true)),
            (b"GET / HTTP/1.9\r\n", Ok(true)),
            (b"GET /90123456789012345678 HTTP/1.1\r\n", Err(HeadError::TargetTooLong)),
            (b"GET /9012345678901234567 HTTP/1.1\r\n", Ok(true)),
        ];
        for &(line, expected) in cases {
            if expected != Err(HeadError::TargetTooLong) {
                assert_eq!(verdict(&line[..line.len() - 1]), Ok(false), "{line:?}");
            }
            assert_eq!(verdict(line), expected, "{line:?}");
            for tail in [&b"\0"[..], b" ", b"\r\n\r\n", b"a"] {
                assert_eq!(verdict(&[line, tail].concat()), expected, "{line:?} {tail:?}");
            }
        }
    }
}
