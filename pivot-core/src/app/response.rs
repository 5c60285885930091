//! Answering a request.

use core::future::poll_fn;

use super::cursor::Cursor;
use super::exchange::Exchange;
use super::output::{ContentType, SendError};
use crate::http::{Status, decimal_len, write_decimal};

/// The right to answer one request, once.
///
/// It goes by value, so answering twice does not compile. Whatever it was not used for, the client gets an
/// answer: a handler that drops it has failed, and that is a 500.
#[derive(Debug)]
pub struct Response<'r> {
    pub(super) exchange: &'r Exchange,
}

/// The proof that a request was answered.
#[derive(Debug)]
#[must_use = "return it: it is the proof that the request was answered"]
pub struct Sent(());

impl Sent {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl<'r> Response<'r> {
    /// The answer to what an exchange is about.
    pub fn new(exchange: &'r Exchange) -> Self {
        Self { exchange }
    }

    /// Sets the status; 200 if it is never called. An error shows when the content is given.
    #[must_use]
    pub fn status(self, code: u16) -> Self {
        set_status(self.exchange, code);
        self
    }

    /// Adds a header field. An error shows when the content is given.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let _ = self.exchange.windows().output.add_header(name, value.as_bytes(), self.exchange.clock);
        self
    }

    /// Closes the connection after this answer.
    #[must_use]
    pub fn close(self) -> Self {
        self.exchange.windows().output.close_after();
        self
    }

    /// Answers with plain text.
    ///
    /// # Errors
    /// [`SendError`], as for every other way to answer: of the status and the headers too. The client gets a 500.
    pub fn text(self, content: &str) -> Result<Sent, SendError> {
        self.whole(ContentType::Text, content.as_bytes())
    }

