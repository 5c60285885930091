//! Refusals: rendered at compile time but for the date and the moment to come back.

use crate::admission::{Refusal, Verdict};
use crate::app::Clockface;
use crate::app::buffer::Buffer;
use crate::http::{Digits, Status};
use crate::time::Instant;

/// The status that answers a refusal.
pub const fn status_of(refusal: Refusal) -> Status {
    match refusal {
        Refusal::RateLimited { .. } => Status::TOO_MANY_REQUESTS,
        Refusal::Denied => Status::FORBIDDEN,
        Refusal::Shed
        | Refusal::Doomed
        | Refusal::BreakerOpen { .. }
        | Refusal::QueueFull
        | Refusal::QueueExpired
        | Refusal::PoolExhausted => Status::SERVICE_UNAVAILABLE,
    }
}

/// When a refused client should come back, in seconds; spread by `dice`, so that all of them do not come at once. `None`: never.
pub fn retry_after_s(refusal: Refusal, now: Instant, dice: u32) -> Option<u64> {
    let (Refusal::RateLimited { retry_at } | Refusal::BreakerOpen { retry_at }) = refusal else {
        return (refusal != Refusal::Denied).then_some(1 + u64::from(dice % 3));
    };
    if retry_at == Instant::NEVER {
        return None;
    }
    // Never before the moment: seconds are rounded up.
    let least_s = retry_at.micros_since(now).div_ceil(1_000_000).max(1);
    Some(least_s + u64::from(dice) % (least_s / 4 + 1))
}

/// An answer without a handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short<'v> {
    pub(super) status: Status,
    pub(super) retry_after_s: Option<u64>,
    /// The limits that the client has to keep, and how it stands to them.
    pub(super) verdict: Option<&'v Verdict<'static>>,
    pub(super) is_head_request: bool,
    pub(super) close: bool,
}

impl Short<'_> {
    /// A status, and nothing more to say.
    pub(super) const fn of(status: Status) -> Self {
        Self { status, retry_after_s: None, verdict: None, is_head_request: false, close: false }
    }

    /// A status, and the end of the connection.
    pub(super) const fn closing(status: Status) -> Self {
        Self { close: true, ..Self::of(status) }
    }
}

/// Appends an answer without a handler; says whether there was room for it.
pub(super) fn render(answer: Short<'_>, into: &mut Buffer, clock: &Clockface) -> bool {
    let (head, content) = template(answer.status);
    let len = into.len();
    let fits = into.push(head)
        && clock.date_line().is_none_or(|date| into.push(&date))
        && answer.retry_after_s.is_none_or(|seconds| {
            into.push(b"retry-after: ")
                && into.push(Digits::decimal(seconds).as_bytes())
                && into.push(b"\r\n")
        })
        && {
            if let Some(verdict) = answer.verdict {
                push_limits(verdict, into, clock.now());
            }
            !answer.close || into.push(b"connection: close\r\n")
        }
        && into.push(b"\r\n")
        && (answer.is_head_request || into.push(content));
    if !fits {
        into.truncate(len);
    }
    fits
}

/// Appends the fields that tell about limits, as far as there is something to tell and room for it.
fn push_limits(verdict: &Verdict<'_>, into: &mut Buffer, now: Instant) {
    push_field(into, b"ratelimit: ", |space| verdict.write_rate_limit(space, now));
    push_field(into, b"ratelimit-policy: ", |space| verdict.write_rate_limit_policy(space));
}

/// Appends a field whose value is written where it is to stand, or nothing.
fn push_field<const N: usize>(
    into: &mut Buffer,
    name: &[u8; N],
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) {
    let Some((place, rest)) = into.space_mut().split_first_chunk_mut() else { return };
    *place = *name;
    let Some(value_len) = write(rest) else { return };
    let Some((end, _)) = rest[value_len..].split_first_chunk_mut() else { return };
    *end = *b"\r\n";
    let len = N + value_len + end.len();
    into.fill(len);
}

macro_rules! templates {
    ($($name:ident $code:literal $reason:literal $len:literal;)*) => {
        fn template(status: Status) -> (&'static [u8], &'static [u8]) {
            match status {
                $(Status::$name => (
                    concat!(
                        "HTTP/1.1 ", $code, " ", $reason,
                        "\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ", $len, "\r\n",
                    ).as_bytes(),
                    concat!($reason, "\n").as_bytes(),
                ),)*
                // Every status that the server answers with by itself is above; a test goes through them.
                _ => (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n", b""),
            }
        }
    };
}

templates! {
    BAD_REQUEST 400 "Bad Request" 12;
    FORBIDDEN 403 "Forbidden" 10;
    REQUEST_TIMEOUT 408 "Request Timeout" 16;
    LENGTH_REQUIRED 411 "Length Required" 16;
    CONTENT_TOO_LARGE 413 "Content Too Large" 18;
    URI_TOO_LONG 414 "URI Too Long" 13;
    EXPECTATION_FAILED 417 "Expectation Failed" 19;
    TOO_MANY_REQUESTS 429 "Too Many Requests" 18;
    HEADER_FIELDS_TOO_LARGE 431 "Request Header Fields Too Large" 32;
    INTERNAL_SERVER_ERROR 500 "Internal Server Error" 22;
    NOT_IMPLEMENTED 501 "Not Implemented" 16;
    SERVICE_UNAVAILABLE 503 "Service Unavailable" 20;
    VERSION_NOT_SUPPORTED 505 "HTTP Version Not Supported" 27;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Object;
    use crate::time::Duration;
    use std::string::String;

    #[test]
    fn every_template_names_its_status_and_its_length() {
        for code in [400, 403, 408, 411, 413, 414, 417, 429, 431, 500, 501, 503, 505] {
            let status = Status::from_code(code).unwrap();
            let (head, content) = template(status);
            let head = core::str::from_utf8(head).unwrap();
            assert!(head.starts_with(&std::format!("HTTP/1.1 {code} {}\r\n", status.reason())), "{head}");
            assert!(head.ends_with(&std::format!("content-length: {}\r\n", content.len())), "{head}");
        }
    }

    #[test]
    fn an_answer_without_room_leaves_nothing_behind() {
        let mut buffer = Buffer::create(std::vec![0; 40].leak());
        let answer = Short::closing(Status::BAD_REQUEST);
        assert!(!render(answer, &mut buffer, &Clockface::new()));
        assert!(buffer.is_empty());
        let mut buffer = Buffer::create(std::vec![0; 400].leak());
        assert!(render(Short { retry_after_s: Some(7), ..answer }, &mut buffer, &Clockface::new()));
        let text = String::from_utf8(buffer.filled().to_vec()).unwrap();
        assert!(text.contains("\r\nretry-after: 7\r\nconnection: close\r\n\r\nBad Request\n"), "{text}");
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early_or_all_at_once() {
        let refusal = Refusal::RateLimited { retry_at: Instant::from_micros(40_000_001) };
        let told: std::collections::BTreeSet<u64> =
            (0..100).filter_map(|dice| retry_after_s(refusal, Instant::ZERO, dice)).collect();
        assert_eq!(told.first(), Some(&41));
        assert!(told.len() > 5);
        let past = Refusal::BreakerOpen { retry_at: Instant::ZERO };
        assert_eq!(retry_after_s(past, Instant::ZERO.plus(Duration::from_secs(9)), 0), Some(1));
        let never = Refusal::RateLimited { retry_at: Instant::NEVER };
        assert_eq!(retry_after_s(never, Instant::ZERO, 0), None, "more than a quota ever holds");
        assert_eq!(retry_after_s(Refusal::Denied, Instant::ZERO, 0), None);
    }
}
