//! The time as the handlers of one worker see it.

use core::cell::Cell;

use crate::http::http_date;
use crate::time::Instant;

/// The time as one worker knows it: read once a turn, shared by its exchanges.
#[derive(Debug)]
pub struct Clockface {
    now: Cell<Instant>,
    unix_s: Cell<Option<u64>>,
    /// Rendered when the second changes, not for each answer.
    dated_ok: Cell<[u8; DATED_OK_LEN]>,
}

const OK_LINE: [u8; 17] = *b"HTTP/1.1 200 OK\r\n";
/// `date: Sun, 06 Nov 1994 08:49:37 GMT` and its CRLF.
const DATE_LINE_LEN: usize = 6 + 29 + 2;
const DATED_OK_LEN: usize = OK_LINE.len() + DATE_LINE_LEN;

impl Clockface {
    /// A face that shows the start of time and does not know the date.
    pub const fn new() -> Self {
        Self {
            now: Cell::new(Instant::ZERO),
            unix_s: Cell::new(None),
            dated_ok: Cell::new([0; DATED_OK_LEN]),
        }
    }

    /// Sets the moment, and the seconds since 1970 if the backend knows them.
    #[inline]
    pub fn set(&self, now: Instant, unix_s: Option<u64>) {
        self.now.set(now);
        if unix_s != self.unix_s.get() {
            self.set_date(unix_s);
        }
    }

    #[cold]
    fn set_date(&self, unix_s: Option<u64>) {
        self.unix_s.set(unix_s);
        if let Some(unix_s) = unix_s {
            let mut start = *b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
            start[OK_LINE.len() + 6..DATED_OK_LEN - 2].copy_from_slice(&http_date(unix_s));
            self.dated_ok.set(start);
        }
    }

    /// The moment of the current turn.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Seconds since 1970, where they are known.
    pub fn unix_s(&self) -> Option<u64> {
        self.unix_s.get()
    }

    /// The `date` field with its line end; `None` where the time is not known (RFC 9110, section 6.6.1).
    pub fn date_line(&self) -> Option<[u8; DATE_LINE_LEN]> {
        self.dated_ok().and_then(|start| start.last_chunk().copied())
    }

    /// The start of most answers: the status line of a 200 and the `date` field.
    #[inline]
    pub(super) fn dated_ok(&self) -> Option<[u8; DATED_OK_LEN]> {
        self.unix_s.get().map(|_| self.dated_ok.get())
    }
}

impl Default for Clockface {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_shown_while_it_is_known() {
        let clock = Clockface::new();
        assert_eq!(clock.date_line(), None);
        clock.set(Instant::from_millis(5), Some(784_111_777));
        assert_eq!(&clock.date_line().unwrap(), b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(&clock.dated_ok().unwrap(), b"HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",);
        clock.set(Instant::from_millis(6), None);
        assert_eq!(clock.date_line(), None);
    }
}
