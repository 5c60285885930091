//! Writing the head of an answer, and what goes with a whole one.

use super::{Output, SendError, Stage};
use crate::app::Clockface;
use crate::http::h1::decode::Version;
use crate::http::h1::encode::Writer;
use crate::http::{HeaderName, HeaderValue, Status, decimal_len, write_decimal};

/// What the content is, as its field says it.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) enum ContentType<'a> {
    /// No field: there is no content.
    Absent,
    /// `text/plain; charset=utf-8`
    Text,
    /// `text/html; charset=utf-8`
    Html,
    /// `application/json`
    Json,
    /// A value that is yet to be checked.
    Value(&'a str),
}

impl<'a> ContentType<'a> {
    /// The type with this name. For a constant of the handler's this is decided at compile time.
    #[inline(always)]
    pub(in crate::app) fn named(value: &'a str) -> Self {
        match value {
            "text/plain; charset=utf-8" => Self::Text,
            "text/html; charset=utf-8" => Self::Html,
            "application/json" => Self::Json,
            other => Self::Value(other),
        }
    }
}

impl Output {
    /// Sets the status; the line is written with the head, or rewritten if it stands already.
    pub(in crate::app) fn set_status(&mut self, status: Status) -> Result<(), SendError> {
        if status.class() < 2 {
            return self.fail(SendError::InvalidStatus);
        }
        if self.is_committed {
            return self.fail(SendError::TooLate);
        }
        if self.stage != Stage::Fresh && status != self.status {
            self.rewrite_status_line(status)?;
        }
        self.status = status;
        Ok(())
    }

    #[cold]
    fn rewrite_status_line(&mut self, status: Status) -> Result<(), SendError> {
        let base = self.base;
        let Some(buffer) = self.buffer.as_mut() else { return self.fail(SendError::TooLate) };
        let old_len = line_len(&buffer.filled()[base..]);
        let new_len = STATUS_LINE_LEN + status.reason().len();
        if new_len > old_len {
            if buffer.open_gap(base, new_len - old_len).is_none() {
                return self.fail(SendError::Full);
            }
        } else {
            // The line gets shorter: move what follows it down.
            let filled = buffer.filled_mut();
            filled.copy_within(base + old_len.., base + new_len);
            let len = filled.len() - (old_len - new_len);
            buffer.truncate(len);
        }
        let mut line = Writer::new(&mut buffer.filled_mut()[base..base + new_len]);
        let written = line.status_line(status);
        debug_assert!(written.is_ok(), "the gap is as long as the line");
        self.head_len = self.head_len + new_len - old_len;
        Ok(())
    }

