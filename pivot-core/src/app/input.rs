//! The content of a request on its way to the handler.

use core::task::{Context, Poll, Waker};

use super::buffer::Buffer;
use crate::http::Status;
use crate::http::h1::chunked::{ChunkDecoder, ChunkError};
use crate::http::h1::decode::{BodyLength, Head};
use crate::pool::Guard;

/// Why content could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than `body_size_max`.
    TooLarge,
    /// Its chunked framing is broken.
    Framing(ChunkError),
    /// The client ended the connection before the content was complete.
    Incomplete,
    /// It is no JSON, or not of the shape that the handler asks for.
    #[cfg(feature = "json")]
    Json,
}

impl BodyError {
    /// The status that answers it.
    pub const fn status(self) -> Status {
        match self {
            Self::TooLarge => Status::CONTENT_TOO_LARGE,
            Self::Framing(error) => error.status(),
            Self::Incomplete => Status::BAD_REQUEST,
            #[cfg(feature = "json")]
            Self::Json => Status::BAD_REQUEST,
        }
    }
}

impl core::fmt::Display for BodyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the content is longer than the server takes",
            Self::Framing(error) => error.reason(),
            Self::Incomplete => "the client went away before the content was complete",
            #[cfg(feature = "json")]
            Self::Json => "the content is not the JSON that is asked for here",
        })
    }
}

impl core::error::Error for BodyError {}

/// What becomes of content when its handler is through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It was read to its end: the next request follows.
    Read,
    /// So little is still to come that it can be waited for.
    Coming,
    /// Where the next request begins will never be known.
    Lost,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// There is no content, or it has been read to its end.
    Ended,
    Exact {
        left: u64,
    },
    Chunked(ChunkDecoder),
}

/// How much of chunked content was looked at while it is waited for as a whole.
#[derive(Debug)]
pub(crate) struct Gathering {
    decoder: ChunkDecoder,
    seen_len: usize,
}

impl Gathering {
    pub(crate) const fn new() -> Self {
        Self { decoder: ChunkDecoder::new(), seen_len: 0 }
    }
}

/// The handler reads from the window, the loop fills it from the socket; neither gets ahead by more than the window.
///
/// The window holds bytes as they were sent. Chunked framing is taken off when the handler reads, so that the
/// bytes are copied once.
#[derive(Debug)]
pub struct Input {
    window: Option<Guard<'static, Buffer>>,
    framing: Framing,
    allowed_left: u64,
    /// The client wants to hear `100 Continue` before it sends content.
    expects_continue: bool,
    peer_ended: bool,
    error: Option<BodyError>,
    waker: Option<Waker>,
}