    /// Answers with a page.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn html(self, content: &str) -> Result<Sent, SendError> {
        self.whole(ContentType::Html, content.as_bytes())
    }

    /// Answers with bytes that fit into the output buffer; [`Response::sized`] takes longer ones.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn bytes(self, content_type: &str, content: &[u8]) -> Result<Sent, SendError> {
        self.whole(ContentType::named(content_type), content)
    }

    /// Answers with what `write` puts into the room that there is; `None` from it says that it did not fit.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn fill(
        self,
        content_type: &str,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<Sent, SendError> {
        self.finish(
            ContentType::named(content_type),
            |space| write(space).filter(|&len| len <= space.len()),
            None,
        )
    }

    /// Answers with pieces of text and numbers, one behind the other.
    ///
    /// For what is small and asked for often: an answer of five pieces takes a fifth of the instructions that
    /// [`Response::format`] takes for it.
    ///
    /// ```
    /// use pivot_core::app::{Part, Request, Response, SendError, Sent};
    /// async fn count(_: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
    ///     res.parts("application/json", &[Part::Text("{\"count\":"), Part::Number(7), Part::Text("}")])
    /// }
    /// # let _ = pivot_core::app::get("/", count);
    /// ```
    ///
    /// # Errors
    /// As for [`Response::text`].
    #[inline]
    pub fn parts(self, content_type: &str, parts: &[Part<'_>]) -> Result<Sent, SendError> {
        let len = parts.iter().map(Part::len).sum();
        let write = |space: &mut [u8]| {
            let mut rest = space.get_mut(..len)?;
            for part in parts {
                let (place, after) = rest.split_at_mut_checked(part.len())?;
                part.write(place);
                rest = after;
            }
            Some(len)
        };
        self.finish(ContentType::named(content_type), write, Some(len))
    }

    /// Answers with text that is formatted in place.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn format(self, content_type: &str, content: core::fmt::Arguments<'_>) -> Result<Sent, SendError> {
        self.fill(content_type, |space| {
            let mut cursor = Cursor::new(space);
            core::fmt::write(&mut cursor, content).ok()?;
            Some(cursor.len())
        })
    }

    /// Answers with JSON.
    ///
    /// # Errors
    /// As for [`Response::text`]; [`SendError::Full`] too for what cannot be serialised.
    #[cfg(feature = "json")]
    pub fn json(self, content: &impl serde::Serialize) -> Result<Sent, SendError> {
        self.finish(ContentType::Json, |space| serde_json_core::to_slice(content, space).ok(), None)
    }

    /// Sends the client elsewhere, with 301, 302, 303, 307 or 308.
    ///
    /// # Errors
    /// As for [`Response::text`]; [`SendError::InvalidStatus`] for another status.
    pub fn redirect(self, code: u16, location: &str) -> Result<Sent, SendError> {
        let code = if matches!(code, 301 | 302 | 303 | 307 | 308) { code } else { 0 };
        self.status(code).header("location", location).finish(ContentType::Absent, |_| Some(0), Some(0))
    }

    /// Answers without content.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn empty(self) -> Result<Sent, SendError> {
        self.finish(ContentType::Absent, |_| Some(0), Some(0))
    }

    /// Starts content of unknown length. It is on its way with the first write.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn stream(self, content_type: &str) -> Result<BodyWriter<'r>, SendError> {
        self.start(ContentType::Value(content_type), None)
    }

    /// Starts content of `len` bytes, of any length.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn sized(self, content_type: &str, len: u64) -> Result<BodyWriter<'r>, SendError> {
        self.start(ContentType::Value(content_type), Some(len))
    }

    /// Starts a stream of server-sent events.
    ///
    /// # Errors
    /// As for [`Response::text`].
    pub fn events(self) -> Result<EventWriter<'r>, SendError> {
        let kind = ContentType::Value("text/event-stream");
        Ok(EventWriter { body: self.header("cache-control", "no-store").start(kind, None)? })
    }

    fn start(self, kind: ContentType<'_>, len: Option<u64>) -> Result<BodyWriter<'r>, SendError> {
        self.exchange.windows().output.start_stream(kind, len, self.exchange.clock)?;
        Ok(BodyWriter { exchange: self.exchange })
    }

    fn whole(self, kind: ContentType<'_>, content: &[u8]) -> Result<Sent, SendError> {
        let write = |space: &mut [u8]| {
            space.get_mut(..content.len())?.copy_from_slice(content);
            Some(content.len())
        };
        self.finish(kind, write, Some(content.len()))
    }

    fn finish(
        self,
        kind: ContentType<'_>,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
        len: Option<usize>,
    ) -> Result<Sent, SendError> {
        self.exchange.windows().output.finish_with(kind, self.exchange.clock, write, len)?;
        Ok(Sent::new())
    }
}

/// A piece of an answer; see [`Response::parts`].
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// This text, as it is.
    Text(&'a str),
    /// This number to the base of ten.
    Number(u64),
}

impl Part<'_> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(number) => decimal_len(*number),
        }
    }

    /// Fills `place`, which is exactly as long as is needed.
    #[inline]
    fn write(&self, place: &mut [u8]) {
        match self {
            Self::Text(text) => place.copy_from_slice(text.as_bytes()),
            Self::Number(number) => {
                write_decimal(*number, place);
            }
        }
    }
}

/// Content that is written piece by piece, with back-pressure: a write waits while the client does not read.
#[derive(Debug)]
pub struct BodyWriter<'r> {
    exchange: &'r Exchange,
}

impl BodyWriter<'_> {
    /// Writes all of `content`.
    ///
    /// # Errors
    /// [`SendError::WrongLength`] beyond the length that was announced; [`SendError::Full`] from the handler of a blocking
    /// route, whose whole answer has to fit into the output buffer. A client that vanishes is no error here:
    /// the handler is dropped.
    pub async fn write(&mut self, mut content: &[u8]) -> Result<(), SendError> {
        while !content.is_empty() {
            let written =
                poll_fn(|context| self.exchange.windows().output.poll_write(context, content)).await?;
            content = &content[written..];
        }
        Ok(())
    }

    /// Writes what `write` puts into the room that there is, which is never more than what is still to come of a length that
    /// was announced. `None` from it says that the room did not suffice: it is
    /// called again when there is more.
    ///
    /// # Errors
    /// [`SendError::Full`] if even the whole output buffer does not suffice.
    pub async fn fill(&mut self, mut write: impl FnMut(&mut [u8]) -> Option<usize>) -> Result<(), SendError> {
        poll_fn(|context| self.exchange.windows().output.poll_fill(context, &mut write)).await
    }

    /// Waits until the socket has taken what was written.
    pub async fn flush(&mut self) {
        poll_fn(|context| self.exchange.windows().output.poll_flush(context)).await;
    }

    /// Ends the content.
    ///
    /// # Errors
    /// [`SendError::WrongLength`] if less was written than was announced; the connection is closed then.
    pub fn finish(self) -> Result<Sent, SendError> {
        self.exchange.windows().output.finish_stream()?;
        Ok(Sent::new())
    }
}

