//! Field names, field values and comma lists (RFC 9110, section 5).
//!
//! Names and values are checked where they are made, once: a [`HeaderName`] or [`HeaderValue`] in a constant costs
//! nothing when it is written. What a check keeps out is the line break that would let a value end its own
//! field and begin another one (response splitting).

use crate::word::spread;

/// A field name: a token (RFC 9110, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderName<'a>(&'a [u8]);

impl<'a> HeaderName<'a> {
    /// The field name with these characters, or `None` if they are no token.
    ///
    /// ```
    /// use pivot_core::http::HeaderName;
    /// const TRACE: HeaderName<'static> = HeaderName::new("x-trace-id").unwrap();
    /// assert_eq!(TRACE.as_bytes(), b"x-trace-id");
    /// assert!(HeaderName::new("x trace").is_none());
    /// ```
    pub const fn new(name: &'a str) -> Option<Self> {
        if is_token(name.as_bytes()) { Some(Self(name.as_bytes())) } else { None }
    }

    /// The name as it goes over the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A field value: visible characters, spaces, tabs and bytes above 127 (RFC 9110, section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderValue<'a>(&'a [u8]);

impl<'a> HeaderValue<'a> {
    /// The field value with these bytes, or `None` if one of them is a control character other than a tab.
    ///
    /// ```
    /// use pivot_core::http::HeaderValue;
    /// assert!(HeaderValue::new(b"max-age=60").is_some());
    /// assert!(HeaderValue::new(b"a\r\nset-cookie: b").is_none());
    /// ```
    pub const fn new(value: &'a [u8]) -> Option<Self> {
        if is_field_value(value) { Some(Self(value)) } else { None }
    }

    /// The value as it goes over the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// Whether `bytes` are a token: at least one byte, and each one a token byte.
pub const fn is_token(bytes: &[u8]) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        if !is_token_byte(bytes[index]) {
            return false;
        }
        index += 1;
    }
    index > 0
}

/// Whether `byte` may stand in a field value.
pub const fn is_field_value_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// Whether `bytes` may be sent as a field value: no CR, LF, NUL or other control character but the tab.
pub const fn is_field_value(bytes: &[u8]) -> bool {
    // Without a way out in the middle, so that the compiler can look at sixteen bytes at a time.
    let mut is_good = true;
    let mut index = 0;
    while index < bytes.len() {
        is_good &= is_field_value_byte(bytes[index]);
        index += 1;
    }
    is_good
}

/// Whether `bytes` equal `lower` when upper-case letters count as lower-case ones. `lower` is in lower case.
///
/// `bytes` come from a checked field, and `lower` consists of letters, digits and hyphens. Therefore one `|` a byte
/// folds exactly: the only other byte that folds to a hyphen is CR, which no checked field contains.
#[inline]
pub(super) fn is_folded<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Some((bytes, [])) = bytes.split_first_chunk::<N>() else { return false };
    // By words that overlap, because the compiler would compare byte by byte.
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
    if let (Some(last), Some(lower_last)) = (bytes.last_chunk(), lower.last_chunk()) {
        let mut difference = (word(last) | spread(b' ')) ^ word(lower_last);
        for (bytes, lower) in bytes.as_chunks().0.iter().zip(lower.as_chunks().0) {
            difference |= (word(bytes) | spread(b' ')) ^ word(lower);
        }
        return difference == 0;
    }
    if let (Some(first), Some(lower_first), Some(last), Some(lower_last)) =
        (bytes.first_chunk(), lower.first_chunk(), bytes.last_chunk(), lower.last_chunk())
    {
        let spaces = spread(b' ') as u32;
        return ((half(first) | spaces) ^ half(lower_first)) | ((half(last) | spaces) ^ half(lower_last))
            == 0;
    }
    bytes.iter().zip(lower).all(|(byte, lower)| byte | b' ' == *lower)
}

/// `bytes` without the spaces and tabs around them (`OWS`).
pub const fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma list of tokens, without the white space around them and without empty members.
///
/// RFC 9110, section 5.6.1.2, asks recipients to ignore empty members. Quoted strings are not looked into:
/// the lists that frame a message (Connection, Transfer-Encoding, Expect) have no use for them.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
            | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn tokens_are_the_77_characters_of_the_grammar() {
        let count = (0..=255).filter(|&byte| is_token_byte(byte)).count();
        assert_eq!(count, 26 + 26 + 10 + 15);
        assert!(is_token(b"x-Trace_id"));
        for bad in [&b""[..], b"a b", b"a:", b"a\r", b"\xc3\xa4", b"a\0"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn values_hold_everything_but_control_characters() {
        for byte in 0..=255 {
            let allowed = byte == b'\t' || (0x20..0x7f).contains(&byte) || byte >= 0x80;
            assert_eq!(is_field_value(&[b'a', byte, b'b']), allowed, "{byte}");
        }
        assert!(is_field_value(b""));
        assert!(!is_field_value(b"a value of more than sixteen bytes with its line break last\n"));
    }

    #[test]
    fn folding_ignores_case_and_nothing_else() {
        assert!(is_folded(b"Content-LENGTH", b"content-length"));
        assert!(!is_folded(b"Content-Lengt", b"content-length"));
        assert!(!is_folded(b"Content-Lengths", b"content-length"));
        assert!(!is_folded(b"Content_Length", b"content-length"));
        for byte in (0..=255).filter(|&byte| is_field_value_byte(byte)) {
            assert_eq!(is_folded(&[byte], b"h"), byte.eq_ignore_ascii_case(&b'h'));
            assert_eq!(is_folded(&[byte], b"-"), byte == b'-');
            assert_eq!(is_folded(&[byte], b"1"), byte == b'1');
        }
    }

    #[test]
    fn a_list_skips_empty_members_and_trims_tabs() {
        let members = |value| list(value).collect::<Vec<_>>();
        assert_eq!(members(b" close ,\tkeep-alive\t,, x"), [&b"close"[..], b"keep-alive", b"x"]);
        assert!(members(b"").is_empty() && members(b" ,\t, ").is_empty());
    }
}
