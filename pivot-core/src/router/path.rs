//! Makes a request's path ready for the search: escapes, dot segments, encoding.
//!
//! The structure of a path is decided before anything is decoded: its segments are what lies between the slashes
//! that were sent. Then each segment is percent-decoded once (RFC 3986, section 2.4), and nothing that comes out of
//! it changes the structure:
//!
//! - An escaped slash stays data. In decoded text it stands as a zero byte, so that the router sees no border there,
//!   and [`restore_slashes`] puts the slash back when the parameters are known. Zero itself, raw or escaped, is
//!   refused.
//! - `.` and `..` as segments are refused, raw or escaped. Resolving them (RFC 3986, section 5.2.4) is the client's
//!   work; a path that still has them asks for something that a proxy before us may have judged otherwise. Between
//!   escaped slashes they are refused too, because a handler that opens files sees them after `restore_slashes`.
//! - The result is valid UTF-8 (RFC 3629), also where bytes above 0x7f were sent without escapes.
//! - `+` is a plus sign: it means a space in forms, never in a path.
//!
//! # Examples
//!
//! ```
//! use pivot_core::router::path::{self, Form};
//!
//! assert_eq!(path::check(b"/users/42"), Ok(Form::Plain));
//!
//! let raw = b"/files/a%2Fb%20c";
//! assert_eq!(path::check(raw), Ok(Form::Escaped));
//! let mut text = [0; 32];
//! let len = path::decode(raw, &mut text)?;
//! assert_eq!(&text[..len], b"/files/a\0b c");
//! path::restore_slashes(&mut text[..len]);
//! assert_eq!(&text[..len], b"/files/a/b c");
//! # Ok::<(), path::PathError>(())
//! ```

use core::fmt;

use crate::word::{HIGH_BITS, marks, pack_short, spread};

/// What a raw path needs before it can be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing: it has no escapes, and its bytes are the text.
    Plain,
    /// [`decode`]; what is wrong with it shows then.
    Escaped,
}

/// What is wrong with a path. All but `Full` are the client's mistake, an answer of 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A `%` without two hexadecimal digits.
    BadEscape,
    /// A zero byte, raw or escaped.
    Nul,
    /// The text is not valid UTF-8.
    NotUtf8,
    /// A segment `.` or `..`, raw or escaped.
    DotSegment,
    /// The buffer is shorter than the text; one of the raw path's length always suffices.
    Full,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadEscape => "a % in the path lacks its two hexadecimal digits",
            Self::Nul => "the path has a zero byte",
            Self::NotUtf8 => "the path is not UTF-8",
            Self::DotSegment => "the path has a dot segment",
            Self::Full => "the decoded path does not fit into its buffer",
        })
    }
}

impl core::error::Error for PathError {}

/// Says whether a raw path can be routed as it is. One pass, eight bytes a step.
///
/// # Errors
/// Of a path without escapes, [`PathError::Nul`], [`NotUtf8`](PathError::NotUtf8) and
/// [`DotSegment`](PathError::DotSegment); of others, nothing yet.
#[inline]
pub fn check(raw: &[u8]) -> Result<Form, PathError> {
    let (words, rest) = raw.as_chunks::<8>();
    // The start counts as a slash: a segment begins there.
    let mut before = u64::from(b'/');
    for word in words {
        let word = u64::from_le_bytes(*word);
        if may_need_care(word, before) {
            return check_slowly(raw);
        }
        before = word >> 56;
    }
    // Zeros after the end would look like zero bytes of the path.
    let last = pack_short(rest) | spread(b'a') << (8 * rest.len());
    if may_need_care(last, before) { check_slowly(raw) } else { Ok(Form::Plain) }
}

