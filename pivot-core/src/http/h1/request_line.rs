//! Judges a request line byte by byte, complete or not.
//!
//! The ordinary request never comes here: `httparse` is faster. This is for the line that is refused, for the
//! one that is incomplete, and for HTTP/1.2 to 1.9, which `httparse` does not take. Each verdict falls at the first
//! byte that settles it and looks at none behind that byte, so it does not depend on how the line was cut into pieces.

use super::super::{Method, is_token_byte};
use super::decode::Version;
use super::head_error::HeadError;
use super::target::{Target, is_target_byte, read_target};

/// A complete request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: Method,
    pub(super) target: &'a [u8],
    pub(super) parts: Target<'a>,
    pub(super) version: Version,
}

/// Reads the request line at the start of `bytes`: `Ok(None)` if it could still become a good one.
///
/// Gives the line and its length with the CRLF. Looks at no more than [`METHOD_LEN_MAX`] bytes of method, one byte
/// more than `target_size_max` of target, and twelve of what follows.
pub(super) fn read_request_line(
    bytes: &[u8],
    target_size_max: usize,
) -> Result<Option<(RequestLine<'_>, usize)>, HeadError> {
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
    // RFC 9110, section 2.5: a higher minor version is compatible, so it is read as the highest that is known.
    let version = if minor == b'0' { Version::Http10 } else { Version::Http11 };
    let len = method_len + 1 + target_len + 1 + VERSION_LINE.len();
    Ok(Some((RequestLine { method, target, parts, version }, len)))
}

/// Longest method that is read to its end. RFC 9112, section 3: one longer than any that is implemented is 501.
const METHOD_LEN_MAX: usize = 32;
/// The end of a request line; `0` stands for any digit.
const VERSION_LINE: [u8; VERSION_LEN + 2] = *b"HTTP/0.0\r\n";
const VERSION_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &[u8]) -> Result<bool, HeadError> {
        read_request_line(line, 20).map(|line| line.is_some())
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