impl embedded_io_async::Error for SendError {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        match self {
            Self::Full | Self::WrongLength => embedded_io_async::ErrorKind::WriteZero,
            _ => embedded_io_async::ErrorKind::InvalidInput,
        }
    }
}

impl embedded_io_async::ErrorType for BodyWriter<'_> {
    type Error = SendError;
}

impl embedded_io_async::Write for BodyWriter<'_> {
    async fn write(&mut self, content: &[u8]) -> Result<usize, SendError> {
        BodyWriter::write(self, content).await?;
        Ok(content.len())
    }

    async fn flush(&mut self) -> Result<(), SendError> {
        BodyWriter::flush(self).await;
        Ok(())
    }
}

/// Server-sent events (WHATWG HTML, section 9.2).
#[derive(Debug)]
pub struct EventWriter<'r> {
    body: BodyWriter<'r>,
}

impl EventWriter<'_> {
    /// Sends one event; each line of `data` becomes a `data:` line. It is on its way when this is done.
    ///
    /// # Errors
    /// [`SendError::InvalidHeader`] for a name with a line break.
    pub async fn send(&mut self, name: Option<&str>, data: &str) -> Result<(), SendError> {
        if let Some(name) = name {
            if name.contains(['\r', '\n']) {
                return Err(SendError::InvalidHeader);
            }
            self.line("event: ", name).await?;
        }
        // CRLF, LF and CR each end a line there.
        let mut rest = data;
        loop {
            let end = rest.find(['\r', '\n']);
            self.line("data: ", &rest[..end.unwrap_or(rest.len())]).await?;
            let Some(end) = end else { break };
            let len = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            rest = &rest[end + len..];
        }
        self.body.write(b"\n").await?;
        // An event is for now.
        self.body.flush().await;
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// None in practice; the type is that of every ending.
    pub fn finish(self) -> Result<Sent, SendError> {
        self.body.finish()
    }

    async fn line(&mut self, field: &str, value: &str) -> Result<(), SendError> {
        self.body.write(field.as_bytes()).await?;
        self.body.write(value.as_bytes()).await?;
        self.body.write(b"\n").await
    }
}

/// An answer that a handler has given, as middleware around it sees it: it can still be changed, unless it streams.
#[derive(Debug)]
pub struct Answered<'r> {
    pub(super) exchange: &'r Exchange,
}

impl Answered<'_> {
    /// The status that was answered.
    pub fn code(&self) -> u16 {
        self.exchange.windows().output.status().code()
    }

    /// Changes the status. Too late for an answer that streams: then nothing happens.
    #[must_use]
    pub fn status(self, code: u16) -> Self {
        if self.exchange.windows().output.can_restart() {
            set_status(self.exchange, code);
        }
        self
    }

    /// Adds a header field. Too late for an answer that streams: then nothing happens.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        if self.exchange.windows().output.can_restart() {
            let _ = self.exchange.windows().output.add_header(name, value.as_bytes(), self.exchange.clock);
        }
        self
    }

    /// Leaves the answer as it is.
    pub fn sent(self) -> Sent {
        Sent::new()
    }
}

fn set_status(exchange: &Exchange, code: u16) {
    // 100 is refused like every other status that cannot end an exchange.
    let status = Status::from_code(code).unwrap_or(Status::CONTINUE);
    let _ = exchange.windows().output.set_status(status);
}
