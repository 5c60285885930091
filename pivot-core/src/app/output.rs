//! The answer on its way to the client.

use core::fmt;
use core::task::{Context, Poll, Waker};

use super::buffer::Buffer;
use super::clockface::Clockface;
use crate::http::h1::decode::{Head, Version};
use crate::http::h1::encode::Writer;
use crate::http::{Digits, HeaderName, HeaderValue, Method, Status};
use crate::pool::Guard;

/// Why an answer could not be given as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Head and content together are longer than `response_size`: stream the content instead.
    Full,
    /// A header's name is no token, its value has a control character, or it is one that the server writes itself
    /// (`content-length`, `transfer-encoding`, `connection`, `date`).
    InvalidHeader,
    /// The status is not in 200–599.
    InvalidStatus,
    /// The head is on its way already.
    TooLate,
    /// More or less content was written than was announced.
    WrongLength,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the answer is longer than response_size; stream it",
            Self::InvalidHeader => "a header is not valid, or the server's own",
            Self::InvalidStatus => "the status is not in 200-599",
            Self::TooLate => "the head was sent already",
            Self::WrongLength => "the content is not as long as was announced",
        })
    }
}

impl core::error::Error for SendError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is written yet.
    Fresh,
    /// Header lines are being written.
    Head,
    /// The head is closed, content follows.
    Content,
    /// The answer is complete.
    Done,
}

/// How the client learns where the content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// By its length; `left` bytes are still to be written.
    Exact { left: u64 },
    /// By chunks.
    Chunked,
    /// By the end of the connection (HTTP/1.0).
    Close,
}

/// The answer is appended to a buffer, behind what earlier answers of the connection have left there.
///
/// An answer that fits as a whole can still be changed by middleware until its handler is through; a streamed one is
/// committed with its first bytes of content.
#[derive(Debug)]
pub struct Output {
    buffer: Option<Guard<'static, Buffer>>,
    /// Where in the buffer's filled part this answer begins.
    base: usize,
    /// Length of the status line and header lines so far.
    head_len: usize,
    stage: Stage,
    status: Status,
    framing: Framing,
    is_committed: bool,
    is_head_request: bool,
    version: Version,
    keep_alive: bool,
    error: Option<SendError>,
    waker: Option<Waker>,
}

impl Output {
    pub(super) const fn new() -> Self {
        Self {
            buffer: None,
            base: 0,
            head_len: 0,
            stage: Stage::Fresh,
            status: Status::OK,
            framing: Framing::Exact { left: 0 },
            is_committed: false,
            is_head_request: false,
            version: Version::Http11,
            keep_alive: false,
            error: None,
            waker: None,
        }
    }

    pub(super) fn begin(&mut self, head: &Head, buffer: Guard<'static, Buffer>) {
        self.base = buffer.len();
        self.buffer = Some(buffer);
        self.is_head_request = head.method == Method::Head;
        self.version = head.version;
        self.keep_alive = head.keep_alive;
        self.is_committed = false;
        self.framing = Framing::Exact { left: 0 };
        self.stage = Stage::Fresh;
        self.status = Status::OK;
        self.error = None;
        self.waker = None;
    }

