//! The grammar of `Host` and of a target's authority (RFC 3986, section 3.2).
//!
//! A host that two programs read differently is a way around the first one's rules, so what is not in the
//! grammar is refused: user information (RFC 9110, section 4.2.4), zone identifiers, and everything a name
//! cannot hold.

use core::net::Ipv6Addr;
use core::str;

/// Whether `bytes` are `uri-host [ ":" port ]`. The host may be empty, and so may the port.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    split(bytes).is_some()
}

/// Whether `bytes` are an authority whose host is not empty, as http and https ask for (RFC 9110, section 4.2.1).
pub(super) fn is_authority_with_host(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(host_len, _)| host_len > 0)
}

/// Whether `bytes` are a host and a port, neither of them empty: what CONNECT asks for (RFC 9112, section 3.2.3).
pub(super) fn is_host_and_port(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(host_len, port_len)| host_len > 0 && port_len > 0)
}

/// The lengths of host and port, or `None` for what is no authority. Looks at each byte at most twice.
#[inline]
fn split(bytes: &[u8]) -> Option<(usize, usize)> {
    let name_len = name_len(bytes);
    match bytes.get(name_len..)? {
        [] => Some((name_len, 0)),
        [b':', port @ ..] => port_len(port).map(|len| (name_len, len)),
        _ => split_rare(bytes),
    }
}

/// As [`split`], of addresses in brackets and names with escapes.
#[cold]
fn split_rare(bytes: &[u8]) -> Option<(usize, usize)> {
    let host_len = match bytes {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&byte| byte == b']')?;
            let literal = rest.get(..end)?;
            if !is_ip_future(literal) && str::from_utf8(literal).ok()?.parse::<Ipv6Addr>().is_err() {
                return None;
            }
            end + 2
        }
        _ => escaped_name_len(bytes)?,
    };
    match bytes.get(host_len..)? {
        [] => Some((host_len, 0)),
        [b':', port @ ..] => port_len(port).map(|len| (host_len, len)),
        _ => None,
    }
}

/// The length of the name (or IPv4 address) at the start of `bytes`, up to an escape.
#[inline]
fn name_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| is_name_byte(byte)).count()
}

/// The length of the name at the start of `bytes`; `None` if a `%` is not followed by two digits.
fn escaped_name_len(bytes: &[u8]) -> Option<usize> {
    let mut index = 0;
    loop {
        index += name_len(bytes.get(index..)?);
        match bytes.get(index..)? {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => index += 3,
            [b'%', ..] => return None,
            _ => return Some(index),
        }
    }
}

/// The length of a port, if `bytes` are one.
fn port_len(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= PORT_LEN_MAX && bytes.iter().all(u8::is_ascii_digit)).then_some(bytes.len())
}

/// `IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`
fn is_ip_future(literal: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = literal else { return false };
    let version_len = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match rest.split_at_checked(version_len) {
        Some((_, [b'.', address @ ..])) if version_len > 0 => {
            !address.is_empty() && address.iter().all(|&byte| is_name_byte(byte) || byte == b':')
        }
        _ => false,
    }
}

/// `unreserved / sub-delims`
const fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[byte as usize]
}

const PORT_LEN_MAX: usize = 5;

const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_authorities() {
        for good in [
            "",
            ":",
            ":80",
            "a",
            "a:",
            "a:80",
            "example.com:65535",
            "192.0.2.1:8080",
            "[::1]",
            "[::1]:443",
            "[2001:db8::192.0.2.1]",
            "[v1.a:b]",
            "a%20b",
            "under_score",
            "a!$&'()*+,;=~",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for bad in [
            "a b",
            "user@a",
            "a:b",
            "a:80:90",
            "a:+80",
            "a:123456",
            "a/b",
            "a?b",
            "a#b",
            "[::1",
            "::1",
            "[]",
            "[1.2.3.4]",
            "[::1]a",
            "[fe80::1%25eth0]",
            "[v.a]",
            "[v1.]",
            "[vg.a]",
            "a%2",
            "a%zz",
            "%",
            "a\\b",
            "ä",
            "a\t",
            "http://a",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_tunnel_needs_host_and_port() {
        assert!(is_host_and_port(b"a:443") && is_host_and_port(b"[::1]:1"));
        assert!(!is_host_and_port(b"a") && !is_host_and_port(b"a:") && !is_host_and_port(b":443"));
        assert!(is_authority_with_host(b"a") && !is_authority_with_host(b":80"));
    }
}