/// Decodes a raw path: returns the length of its text in `into`. An escaped slash becomes a zero byte.
///
/// # Errors
/// See [`PathError`]. What is in `into` is then of no use.
pub fn decode(raw: &[u8], into: &mut [u8]) -> Result<usize, PathError> {
    let mut rest = raw;
    let mut len = 0;
    let mut segment_start = 0;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk().ok_or(PathError::BadEscape)?;
                rest = after;
                match digit(high)? << 4 | digit(low)? {
                    0 => return Err(PathError::Nul),
                    b'/' => ESCAPED_SLASH,
                    byte => byte,
                }
            }
            0 => return Err(PathError::Nul),
            byte => byte,
        };
        if byte == b'/' || byte == ESCAPED_SLASH {
            refuse_dots(into.get(segment_start..len))?;
            segment_start = len + 1;
        }
        *into.get_mut(len).ok_or(PathError::Full)? = byte;
        len += 1;
    }
    refuse_dots(into.get(segment_start..len))?;
    let text = into.get(..len).ok_or(PathError::Full)?;
    core::str::from_utf8(text).map_err(|_| PathError::NotUtf8)?;
    Ok(len)
}

/// Turns what stands for escaped slashes into slashes: for the text of a parameter, after the search.
pub fn restore_slashes(text: &mut [u8]) {
    for byte in text {
        if *byte == ESCAPED_SLASH {
            *byte = b'/';
        }
    }
}

/// Whether eight bytes of a path may hold what a plain path does not: an escape, zero, a byte above 0x7f, or a dot
/// after a slash. Says yes too often, never too rarely. `before` is the byte before them.
#[inline(always)]
fn may_need_care(word: u64, before: u64) -> bool {
    // Everything of interest is below the slash or above 0x7f, and most words have nothing there.
    if (word.wrapping_sub(spread(b'/')) | word) & HIGH_BITS == 0 {
        return false;
    }
    let after_slash = marks(word << 8 | before, b'/');
    (word | marks(word, b'%') | marks(word, 0) | (marks(word, b'.') & after_slash)) & HIGH_BITS != 0
}

/// The same as [`check`], exactly, for paths that need a closer look.
#[cold]
fn check_slowly(raw: &[u8]) -> Result<Form, PathError> {
    if raw.contains(&b'%') {
        return Ok(Form::Escaped);
    }
    if raw.contains(&0) {
        return Err(PathError::Nul);
    }
    for segment in raw.split(|&byte| byte == b'/') {
        refuse_dots(Some(segment))?;
    }
    core::str::from_utf8(raw).map_err(|_| PathError::NotUtf8)?;
    Ok(Form::Plain)
}

fn refuse_dots(segment: Option<&[u8]>) -> Result<(), PathError> {
    match segment {
        Some(b"." | b"..") => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

fn digit(byte: u8) -> Result<u8, PathError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(PathError::BadEscape),
    }
}