    pub(super) fn end(&mut self) -> Option<Guard<'static, Buffer>> {
        self.waker = None;
        self.stage = Stage::Fresh;
        self.buffer.take()
    }

    /// The status that the client will see, or has seen.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether the answer is complete, so that nothing is owed to the client but the buffer's bytes.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether bytes of this answer may have reached the client.
    pub fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// Whether the connection may be used for another request after this answer.
    pub fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// What can be sent now: earlier answers, and this one as far as it is committed.
    pub fn sendable(&self) -> &[u8] {
        match &self.buffer {
            None => &[],
            Some(buffer) if self.is_committed || self.stage == Stage::Done => buffer.filled(),
            Some(buffer) => &buffer.filled()[..self.base],
        }
    }

    /// Counts `len` bytes of [`Output::sendable`] as sent.
    pub fn handle_sent(&mut self, len: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.consume(len);
            self.base = self.base.saturating_sub(len);
        }
        if len > 0
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Whether the handler waits for room.
    pub fn is_awaited(&self) -> bool {
        self.waker.is_some()
    }

    /// Writes `100 Continue`, if nothing of an answer is there yet. It is committed at once.
    pub(super) fn invite(&mut self) {
        if self.stage == Stage::Fresh
            && let Some(buffer) = &mut self.buffer
            && buffer.push(b"HTTP/1.1 100 Continue\r\n\r\n")
        {
            self.base = buffer.len();
        }
    }

    /// Sets the status; the line is written with the head, or rewritten if it stands already.
    pub(super) fn set_status(&mut self, status: Status) -> Result<(), SendError> {
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

    pub(super) fn add_header(
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

    /// Whether the connection has to be closed after this answer whatever the client wants.
    pub fn close_after(&mut self) {
        self.keep_alive = false;
    }

    /// Gives the whole answer: closes the head and appends the content.
    pub(super) fn finish_with(
        &mut self,
        kind: ContentType<'_>,
        clock: &Clockface,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
        len: Option<usize>,
    ) -> Result<(), SendError> {
        self.open_whole(kind, clock)?;
        if self.status.is_bodiless() {
            return self.close_bodiless();
        }
        match len {
            // Known beforehand: the field is written once and the content behind it.
            Some(len) => {
                self.close_with_length(len)?;
                if !self.is_head_request
                    && let Some(buffer) = &mut self.buffer
                {
                    match write(buffer.space_mut()) {
                        Some(written) => buffer.fill(written),
                        None => return self.fail(SendError::Full),
                    }
                }
            }
            // Found out by writing: the content is written behind a gap that the field will fill.
            None => {
                let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
                let gap = LENGTH_LINE_LEN + decimal_len(buffer.space_len());
                let written = buffer.space_mut().get_mut(gap..).and_then(write);
                let Some(written) = written else { return self.fail(SendError::Full) };
                self.close_behind_gap(gap, written)?;
            }
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Opens the head of an answer that is given whole.
    fn open_whole(&mut self, kind: ContentType<'_>, clock: &Clockface) -> Result<(), SendError> {
        self.open(clock)?;
        if self.stage != Stage::Head {
            return self.fail(SendError::TooLate);
        }
        if self.status.is_bodiless() { Ok(()) } else { self.insert_type(kind) }
    }

    /// Ends a head that no content can follow.
    fn close_bodiless(&mut self) -> Result<(), SendError> {
        if !self.buffer.as_mut().is_some_and(|buffer| buffer.push(b"\r\n")) {
            return self.fail(SendError::Full);
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Ends a head whose content is `len` bytes long.
    fn close_with_length(&mut self, len: usize) -> Result<(), SendError> {
        let base = self.base;
        let fits = self.buffer.as_mut().is_some_and(|buffer| {
            let fits = buffer.push(b"content-length: ")
                && buffer.push(Digits::decimal(len as u64).as_bytes())
                && buffer.push(b"\r\n\r\n");
            self.head_len = buffer.len().saturating_sub(base + 2);
            fits
        });
        if fits { Ok(()) } else { self.fail(SendError::Full) }
    }

    /// Ends the head in front of `len` bytes of content that stand `gap` bytes behind it, and closes the gap.
    fn close_behind_gap(&mut self, gap: usize, len: usize) -> Result<(), SendError> {
        let Some(buffer) = &mut self.buffer else { return self.fail(SendError::TooLate) };
        let head_end = buffer.len();
        let digits = Digits::decimal(len as u64);
        let digits = digits.as_bytes();
        let line_len = LENGTH_LINE_LEN + digits.len();
        let Some(content) = buffer.space_mut().get_mut(..gap + len) else {
            return self.fail(SendError::Full);
        };
        content.copy_within(gap.., line_len);
        let fits = buffer.push(b"content-length: ") && buffer.push(digits) && buffer.push(b"\r\n\r\n");
        debug_assert!(fits, "the gap is as long as the longest line");
        if !self.is_head_request {
            buffer.fill(len);
        }
        self.head_len = head_end + line_len - self.base - 2;
        Ok(())
    }

    /// Closes the head of an answer whose content follows piece by piece, `len` bytes if that is known.
    pub(super) fn start_stream(
        &mut self,
        kind: ContentType<'_>,
        len: Option<u64>,
        clock: &Clockface,
    ) -> Result<(), SendError> {
        self.open(clock)?;
        if self.stage != Stage::Head {
            return self.fail(SendError::TooLate);
        }
        self.insert_type(kind)?;
        if self.status.is_bodiless() {
            self.framing = Framing::Exact { left: 0 };
        } else if let Some(len) = len {
            self.insert_line(b"content-length", Digits::decimal(len).as_bytes())?;
            self.framing = Framing::Exact { left: len };
        } else if self.version == Version::Http11 {
            self.insert_line(b"transfer-encoding", b"chunked")?;
            self.framing = Framing::Chunked;
        } else {
            self.framing = Framing::Close;
            self.keep_alive = false;
        }
        self.insert_persistence()?;
        if !self.buffer.as_mut().is_some_and(|buffer| buffer.push(b"\r\n")) {
            return self.fail(SendError::Full);
        }
        self.stage = Stage::Content;
        self.is_committed = true;
        Ok(())
    }

    /// Appends as much content as there is room for; waits for room if there is none.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        content: &[u8],
    ) -> Poll<Result<usize, SendError>> {
        if self.stage != Stage::Content {
            return Poll::Ready(Err(SendError::TooLate));
        }
        if let Framing::Exact { left } = &mut self.framing {
            if self.status.is_bodiless() {
                return Poll::Ready(Ok(content.len()));
            }
            if content.len() as u64 > *left {
                self.error = Some(SendError::WrongLength);
                return Poll::Ready(Err(SendError::WrongLength));
            }
            if self.is_head_request {
                *left -= content.len() as u64;
            }
        }
        if self.is_head_request || content.is_empty() {
            return Poll::Ready(Ok(content.len()));
        }
        let Some(buffer) = &mut self.buffer else { return Poll::Ready(Err(SendError::TooLate)) };
        let overhead = if self.framing == Framing::Chunked { CHUNK_OVERHEAD } else { 0 };
        // A quarter of the buffer at least: a chunk of a few bytes in the last corner would cost a segment of its own.
        let wanted = content.len().min(buffer.capacity() / 4);
        if buffer.space_len() < wanted + overhead + LAST_CHUNK.len() {
            buffer.compact();
        }
        if buffer.space_len() < wanted + overhead + LAST_CHUNK.len() {
            self.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let len = content.len().min(buffer.space_len() - overhead - LAST_CHUNK.len());
        let piece = &content[..len];
        match &mut self.framing {
            Framing::Chunked => {
                // Room for all of it was made sure of above.
                let size = Digits::hexadecimal(len as u64);
                let _ = buffer.push(size.as_bytes())
                    && buffer.push(b"\r\n")
                    && buffer.push(piece)
                    && buffer.push(b"\r\n");
            }
            Framing::Exact { left } => {
                *left -= len as u64;
                let _ = buffer.push(piece);
            }
            Framing::Close => {
                let _ = buffer.push(piece);
            }
        }
        Poll::Ready(Ok(len))
    }

    /// Appends what `write` puts into the room; waits for more room if it answers `None`.
    pub(super) fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&mut [u8]) -> Option<usize>,
    ) -> Poll<Result<(), SendError>> {
        if self.stage != Stage::Content {
            return Poll::Ready(Err(SendError::TooLate));
        }
        let left = match self.framing {
            Framing::Exact { left } => usize::try_from(left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let is_chunked = self.framing == Framing::Chunked;
        let Some(buffer) = &mut self.buffer else { return Poll::Ready(Err(SendError::TooLate)) };
        buffer.compact();
        let before = if is_chunked { CHUNK_OVERHEAD } else { 0 };
        let room = buffer.space_len().checked_sub(before + 2 + LAST_CHUNK.len());
        let written = room.filter(|&room| room > 0).and_then(|room| {
            let room = room.min(left);
            let space = &mut buffer.space_mut()[before..before + room];
            write(space).filter(|&len| len <= room)
        });
        let Some(len) = written else {
            if buffer.is_empty() {
                return Poll::Ready(Err(SendError::Full));
            }
            self.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        if let Framing::Exact { left } = &mut self.framing {
            *left -= len as u64;
        }
        if len == 0 || self.is_head_request || self.status.is_bodiless() {
            return Poll::Ready(Ok(()));
        }
        if is_chunked {
            // The size's line is known only now: the content moves down to stand right behind it.
            let size = Digits::hexadecimal(len as u64);
            let line_len = size.as_bytes().len() + 2;
            buffer.space_mut().copy_within(before..before + len, line_len);
            let _ = buffer.push(size.as_bytes()) && buffer.push(b"\r\n");
            buffer.fill(len);
            let _ = buffer.push(b"\r\n");
        } else {
            buffer.fill(len);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until everything that was written so far has been handed to the socket.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.sendable().is_empty() {
            return Poll::Ready(());
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ends streamed content.
    pub(super) fn finish_stream(&mut self) -> Result<(), SendError> {
        if self.stage != Stage::Content {
            return self.fail(SendError::TooLate);
        }
        match self.framing {
            Framing::Chunked if !self.is_head_request => {
                // Every write has left room for it.
                let fits = self.buffer.as_mut().is_some_and(|buffer| buffer.push(LAST_CHUNK));
                debug_assert!(fits, "each write leaves room for the last chunk");
            }
            Framing::Exact { left } if left > 0 => return self.fail(SendError::WrongLength),
            _ => {}
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Whether an answer is under way that can still be taken back.
    pub(super) fn can_restart(&self) -> bool {
        !self.is_committed
    }

    /// Takes back what was written of this answer.
    pub(super) fn restart(&mut self) {
        let base = self.base;
        if let Some(buffer) = &mut self.buffer {
            buffer.truncate(base);
        }
        self.stage = Stage::Fresh;
        self.status = Status::OK;
        self.error = None;
    }

    /// Says `connection: …` where it has to be said; once the handler is through.
    pub fn settle(&mut self) {
        if self.stage == Stage::Done && !self.is_committed {
            // No room for the line: then the connection ends without saying so.
            if self.insert_persistence().is_err() {
                self.keep_alive = false;
            }
            self.is_committed = true;
        }
    }

    fn insert_persistence(&mut self) -> Result<(), SendError> {
        match (self.version, self.keep_alive) {
            (Version::Http11, false) => self.insert_line(b"connection", b"close"),
            (Version::Http10, true) => self.insert_line(b"connection", b"keep-alive"),
            _ => Ok(()),
        }
    }

    fn insert_type(&mut self, kind: ContentType<'_>) -> Result<(), SendError> {
        match kind {
            ContentType::Absent => Ok(()),
            ContentType::Line(line) => self.insert_whole_line(&[line]),
            ContentType::Value(value) => match HeaderValue::new(value.as_bytes()) {
                Some(value) => self.insert_line(b"content-type", value.as_bytes()),
                None => self.fail(SendError::InvalidHeader),
            },
        }
    }

    /// Starts the head: the status line, and the date where it is known.
    fn open(&mut self, clock: &Clockface) -> Result<(), SendError> {
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

    fn insert_line(&mut self, name: &[u8], value: &[u8]) -> Result<(), SendError> {
        self.insert_whole_line(&[name, b": ", value, b"\r\n"])
    }

    /// Puts a header line at the end of the head, before whatever follows it.
    fn insert_whole_line(&mut self, pieces: &[&[u8]]) -> Result<(), SendError> {
        let at = self.base + self.head_len;
        let len = pieces.iter().map(|piece| piece.len()).sum();
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

    /// Answers with a status and a line of text, in place of whatever was written so far.
    ///
    /// Does nothing once the answer is on its way: the connection is then cut, so that the client does not take what it
    /// has for the whole.
    pub(crate) fn answer_status(&mut self, status: Status, message: &str, clock: &Clockface) {
        if self.is_committed {
            return;
        }
        self.restart();
        let written = self.set_status(status).and_then(|()| {
            let write = |space: &mut [u8]| {
                space.get_mut(..message.len())?.copy_from_slice(message.as_bytes());
                Some(message.len())
            };
            self.finish_with(ContentType::TEXT, clock, write, Some(message.len()))
        });
        if written.is_err() {
            // Not even the message fits: the head alone has to do.
            self.restart();
            let _ = self
                .set_status(status)
                .and_then(|()| self.finish_with(ContentType::Absent, clock, |_| Some(0), Some(0)));
        }
    }

    /// Remembers the first error, so that a chain of calls can report it at its end.
    fn fail<T>(&mut self, error: SendError) -> Result<T, SendError> {
        self.error.get_or_insert(error);
        Err(error)
    }
}

/// The length of the first line, with its CRLF.
fn line_len(head: &[u8]) -> usize {
    head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |index| index + 1)
}

/// What the content is, as its field says it.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContentType<'a> {
    /// No field: there is no content.
    Absent,
    /// The whole line, rendered and checked at compile time.
    Line(&'static [u8]),
    /// A value that is yet to be checked.
    Value(&'a str),
}

impl ContentType<'_> {
    pub(super) const TEXT: Self = Self::Line(b"content-type: text/plain; charset=utf-8\r\n");
    pub(super) const HTML: Self = Self::Line(b"content-type: text/html; charset=utf-8\r\n");
    #[cfg(feature = "json")]
    pub(super) const JSON: Self = Self::Line(b"content-type: application/json\r\n");
}

/// How many digits a number has to the base of ten.
const fn decimal_len(number: usize) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

/// A status line without its reason.
const STATUS_LINE_LEN: usize = b"HTTP/1.1 200 \r\n".len();
/// A length's line without its digits, and the empty line.
const LENGTH_LINE_LEN: usize = b"content-length: \r\n\r\n".len();
/// The digits of a size, and two line ends.
const CHUNK_OVERHEAD: usize = 20;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Fields that only the server knows how to write.
const SERVER_FIELDS: [&[u8]; 4] = [b"content-length", b"transfer-encoding", b"connection", b"date"];
