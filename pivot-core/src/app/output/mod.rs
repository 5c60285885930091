//! The answer on its way to the client.

mod head;
mod stream;

use core::fmt;
use core::task::Waker;

pub(super) use head::ContentType;

use super::buffer::Buffer;
use super::clockface::Clockface;
use crate::http::h1::decode::{Head, Version};
use crate::http::{Method, Status};
use crate::pool::Guard;

/// Why an answer could not be given as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Head and content together are longer than `response_size`: stream the content instead. From the handler of a blocking
    /// route that helps no further: its whole answer has to fit.
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
    /// Nobody sends before the handler is through: what has no room now never will.
    is_detached: bool,
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
            is_detached: false,
            is_head_request: false,
            version: Version::Http11,
            keep_alive: false,
            error: None,
            waker: None,
        }
    }

    #[inline(always)]
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

    #[inline(always)]
    pub(super) fn end(&mut self) -> Option<Guard<'static, Buffer>> {
        self.waker = None;
        self.stage = Stage::Fresh;
        self.buffer.take()
    }

    /// Says that nothing is sent before [`Output::attach`].
    pub(super) fn detach(&mut self) {
        self.is_detached = true;
    }

    /// Whether nothing is sent for now.
    pub(super) fn is_detached(&self) -> bool {
        self.is_detached
    }

    /// From here on what is written is sent.
    pub(super) fn attach(&mut self) {
        self.is_detached = false;
    }

    /// The status that the client will see, or has seen.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether the answer is complete, so that nothing is owed to the client but the buffer's bytes.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether the answer is complete, and nothing has to be added to it or taken from it.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.stage == Stage::Done && self.keep_alive && self.version == Version::Http11
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

    /// Whether the connection has to be closed after this answer whatever the client wants.
    pub fn close_after(&mut self) {
        self.keep_alive = false;
    }

    /// The handler is through: makes sure that there is an answer, that of a `failure` or else a 500.
    ///
    /// `false` if an answer broke off that was on its way already.
    pub fn ensure(&mut self, failure: Option<Status>, clock: &Clockface) -> bool {
        let failure = if self.is_done() { failure } else { failure.or(Some(Status::INTERNAL_SERVER_ERROR)) };
        if let Some(status) = failure {
            self.answer_status(status, status.reason(), clock);
        }
        self.is_done()
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

    /// Gives the whole answer: head and content.
    ///
    /// `write` puts the content into the room that there is and says how much it is, `len` bytes if that is known;
    /// `None` from it says that there is too little room.
    #[inline]
    pub(super) fn finish_with(
        &mut self,
        kind: ContentType<'_>,
        clock: &Clockface,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
        len: Option<usize>,
    ) -> Result<(), SendError> {
        match len {
            // Known beforehand: the field is written once and the content behind it.
            Some(len) => {
                let Some(space) = self.close_head(kind, clock, len)? else { return Ok(()) };
                match write(space) {
                    Some(written) => self.append(written),
                    None => return self.fail(SendError::Full),
                }
                Ok(())
            }
            // Found out by writing: the content is written behind a gap that the field will fill.
            None => {
                let Some((gap, space)) = self.leave_gap(kind, clock)? else { return Ok(()) };
                match write(space) {
                    Some(written) => self.close_gap(gap, written),
                    None => self.fail(SendError::Full),
                }
            }
        }
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

    /// Answers with a status and a line of text, in place of whatever was written so far.
    ///
    /// Does nothing once the answer is on its way: the connection is then cut, so that the client does not take what it
    /// has for the whole.
    pub(super) fn answer_status(&mut self, status: Status, message: &str, clock: &Clockface) {
        if self.is_committed {
            return;
        }
        self.restart();
        let written = self.set_status(status).and_then(|()| {
            let write = |space: &mut [u8]| {
                space.get_mut(..message.len())?.copy_from_slice(message.as_bytes());
                Some(message.len())
            };
            self.finish_with(ContentType::Text, clock, write, Some(message.len()))
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