impl Input {
    pub(super) const fn new() -> Self {
        Self {
            window: None,
            framing: Framing::Ended,
            allowed_left: 0,
            expects_continue: false,
            peer_ended: false,
            error: None,
            waker: None,
        }
    }

    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        head: &Head,
        window: Option<Guard<'static, Buffer>>,
        content_size_max: u64,
    ) {
        if head.body == BodyLength::None {
            // As `end` has left it: nothing to be read.
            return;
        }
        self.window = window;
        self.framing = match head.body {
            BodyLength::None => Framing::Ended,
            BodyLength::Exact(left) => Framing::Exact { left },
            BodyLength::Chunked => Framing::Chunked(ChunkDecoder::new()),
        };
        self.allowed_left = content_size_max;
        self.expects_continue = head.expect_continue;
    }

    /// Back to the state of a request without content.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        self.peer_ended = false;
        if self.window.is_some() {
            *self = Self::new();
        }
    }

    /// Whether all content has been read.
    #[inline(always)]
    pub fn is_ended(&self) -> bool {
        matches!(self.framing, Framing::Ended)
    }

    /// Whether the content broke off or broke a rule, so that the connection cannot go on.
    pub fn is_broken(&self) -> bool {
        self.error.is_some() || self.peer_ended
    }

    /// How much is still to come, as far as the client has said.
    pub fn announced_left(&self) -> u64 {
        match &self.framing {
            Framing::Ended => 0,
            Framing::Exact { left } => *left,
            Framing::Chunked(decoder) => decoder.remaining_in_chunk(),
        }
    }

    /// Whether `100 Continue` is still owed; asking settles the debt.
    pub(super) fn take_expectation(&mut self) -> bool {
        // Content that came unasked needs no invitation (RFC 9110, section 10.1.1).
        let owed = self.expects_continue && self.window.as_ref().is_none_or(|window| window.is_empty());
        self.expects_continue = false;
        owed
    }

    /// Whether the client was never invited to send its content.
    pub fn is_uninvited(&self) -> bool {
        self.expects_continue
    }

    /// Whether the handler waits for content that the client has to send.
    pub fn is_awaited(&self) -> bool {
        self.waker.is_some()
    }

    /// Room for bytes from the socket: never more than the content can take, where its length is known.
    pub fn space(&mut self) -> &mut [u8] {
        if self.peer_ended || self.error.is_some() {
            return &mut [];
        }
        let wanted = match self.framing {
            Framing::Ended => 0,
            Framing::Exact { left } => left,
            Framing::Chunked(_) => u64::MAX,
        };
        let Some(window) = &mut self.window else { return &mut [] };
        if window.space_len() == 0 {
            window.compact();
        }
        let wanted = wanted.saturating_sub(window.len() as u64);
        let space = window.space_mut();
        let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(space.len());
        &mut space[..len]
    }

    /// Counts `len` bytes that were read into [`Input::space`].
    pub fn handle_received(&mut self, len: usize) {
        if let Some(window) = &mut self.window {
            window.fill(len);
        }
        self.wake();
    }

    /// The client will send no more.
    pub fn handle_end(&mut self) {
        self.peer_ended = true;
        self.wake();
    }

    /// Takes bytes that came in one piece with the head; answers how many it took.
    pub fn offer(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        if len > 0 {
            self.handle_received(len);
        }
        len
    }

    /// What lies in the window behind the content's end: the beginning of the next request.
    #[inline(always)]
    pub fn leftover(&self) -> &[u8] {
        match &self.window {
            Some(window) if self.is_ended() => window.filled(),
            _ => &[],
        }
    }

    /// Reads and drops content that nobody wants, as far as it has come; answers how much was dropped.
    pub fn discard(&mut self) -> usize {
        let mut dropped = 0;
        while !self.is_ended() {
            match self.read_with(|bytes| bytes.len()) {
                Ok(Some(len)) => dropped += len,
                Ok(None) | Err(_) => break,
            }
        }
        dropped
    }

    /// The handler is through: drops what has come of content that it did not read, at most `unread_left` bytes of it.
    pub fn end_reading(&mut self, unread_left: &mut usize) -> Rest {
        if self.is_ended() {
            return Rest::Read;
        }
        let is_uninvited = self.is_uninvited();
        *unread_left = unread_left.saturating_sub(self.discard());
        if is_uninvited {
            Rest::Lost
        } else if self.is_ended() {
            Rest::Read
        } else if self.is_broken() {
            Rest::Lost
        } else if self.announced_left() <= *unread_left as u64 {
            Rest::Coming
        } else {
            Rest::Lost
        }
    }

    /// Hands out content that is there: waits for some, answers 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize, BodyError>> {
        match self.read_with(take) {
            Ok(Some(len)) => Poll::Ready(Ok(len)),
            Ok(None) => {
                self.waker = Some(context.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits until all content lies in the window, unread. Content that breaks off or breaks a rule is as whole as it
    /// will be: whoever reads it meets the error.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] for content that does not fit.
    pub(super) fn poll_whole(
        &mut self,
        context: &mut Context<'_>,
        gathering: &mut Gathering,
    ) -> Poll<Result<(), BodyError>> {
        let Some(window) = &self.window else { return Poll::Ready(Ok(())) };
        let mut is_whole = self.peer_ended || self.error.is_some();
        match self.framing {
            Framing::Ended => is_whole = true,
            Framing::Exact { left } if left > window.capacity() as u64 => {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            Framing::Exact { left } => is_whole |= window.len() as u64 >= left,
            // Each round looks at bytes that were not looked at before, so all rounds together at each once.
            Framing::Chunked(_) => loop {
                let fresh = window.filled().get(gathering.seen_len..).unwrap_or_default();
                let step = gathering.decoder.decode(fresh);
                let consumed_len = step.as_ref().map_or(0, |step| step.consumed_len);
                gathering.seen_len += consumed_len;
                is_whole |= step.is_err() || gathering.decoder.is_finished();
                if is_whole || consumed_len == 0 {
                    break;
                }
            },
        }
        if is_whole {
            self.waker = None;
            return Poll::Ready(Ok(()));
        }
        if window.len() == window.capacity() {
            return Poll::Ready(Err(BodyError::TooLarge));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Lets `take` consume from the next piece of content. `Ok(Some(0))`: the end; `Ok(None)`: nothing there yet.
    fn read_with(&mut self, take: impl FnOnce(&[u8]) -> usize) -> Result<Option<usize>, BodyError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.advance(take) {
            Err(error) => {
                self.error = Some(error);
                Err(error)
            }
            Ok(None) if self.peer_ended => {
                self.error = Some(BodyError::Incomplete);
                Err(BodyError::Incomplete)
            }
            other => other,
        }
    }

    fn advance(&mut self, take: impl FnOnce(&[u8]) -> usize) -> Result<Option<usize>, BodyError> {
        let Some(window) = &mut self.window else {
            return if matches!(self.framing, Framing::Ended) {
                Ok(Some(0))
            } else {
                Err(BodyError::Incomplete)
            };
        };
        match &mut self.framing {
            Framing::Ended => Ok(Some(0)),
            Framing::Exact { left } => {
                if *left > self.allowed_left {
                    return Err(BodyError::TooLarge);
                }
                let there = usize::try_from(*left).unwrap_or(usize::MAX).min(window.len());
                if there == 0 {
                    return Ok(None);
                }
                let taken = take(&window.filled()[..there]).min(there);
                window.consume(taken);
                *left -= taken as u64;
                self.allowed_left -= taken as u64;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
                Ok(Some(taken))
            }
            Framing::Chunked(decoder) => {
                // Each turn of this loop consumes framing or ends it: at most as many as the window has bytes.
                loop {
                    // A decoder goes on from where it stands, so one is tried on a copy: the handler may take less.
                    let mut ahead = *decoder;
                    let step = ahead.decode(window.filled()).map_err(BodyError::Framing)?;
                    let data = step.data;
                    // The chunk's size was said before its data came: refuse it by that.
                    if ahead.remaining_in_chunk().saturating_add(data.len() as u64) > self.allowed_left {
                        return Err(BodyError::TooLarge);
                    }
                    if data.is_empty() {
                        *decoder = ahead;
                        window.consume(step.consumed_len);
                        if decoder.is_finished() {
                            self.framing = Framing::Ended;
                            return Ok(Some(0));
                        }
                        if step.consumed_len == 0 || window.is_empty() {
                            return Ok(None);
                        }
                        continue;
                    }
                    let start = data.start;
                    let taken = take(&window.filled()[data.clone()]).min(data.len());
                    // The framing before the data, and as much of the data as was taken.
                    let fed = start + taken;
                    decoder.decode(&window.filled()[..fed]).map_err(BodyError::Framing)?;
                    window.consume(fed);
                    self.allowed_left -= taken as u64;
                    return Ok(Some(taken));
                }
            }
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