/// What an escaped slash is in decoded text. It cannot be confused with data, because zero is refused.
const ESCAPED_SLASH: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// As a server does it: decodes if there is something to decode.
    fn text(raw: &[u8]) -> Result<Vec<u8>, PathError> {
        match check(raw)? {
            Form::Plain => Ok(raw.to_vec()),
            Form::Escaped => {
                let mut into = std::vec![0; raw.len()];
                let len = decode(raw, &mut into)?;
                into.truncate(len);
                Ok(into)
            }
        }
    }

    #[test]
    fn paths_without_escapes_are_plain() {
        for raw in
            ["", "/", "/a", "/users/42/orders", "/a.b/c..d/.well-known/...", "/a-b_c~d!$&'()*+,;=:@", "/a//b"]
        {
            assert_eq!(check(raw.as_bytes()), Ok(Form::Plain), "{raw}");
        }
        assert_eq!(check("/café/naïve-path".as_bytes()), Ok(Form::Plain));
    }

    #[test]
    fn each_segment_is_decoded_once() {
        for (raw, decoded) in [
            ("/a%20b", "/a b"),
            ("/%41%62", "/Ab"),
            ("/%2541", "/%41"),
            ("/caf%C3%A9", "/café"),
            ("/caf%c3%a9/x", "/café/x"),
            ("/a+b%2B", "/a+b+"),
            ("/%3F%23", "/?#"),
            ("/%2e%2e%2e", "/..."),
            ("/a%2e", "/a."),
        ] {
            assert_eq!(text(raw.as_bytes()), Ok(decoded.as_bytes().to_vec()), "{raw}");
        }
    }

    #[test]
    fn an_escaped_slash_makes_no_segment() {
        let mut decoded = text(b"/a%2Fb/%2f").unwrap();
        assert_eq!(decoded, b"/a\0b/\0");
        restore_slashes(&mut decoded);
        assert_eq!(decoded, b"/a/b//");
    }

    #[test]
    fn dot_segments_are_refused_however_they_are_written() {
        for raw in [
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/0123456/../x",
            "/01234567/./",
            ".",
            "..",
            "../x",
            "/%2e",
            "/%2E.",
            "/.%2e/x",
            "/a/%2e%2E",
            "/a/..%2fb",
            "/a%2f..",
            "/a%2f..%2fb",
            "/%2f.",
        ] {
            assert_eq!(text(raw.as_bytes()), Err(PathError::DotSegment), "{raw}");
        }
    }

    #[test]
    fn zero_bytes_are_refused_raw_and_escaped() {
        for raw in [&b"/\0"[..], b"\0", b"/01234567\0", b"/%00", b"/a%00b", b"/%20\0"] {
            assert_eq!(text(raw), Err(PathError::Nul), "{raw:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_refused_raw_and_escaped() {
        for raw in [
            &b"/\xff"[..],
            b"/0123456\x80",
            b"/%ff",
            b"/%C3",
            b"/%C3/%A9",
            b"/\xc3%41",
            b"/%C0%AF",
            b"/%ED%A0%80",
        ] {
            assert_eq!(text(raw), Err(PathError::NotUtf8), "{raw:?}");
        }
    }

    #[test]
    fn escapes_need_two_hexadecimal_digits() {
        for raw in [&b"/%"[..], b"/%4", b"/%4g", b"/%g4", b"/%%41", b"/% 41", b"/%+4", b"/%u0041"] {
            assert_eq!(text(raw), Err(PathError::BadEscape), "{raw:?}");
        }
    }

    #[test]
    fn a_buffer_that_is_too_short_is_said_to_be_full() {
        let raw = b"/a%20b/c";
        for len in 0..6 {
            assert_eq!(decode(raw, &mut std::vec![0; len]), Err(PathError::Full), "{len}");
        }
        assert_eq!(decode(raw, &mut [0; 6]), Ok(6));
    }

    /// The rules, written down slowly.
    fn text_slowly(raw: &[u8]) -> Result<Vec<u8>, ()> {
        let mut text = Vec::new();
        for (index, segment) in raw.split(|&byte| byte == b'/').enumerate() {
            if index > 0 {
                text.push(b'/');
            }
            let mut decoded = Vec::new();
            let mut bytes = segment.iter();
            while let Some(&byte) = bytes.next() {
                decoded.push(if byte == b'%' {
                    let digits = [*bytes.next().ok_or(())?, *bytes.next().ok_or(())?];
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(());
                    }
                    u8::from_str_radix(core::str::from_utf8(&digits).map_err(drop)?, 16).map_err(drop)?
                } else {
                    byte
                });
            }
            if decoded.split(|&byte| byte == b'/').any(|part| part == b"." || part == b"..")
                || decoded.contains(&0)
            {
                return Err(());
            }
            text.extend(decoded.iter().map(|&byte| if byte == b'/' { 0 } else { byte }));
        }
        core::str::from_utf8(&text).map_err(drop)?;
        Ok(text)
    }

    proptest! {
        #[test]
        fn the_fast_way_and_the_slow_way_agree(
            raw in prop::collection::vec(
                prop::sample::select(&b"//////aaaaabcz--...%%%022ef5FCA9\0\xc3\xa9\xff+~"[..]), 0..40,
            ),
        ) {
            prop_assert_eq!(text(&raw).map_err(drop), text_slowly(&raw));
        }

        #[test]
        fn any_byte_in_any_place_is_judged_as_the_slow_way_does(
            raw in "[/a-z.-]{0,30}", place in 0usize..30, byte in 0u8..,
        ) {
            let mut raw = raw.into_bytes();
            if let Some(at) = raw.get_mut(place) {
                *at = byte;
            }
            prop_assert_eq!(text(&raw).map_err(drop), text_slowly(&raw));
        }
    }
}