    pub(in crate::app) fn add_header(
        &mut self,
        name: &str,
        value: &[u8],
        clock: &Clockface,
    ) -> Result<(), SendError> {
        let (Some(name), Some(value)) = (HeaderName::new(name), HeaderValue::new(value)) else {
            return self.fail(SendError::InvalidHeader);
        };
        if SERVER_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name.as_bytes())) {
            return self.fail(SendError::InvalidHeader);
        }
        if self.is_committed {
            return self.fail(SendError::TooLate);
        }
        self.open(clock)?;
        self.insert_line(name.as_bytes(), value.as_bytes())
    }

    /// Opens the head, closes it for `len` bytes of content, and gives the room for them; `None` if none may follow.
    pub(super) fn close_head(
        &mut self,
        kind: ContentType<'_>,
        clock: &Clockface,
        len: usize,
    ) -> Result<Option<&mut [u8]>, SendError> {
        if !self.open_whole(kind, clock)? {
            return Ok(None);
        }
        let base = self.base;
        let line_len = LENGTH_LINE_LEN + decimal_len(len as u64);
        let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
        let Some(line) = buffer.extend(line_len) else { return self.fail(SendError::Full) };
        write_length_line(line, len);
        self.head_len = buffer.len() - base - 2;
        if self.is_head_request {
            self.stage = Stage::Done;
            return Ok(None);
        }
        Ok(self.buffer.as_mut().map(|buffer| buffer.space_mut()))
    }

    /// Counts content that was written behind a closed head: the answer is whole.
    #[inline]
    pub(super) fn append(&mut self, len: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.fill(len);
        }
        self.stage = Stage::Done;
    }

    /// Opens the head, and gives the room for content behind a gap for its end; `None` if no content may follow.
    pub(super) fn leave_gap(
        &mut self,
        kind: ContentType<'_>,
        clock: &Clockface,
    ) -> Result<Option<(usize, &mut [u8])>, SendError> {
        if !self.open_whole(kind, clock)? {
            return Ok(None);
        }
        let space_len = self.buffer.as_ref().map_or(0, |buffer| buffer.space_len());
        let gap = LENGTH_LINE_LEN + decimal_len(space_len as u64);
        if space_len < gap {
            return self.fail(SendError::Full);
        }
        Ok(self.buffer.as_mut().and_then(|buffer| Some((gap, buffer.space_mut().get_mut(gap..)?))))
    }

    /// Ends the head in front of `len` bytes of content that stand behind a gap, and closes the gap.
    pub(super) fn close_gap(&mut self, gap: usize, len: usize) -> Result<(), SendError> {
        let base = self.base;
        let line_len = LENGTH_LINE_LEN + decimal_len(len as u64);
        let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
        let Some(content) = buffer.space_mut().get_mut(..gap + len) else {
            return self.fail(SendError::Full);
        };
        if line_len < gap {
            content.copy_within(gap.., line_len);
        }
        let Some(line) = buffer.extend(line_len) else { return self.fail(SendError::Full) };
        write_length_line(line, len);
        self.head_len = buffer.len() - base - 2;
        self.append(if self.is_head_request { 0 } else { len });
        Ok(())
    }

    /// Opens the head of an answer that is given whole. `false`: it is complete, since its status has no content.
    #[inline(always)]
    fn open_whole(&mut self, kind: ContentType<'_>, clock: &Clockface) -> Result<bool, SendError> {
        self.open(clock)?;
        if self.stage != Stage::Head {
            return self.fail(SendError::TooLate);
        }
        if !self.status.is_bodiless() {
            self.insert_type(kind)?;
            return Ok(true);
        }
        if !self.buffer.as_mut().is_some_and(|buffer| buffer.push(b"\r\n")) {
            return self.fail(SendError::Full);
        }
        self.stage = Stage::Done;
        Ok(false)
    }

    pub(super) fn insert_persistence(&mut self) -> Result<(), SendError> {
        match (self.version, self.keep_alive) {
            (Version::Http11, false) => self.insert_line(b"connection", b"close"),
            (Version::Http10, true) => self.insert_line(b"connection", b"keep-alive"),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    pub(super) fn insert_type(&mut self, kind: ContentType<'_>) -> Result<(), SendError> {
        match kind {
            ContentType::Absent => Ok(()),
            ContentType::Text => self.append_line(b"content-type: text/plain; charset=utf-8\r\n"),
            ContentType::Html => self.append_line(b"content-type: text/html; charset=utf-8\r\n"),
            ContentType::Json => self.append_line(b"content-type: application/json\r\n"),
            ContentType::Value(value) => match HeaderValue::new(value.as_bytes()) {
                Some(value) => self.insert_line(b"content-type", value.as_bytes()),
                None => self.fail(SendError::InvalidHeader),
            },
        }
    }

    /// Starts the head: the status line, and the date where it is known.
    #[inline(always)]
    pub(super) fn open(&mut self, clock: &Clockface) -> Result<(), SendError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.stage != Stage::Fresh {
            return Ok(());
        }
        let base = self.base;
        let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
        let fits = match (self.status, clock.dated_ok()) {
            (Status::OK, Some(start)) => buffer.push(&start),
            (status, _) => {
                let mut writer = Writer::new(buffer.space_mut());
                let fits = writer.status_line(status).is_ok();
                let len = writer.len();
                buffer.fill(len);
                fits && clock.date_line().is_none_or(|date| buffer.push(&date))
            }
        };
        if !fits {
            buffer.truncate(base);
            return self.fail(SendError::Full);
        }
        self.head_len = buffer.len() - base;
        self.stage = Stage::Head;
        Ok(())
    }

    /// Appends a whole header line to a head that nothing follows yet.
    #[inline(always)]
    fn append_line<const LEN: usize>(&mut self, line: &[u8; LEN]) -> Result<(), SendError> {
        if !self.buffer.as_mut().is_some_and(|buffer| buffer.push(line)) {
            return self.fail(SendError::Full);
        }
        self.head_len += LEN;
        Ok(())
    }

    /// Puts a header line at the end of the head, before whatever follows it.
    pub(super) fn insert_line(&mut self, name: &[u8], value: &[u8]) -> Result<(), SendError> {
        let at = self.base + self.head_len;
        let pieces = [name, b": ", value, b"\r\n"];
        let len = name.len() + value.len() + 4;
        let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
        let Some(mut rest) = buffer.open_gap(at, len) else { return self.fail(SendError::Full) };
        for piece in pieces {
            let Some((place, after)) = rest.split_at_mut_checked(piece.len()) else { break };
            place.copy_from_slice(piece);
            rest = after;
        }
        self.head_len += len;
        Ok(())
    }
}

/// Fills `line`, which is exactly as long as is needed.
#[inline]
fn write_length_line(line: &mut [u8], len: usize) {
    const NAME: &[u8; 16] = b"content-length: ";
    if let Some((start, rest)) = line.split_first_chunk_mut::<16>()
        && let Some((digits, end)) = rest.split_last_chunk_mut::<4>()
    {
        *start = *NAME;
        write_decimal(len as u64, digits);
        *end = *b"\r\n\r\n";
    }
}

/// The length of the first line, with its CRLF.
fn line_len(head: &[u8]) -> usize {
    head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |index| index + 1)
}

/// A status line without its reason.
const STATUS_LINE_LEN: usize = b"HTTP/1.1 200 \r\n".len();
/// A length's line without its digits, and the empty line.
const LENGTH_LINE_LEN: usize = b"content-length: \r\n\r\n".len();
/// Fields that only the server knows how to write.
const SERVER_FIELDS: [&[u8]; 4] = [b"content-length", b"transfer-encoding", b"connection", b"date"];
