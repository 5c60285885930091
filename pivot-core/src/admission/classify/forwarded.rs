//! `Forwarded` (RFC 7239), read from its right end.
//!
//! A comma inside of a quoted string ends no member, and whether a comma is inside depends on the quotes around it. To
//! count them from the left would let a client open a string that swallows what our proxies append. From the right, the
//! quotes of the members that our proxies wrote pair up among themselves, whatever stands before them.

use core::net::IpAddr;

use super::client::parse_node;
use crate::http::{is_token, is_token_byte, trim};

/// Takes the last member off the list: the rest, if there is more, and the member. `None` if a string is not opened.
pub(super) fn split_last(list: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut is_quoted = false;
    let mut at = list.len();
    while at > 0 {
        at -= 1;
        match list[at] {
            b'"' if !is_escaped(&list[..at]) => is_quoted = !is_quoted,
            b',' if !is_quoted => return Some((Some(&list[..at]), &list[at + 1..])),
            _ => {}
        }
    }
    if is_quoted { None } else { Some((None, list)) }
}

/// Whether the byte behind `before` is part of a quoted pair: behind an odd number of backslashes.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The address of a member's `for` parameter. `None` if it has none, or more than one, or a parameter is malformed.
///
/// An address that is written with quoted pairs is not understood: nobody has a reason to write one so.
pub(super) fn client(member: &[u8]) -> Option<IpAddr> {
    let mut node = None;
    let mut rest = member;
    loop {
        rest = trim(rest);
        match rest {
            [] => return parse_node(node?),
            // Between two semicolons there may be nothing.
            [b';', behind @ ..] => rest = behind,
            _ => {
                let (name, value, behind) = split_parameter(rest)?;
                if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
                    return None;
                }
                rest = match trim(behind) {
                    [] => &[],
                    [b';', behind @ ..] => behind,
                    _ => return None,
                };
            }
        }
    }
}

/// Name, value without its quotes, and what follows.
fn split_parameter(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, after) = text.split_at(text.iter().position(|&byte| byte == b'=')?);
    let (value, behind) = match &after[1..] {
        [b'"', quoted @ ..] => {
            let len = string_len(quoted)?;
            (&quoted[..len], &quoted[len + 1..])
        }
        after => {
            let len = after.iter().take_while(|&&byte| is_token_byte(byte)).count();
            (len > 0).then(|| after.split_at(len))?
        }
    };
    is_token(name).then_some((name, value, behind))
}

/// Where the quoted string ends whose opening quote stands before `text`.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn members_follow_the_grammar_of_rfc_7239() {
        for (member, address) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            ("for=192.0.2.43", Some("192.0.2.43")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("FOR=\"[2001:db8::1]\"", Some("2001:db8::1")),
            ("by=_a; for=\"192.0.2.1:47011\" ;host=x", Some("192.0.2.1")),
            ("for=\"192.0.2.1:_gazonk\"", Some("192.0.2.1")),
            (";;for=192.0.2.1;", Some("192.0.2.1")),
            ("host=\"a;for=6.6.6.6\";for=192.0.2.1", Some("192.0.2.1")),
            ("host=\"a\\\";for=6.6.6.6\";for=192.0.2.1", Some("192.0.2.1")),
            ("", None),
            ("proto=http", None),
            ("for=unknown", None),
            ("for=\"_gazonk\"", None),
            ("for=\"_SEVKISEK:80\"", None),
            ("for=", None),
            ("for=\"\"", None),
            ("for", None),
            ("=192.0.2.1", None),
            ("for =192.0.2.1", None),
            ("for= 192.0.2.1", None),
            ("for=192.0.2.1:80", None),
            ("for=2001:db8::1", None),
            ("for=\"2001:db8::1\"", None),
            ("for=[2001:db8::1]", None),
            ("for=\"192.0.2.1", None),
            ("for=\"192.0.2.1\"x", None),
            ("for=\"192.0.2.\\1\"", None),
            ("for=192.0.2.1;for=192.0.2.2", None),
            ("for=192.0.2.1 for=192.0.2.2", None),
            ("for=192.0.2.1;a b=c", None),
            ("for=\"192.0.2.1:_\"", None),
            ("for=\"192.0.2.1:_a b\"", None),
        ] {
            assert_eq!(client(member.as_bytes()), address.map(|text| text.parse().unwrap()), "{member}");
        }
    }

    fn members(mut list: &str) -> Option<Vec<&str>> {
        let mut members = Vec::new();
        loop {
            let (rest, member) = split_last(list.as_bytes())?;
            members.push(core::str::from_utf8(member).unwrap());
            match rest {
                Some(rest) => list = core::str::from_utf8(rest).unwrap(),
                None => return Some(members),
            }
        }
    }

    #[test]
    fn commas_inside_of_strings_end_no_member() {
        for (list, expected) in [
            ("", Some(&[""][..])),
            ("for=a,for=b", Some(&["for=b", "for=a"])),
            ("for=a,", Some(&["", "for=a"])),
            ("by=\"x, y\",for=b", Some(&["for=b", "by=\"x, y\""])),
            ("by=\"x\\\", y\",for=b", Some(&["for=b", "by=\"x\\\", y\""])),
            ("by=\"x\\\\\",for=b", Some(&["for=b", "by=\"x\\\\\""])),
            ("for=a\"", None),
            ("for=\"a,for=b", None),
        ] {
            assert_eq!(members(list).as_deref(), expected, "{list}");
        }
    }

    #[test]
    fn a_string_that_a_client_leaves_open_swallows_nothing_of_ours() {
        let (rest, member) = split_last(b"for=\"6.6.6.6, for=192.0.2.1").unwrap();
        assert_eq!(client(trim(member)), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(rest, Some(&b"for=\"6.6.6.6"[..]));
    }
}
