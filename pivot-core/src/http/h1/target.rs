//! The four forms of a request target (RFC 9112, section 3.2).

use super::super::Method;
use super::super::authority::{is_authority_with_host, is_host_and_port};

/// A target in its parts, each of them a part of the target's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Empty for `*`, for the authority form, and for OPTIONS of an absolute form without a path.
    pub(super) path: &'a [u8],
    /// What follows the first `?`.
    pub(super) query: Option<&'a [u8]>,
    /// The authority of an absolute form or of CONNECT: it takes the place of Host.
    pub(super) authority: Option<&'a [u8]>,
}

/// Whether `byte` may stand in a target: visible ASCII, and no `#`, since fragments are not sent.
///
/// What RFC 3986 leaves out beyond that (`"<>\^`{|}`) is let through as it is: browsers send some of it
/// unescaped in queries, and none of it can be mistaken for the end of the target.
pub(super) const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b'#'
}

/// Splits a target; `None` if `method` does not allow its form or a byte is none of a target's.
pub(super) fn read_target(method: Method, target: &[u8]) -> Option<Target<'_>> {
    if !target.iter().all(|&byte| is_target_byte(byte)) {
        return None;
    }
    let query_start = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    match target {
        [b'/', ..] if method != Method::Connect => {
            let (path, query) = target.split_at_checked(query_start)?;
            Some(Target { path, query: query.get(1..), authority: None })
        }
        [b'*'] if method == Method::Options => Some(Target { path: &[], query: None, authority: None }),
        _ if method == Method::Connect => {
            is_host_and_port(target).then_some(Target { path: &[], query: None, authority: Some(target) })
        }
        _ => read_absolute(method, target, query_start),
    }
}

/// The absolute form of http and https: what clients send to a proxy, and what a server has to accept.
fn read_absolute(method: Method, target: &[u8], query_start: usize) -> Option<Target<'_>> {
    let authority_start = if starts_with_folded(target, b"http://") {
        7
    } else if starts_with_folded(target, b"https://") {
        8
    } else {
        return None;
    };
    let before_query = target.get(authority_start..query_start)?;
    let authority_len = before_query.iter().take_while(|&&byte| byte != b'/').count();
    let (authority, path) = before_query.split_at_checked(authority_len)?;
    if !is_authority_with_host(authority) {
        return None;
    }
    let query = target.get(query_start + 1..);
    let path = match path {
        // RFC 9112, section 3.2.4: OPTIONS of an absolute form without path and query asks the server as `*` does.
        [] if method == Method::Options && query.is_none() => path,
        // An empty path is `/`, and the slash before the authority is one that can be pointed at.
        [] => target.get(authority_start - 1..authority_start)?,
        _ => path,
    };
    Some(Target { path, query, authority: Some(authority) })
}

fn starts_with_folded(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: Method, target: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
        let text = |bytes| core::str::from_utf8(bytes).unwrap();
        read_target(method, target.as_bytes())
            .map(|parts| (text(parts.path), parts.query.map(text), parts.authority.map(text)))
    }

    #[test]
    fn the_first_question_mark_starts_the_query_wherever_it_lies() {
        for path_len in 1..40 {
            for query_len in 0..20 {
                let target = ["/", &"p".repeat(path_len - 1), "?", &"q?".repeat(query_len)].concat();
                let expected = Some((&target[..path_len], Some(&target[path_len + 1..]), None));
                assert_eq!(parts(Method::Get, &target), expected);
            }
        }
        assert_eq!(parts(Method::Get, "/a/b"), Some(("/a/b", None, None)));
    }

    #[test]
    fn a_fragment_or_a_byte_above_127_is_found_wherever_it_lies() {
        for len in 1..40 {
            for at in 1..=len {
                for bad in [b'#', 0x80, 0xff] {
                    let mut target = std::vec![b'/'; len];
                    target.insert(at, bad);
                    assert_eq!(read_target(Method::Get, &target), None, "{target:?}");
                    target.insert(1, b'?');
                    assert_eq!(read_target(Method::Get, &target), None, "{target:?}");
                }
            }
        }
    }

    #[test]
    fn an_absolute_form_gives_authority_path_and_query() {
        let get = |target| parts(Method::Get, target);
        assert_eq!(get("http://a:80/b?c"), Some(("/b", Some("c"), Some("a:80"))));
        assert_eq!(get("HtTpS://a/"), Some(("/", None, Some("a"))));
        assert_eq!(get("http://a"), Some(("/", None, Some("a"))));
        assert_eq!(get("http://a?b/c"), Some(("/", Some("b/c"), Some("a"))));
        assert_eq!(parts(Method::Options, "http://a"), Some(("", None, Some("a"))));
        assert_eq!(parts(Method::Options, "http://a?"), Some(("/", Some(""), Some("a"))));
        for bad in [
            "http://",
            "http:///a",
            "http://:80/",
            "http://u@a/",
            "ftp://a/",
            "http:/a",
            "http:a",
            "httpx://a",
            "a/b",
        ] {
            assert_eq!(get(bad), None, "{bad}");
        }
    }

    #[test]
    fn star_is_for_options_and_an_authority_for_connect() {
        for method in Method::ALL {
            assert_eq!(parts(method, "*").is_some(), method == Method::Options, "{method}");
            assert_eq!(parts(method, "a:443").is_some(), method == Method::Connect, "{method}");
            assert_eq!(parts(method, "/").is_some(), method != Method::Connect, "{method}");
            assert_eq!(parts(method, "http://a/").is_some(), method != Method::Connect, "{method}");
            assert_eq!(parts(method, "**"), None);
            assert_eq!(parts(method, "?"), None);
        }
    }
}
