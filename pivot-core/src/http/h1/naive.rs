//! What [`decode_head`](super::decode::decode_head) is tested against: a decoder of the obvious kind, around `httparse`.
//!
//! It takes a head as a whole or not at all, so it says nothing about which of several mistakes comes first. [`compare`]
//! is the driver that the tests and the fuzz target share.

use super::decode::{EMPTY_LINES_MAX, Head, HeadError, HeadLimits, HeaderSpan, Span, Version, decode_head};
use super::fields::Fields;
use super::target::read_target;
use crate::http::Method;

/// Most fields that are compared.
pub const FIELDS_MAX: usize = 64;

/// Decodes a head that is there as a whole, of HTTP/1.1 or 1.0; `None` if there is anything wrong with it.
pub fn decode(bytes: &[u8], limits: &HeadLimits, headers: &mut [HeaderSpan]) -> Option<Head> {
    let window = &bytes[..bytes.len().min(usize::from(limits.head_size_max))];
    let mut start = 0;
    while start < EMPTY_LINES_MAX * 2 && window[start..].starts_with(b"\r\n") {
        start += 2;
    }
    if window[start..].starts_with(b"\r") || window[start..].starts_with(b"\n") {
        return None;
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let count_max = usize::from(limits.headers_max).min(headers.len()).min(FIELDS_MAX);
    let mut request = httparse::Request::new(&mut fields[..count_max]);
    let Ok(httparse::Status::Complete(len)) = request.parse(&window[start..]) else { return None };
    // `httparse` also takes a lone LF as the end of a line.
    let head = &window[start..start + len];
    if (0..len).any(|at| head[at] == b'\n' && (at == 0 || head[at - 1] != b'\r')) {
        return None;
    }

    let span = |part: &[u8]| Span {
        start: (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize) as u16,
        len: part.len() as u16,
    };
    let method = Method::from_token(request.method?.as_bytes())?;
    let target = request.path?.as_bytes();
    if target.len() > usize::from(limits.target_size_max) {
        return None;
    }
    let parts = read_target(method, target)?;
    let version = if request.version? == 0 { Version::Http10 } else { Version::Http11 };
    let mut read = Fields::default();
    for (field, slot) in request.headers.iter().zip(headers) {
        *slot = HeaderSpan { name: span(field.name.as_bytes()), value: span(field.value) };
        read.read(window, slot.name, slot.value).ok()?;
    }
    let framing = read.finish(version).ok()?;
    Some(Head {
        method,
        version,
        len: (start + len) as u16,
        header_count: request.headers.len() as u16,
        target: span(target),
        path: span(parts.path),
        query: parts.query.map(span),
        host: parts.authority.map_or(framing.host, span),
        time_left: framing.time_left,
        body: framing.body,
        keep_alive: framing.keep_alive,
        expect_continue: framing.expect_continue,
    })
}

/// Decodes `bytes` by both, and every prefix of them: what one takes, the other takes in the same way, and a verdict
/// stays the same whatever comes behind it.
///
/// # Errors
/// What [`decode_head`] says.
///
/// # Panics
/// If the two do not agree, or a verdict does not stay.
pub fn compare(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Head>, HeadError> {
    let mut tables = [[HeaderSpan::default(); FIELDS_MAX]; 2];
    let [table, expected_table] = &mut tables;
    let whole = decode_head(bytes, limits, table);
    let expected = decode(bytes, limits, expected_table);
    match (&whole, &expected) {
        (Ok(Some(head)), Some(expected)) => {
            let text = |span: Span| (span.of(bytes), if span.len > 0 { span.start } else { 0 });
            let spans = |head: &Head| [head.target, head.path, head.host].map(text);
            assert_eq!(spans(head), spans(expected));
            assert_eq!(head.query.map(text), expected.query.map(text));
            let rest = |head: &Head| Head {
                target: Span::default(),
                path: Span::default(),
                host: Span::default(),
                query: None,
                ..*head
            };
            assert_eq!(rest(head), rest(expected));
            let count = usize::from(head.header_count);
            for (field, expected) in table[..count].iter().zip(&expected_table[..count]) {
                assert_eq!(text(field.name), text(expected.name));
                assert_eq!(text(field.value), text(expected.value));
            }
        }
        // `httparse` does not take a minor version above 1.
        (Ok(Some(head)), None) => assert!(head.version == Version::Http11 && !is_http_11(bytes, head)),
        (_, Some(expected)) => panic!("{whole:?} in place of {expected:?}"),
        (_, None) => {}
    }

    let mut verdict = None;
    for len in 0..=bytes.len().min(usize::from(limits.head_size_max) + 8) {
        let now = match decode_head(&bytes[..len], limits, table) {
            Ok(None) => None,
            Ok(Some(head)) => Some(Ok(head)),
            Err(error) => Some(Err(error)),
        };
        assert!(verdict.is_none() || verdict == now, "{verdict:?}, then {now:?} at {len}");
        verdict = now;
    }
    whole
}

/// Whether the request line ends with `HTTP/1.1`.
fn is_http_11(bytes: &[u8], head: &Head) -> bool {
    let end = usize::from(head.target.start) + usize::from(head.target.len);
    bytes[end..].starts_with(b" HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    const LIMITS: HeadLimits = HeadLimits { head_size_max: 600, target_size_max: 60, headers_max: 8 };

    /// One line of a head, ordinary or not.
    fn line() -> impl Strategy<Value = String> {
        let known = prop::sample::select(
            &[
                "Host: a",
                "host:b.example:80",
                "HOST: [::1]",
                "Host:",
                "Hosts: a",
                "Host : a",
                "Host: a b",
                "Host: \t a\t ",
                "Connection: keep-alive",
                "connection: close, x",
                "Content-Length: 5",
                "content-length: 0",
                "Content-Length: 99999999999999999999",
                "Transfer-Encoding: chunked",
                "Transfer-Encoding: gzip, chunked",
                "Expect: 100-continue",
                "Expect: tea",
                "Accept: */*",
                "X_y.z~1: 2",
                ": a",
                "a",
                "a: \u{7f}",
                "a:\tb\tc",
                " folded",
                "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            ][..],
        );
        prop_oneof![
            8 => known.prop_map(String::from),
            3 => "[A-Za-z-]{1,20}: ?[ -~]{0,40}",
            1 => "[!-~]{0,12}:[ \t]{0,3}[ -~é\t]{0,20}[ \t]{0,3}",
        ]
    }

    fn head() -> impl Strategy<Value = String> {
        let method = prop_oneof![6 => Just("GET"), 2 => prop::sample::select(
            &["POST", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "get", "BREW", "G T", ""][..],
        )];
        let target = prop_oneof![
            6 => "/[a-z/._!\"-]{0,30}(\\?[a-z=&?!%]{0,20})?",
            2 => prop::sample::select(
                &["/", "*", "a:80", "http://a/b?c", "http://a", "/#", "/é", "", "/a b", "//", "/?", "/\u{7f}"][..],
            ).prop_map(String::from),
        ];
        let version = prop_oneof![
            8 => Just("HTTP/1.1"),
            1 => Just("HTTP/1.0"),
            1 => prop::sample::select(&["HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/1.1 ", ""][..]),
        ];
        let empty = prop_oneof![8 => Just(""), 1 => Just("\r\n"), 1 => Just("\r\n\r\n\r\n")];
        (empty, method, target, version, prop::collection::vec(line(), 0..10)).prop_map(
            |(empty, method, target, version, lines)| {
                let mut head = std::format!("{empty}{method} {target} {version}\r\nHost: a\r\n");
                if lines.len() % 2 == 1 {
                    head.truncate(head.len() - "Host: a\r\n".len());
                }
                lines.iter().for_each(|line| head.extend([line, "\r\n"]));
                head + "\r\nGET"
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn both_take_the_same_heads_in_the_same_way(head in head()) {
            let _ = compare(head.as_bytes(), &LIMITS);
        }

        #[test]
        fn both_take_the_same_heads_when_bytes_are_changed(
            head in head(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
        ) {
            let mut bytes: Vec<u8> = head.into_bytes();
            for (place, byte, kind) in changes {
                let at = place.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            let _ = compare(&bytes, &LIMITS);
        }
    }

    #[test]
    fn every_byte_in_every_place_is_judged_alike() {
        let head = b"GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nx-y:\tz \r\nConnection: close\r\n\r\n";
        for at in 0..head.len() {
            for byte in 0..=255 {
                let mut bytes = head.to_vec();
                bytes[at] = byte;
                let _ = compare(&bytes, &LIMITS);
            }
        }
    }
}
