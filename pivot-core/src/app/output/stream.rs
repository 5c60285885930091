//! Content that goes out piece by piece.

use core::task::{Context, Poll};

use super::{ContentType, Framing, Output, SendError, Stage};
use crate::app::Clockface;
use crate::http::Digits;
use crate::http::h1::decode::Version;

impl Output {
    /// Closes the head of an answer whose content follows piece by piece, `len` bytes if that is known.
    pub(in crate::app) fn start_stream(
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
        if !self.is_detached {
            self.insert_persistence()?;
        }
        if !self.buffer.as_mut().is_some_and(|buffer| buffer.push(b"\r\n")) {
            return self.fail(SendError::Full);
        }
        self.stage = Stage::Content;
        // One that nobody sends yet can still be changed, and is settled like one that was given whole.
        self.is_committed = !self.is_detached;
        Ok(())
    }

    /// Appends as much content as there is room for; waits for room if there is none.
    pub(in crate::app) fn poll_write(
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
            return self.poll_room(context);
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
    pub(in crate::app) fn poll_fill(
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
            return self.poll_room(context);
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
    pub(in crate::app) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_detached || self.sendable().is_empty() {
            return Poll::Ready(());
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits for room, where somebody makes it.
    fn poll_room<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T, SendError>> {
        if self.is_detached {
            return Poll::Ready(self.fail(SendError::Full));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ends streamed content.
    pub(in crate::app) fn finish_stream(&mut self) -> Result<(), SendError> {
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
}

/// The digits of a size, and two line ends.
const CHUNK_OVERHEAD: usize = 20;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
