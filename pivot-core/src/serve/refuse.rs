//! Refusals: rendered at compile time but for the date and the moment to come back.

use crate::admission::Refusal;
use crate::app::Clockface;
use crate::app::buffer::Buffer;
use crate::http::{Digits, Status};
use crate::time::Instant;

/// The status that answers a refusal.
pub(super) const fn status_of(refusal: Refusal) -> Status {
    match refusal {
        Refusal::RateLimited { .. } => Status::TOO_MANY_REQUESTS,
        Refusal::Shed
        | Refusal::BreakerOpen { .. }
        | Refusal::QueueFull
        | Refusal::QueueExpired
        | Refusal::PoolExhausted
        | Refusal::Draining => Status::SERVICE_UNAVAILABLE,
    }
}

/// When a refused client should come back, in seconds; spread by `dice`, so that all of them do not come at once.
pub(super) fn retry_after_s(refusal: Refusal, now: Instant, dice: u32) -> u64 {
    let (Refusal::RateLimited { retry_at } | Refusal::BreakerOpen { retry_at }) = refusal else {
        return 1 + u64::from(dice % 3);
    };
    // Never before the moment: seconds are rounded up.
    let least_s = retry_at.micros_since(now).div_ceil(1_000_000).max(1);
    least_s + u64::from(dice) % (least_s / 4 + 1)
}

/// What to answer without a handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortAnswer {
    pub(super) status: Status,
    pub(super) retry_after_s: Option<u64>,
    pub(super) is_head_request: bool,
    pub(super) close: bool,
}

/// Appends an answer without a handler; says whether there was room for it.
pub(super) fn render(answer: ShortAnswer, into: &mut Buffer, clock: &Clockface) -> bool {
    let (head, content) = template(answer.status);
    let len = into.len();
    let fits = into.push(head)
        && clock.date_line().is_none_or(|date| into.push(&date))
        && answer.retry_after_s.is_none_or(|seconds| {
            into.push(b"retry-after: ")
                && into.push(Digits::decimal(seconds).as_bytes())
                && into.push(b"\r\n")
        })
        && (!answer.close || into.push(b"connection: close\r\n"))
        && into.push(b"\r\n")
        && (answer.is_head_request || into.push(content));
    if !fits {
        into.truncate(len);
    }
    fits
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
        for code in [400, 408, 411, 413, 414, 417, 429, 431, 500, 501, 503, 505] {
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
        let answer = ShortAnswer {
            status: Status::BAD_REQUEST,
            retry_after_s: None,
            is_head_request: false,
            close: true,
        };
        assert!(!render(answer, &mut buffer, &Clockface::new()));
        assert!(buffer.is_empty());
        let mut buffer = Buffer::create(std::vec![0; 400].leak());
        assert!(render(ShortAnswer { retry_after_s: Some(7), ..answer }, &mut buffer, &Clockface::new()));
        let text = String::from_utf8(buffer.filled().to_vec()).unwrap();
        assert!(text.contains("\r\nretry-after: 7\r\nconnection: close\r\n\r\nBad Request\n"), "{text}");
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early_or_all_at_once() {
        let refusal = Refusal::RateLimited { retry_at: Instant::from_micros(40_000_001) };
        let told: std::collections::BTreeSet<u64> =
            (0..100).map(|dice| retry_after_s(refusal, Instant::ZERO, dice)).collect();
        assert_eq!(told.first(), Some(&41));
        assert!(told.len() > 5);
        let past = Refusal::BreakerOpen { retry_at: Instant::ZERO };
        assert_eq!(retry_after_s(past, Instant::ZERO.plus(Duration::from_secs(9)), 0), 1);
    }
}
