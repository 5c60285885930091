//! Decodes chunked content (RFC 9112, section 7.1): [`ChunkDecoder`].
//!
//! ```text
//!                 ┌─ Extension ─┐                       ┌─────────── data ───────────┐
//!                 │ ;        CR │                  > 0  v                            │
//! Size ──digits── Size ── CR ── SizeLf ── LF ──┬─────── Data ── DataCr ── DataLf ── Size
//!                                              │ 0
//!                                              v
//!                          ┌──────────── FieldStart ── CR ── EndLf ── LF ── End
//!                          │                 ^
//!                          Name ── : ── Value ── CR ── FieldLf
//! ```
//!
//! Every byte that is not data belongs to the framing, and framing is what an attacker gets for free: it never
//! reaches a handler and counts towards no limit of content. So leading zeros and extensions are bounded for each
//! chunk and for the whole body, and trailers by size and count. What is left is five bytes of framing for one of
//! data, at worst.
//!
//! A lone LF is refused everywhere. Proxies that take it for a line end inside an extension have been led to see
//! two requests where the server behind saw one.

use super::super::{Status, is_field_value_byte, is_token_byte};
use super::chunk_extension::{Extension, ExtensionStep};
use core::ops::Range;

/// Most hex digits of a chunk's size, leading zeros included: as many as 64 bits need.
pub const SIZE_DIGITS_MAX: u8 = 16;
/// Most bytes of extensions, and of white space before them, in one chunk.
pub const CHUNK_PADDING_SIZE_MAX: u16 = 256;
/// Most bytes of extensions, of white space before them, and of leading zeros in one body.
pub const BODY_PADDING_SIZE_MAX: u16 = 4_096;
/// Most bytes of all trailer fields, with their line ends.
pub const TRAILERS_SIZE_MAX: u16 = 1_024;
/// Most trailer fields.
pub const TRAILERS_MAX: u8 = 16;

/// Reads chunked content, wherever it was cut into pieces.
///
/// Extensions and trailers are checked and dropped.
///
/// # Examples
///
/// ```
/// use pivot_core::http::h1::chunked::ChunkDecoder;
///
/// let mut decoder = ChunkDecoder::new();
/// let mut input = &b"4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\nGET"[..];
/// let mut content = Vec::new();
/// while !decoder.is_finished() {
///     let step = decoder.decode(input)?;
///     content.extend_from_slice(&input[step.data]);
///     input = &input[step.consumed_len..];
/// }
/// assert_eq!(content, b"wikipedia");
/// assert_eq!(input, b"GET");
/// # Ok::<(), pivot_core::http::h1::chunked::ChunkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkDecoder {
    /// Bytes of the current chunk that are still to come.
    remaining_len: u64,
    chunk_padding_size: u16,
    body_padding_size: u16,
    trailers_size: u16,
    trailer_count: u8,
    digit_count: u8,
    /// Bytes of the trailer's name so far; stays at its largest value.
    name_len: u8,
    /// Which of [`FRAMING_NAMES`] the trailer's name can still become, a bit each.
    name_candidates: u8,
    state: State,
}

/// What one call of [`ChunkDecoder::decode`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkStep {
    /// How much of the input is done with, data included.
    pub consumed_len: usize,
    /// Where in the input content lies: at its consumed end, or nowhere.
    pub data: Range<usize>,
}

impl ChunkStep {
    const fn new(framing_len: usize, data_len: usize) -> Self {
        let consumed_len = framing_len + data_len;
        Self { consumed_len, data: framing_len..consumed_len }
    }
}

/// Why chunked content is refused. The connection cannot be used any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkError {
    /// A chunk's size is no hexadecimal number of at most [`SIZE_DIGITS_MAX`] digits.
    Size,
    /// A line, or a chunk, ends otherwise than with CRLF.
    LineEnd,
    /// An extension is no `name [ "=" value ]`.
    Extension,
    /// Extensions and leading zeros exceed [`CHUNK_PADDING_SIZE_MAX`] or [`BODY_PADDING_SIZE_MAX`].
    PaddingTooLong,
    /// A trailer is no field, is folded, or would change the framing.
    Trailer,
    /// Trailers exceed [`TRAILERS_SIZE_MAX`] or [`TRAILERS_MAX`].
    TrailersTooLong,
}

impl ChunkError {
    /// The status that answers it.
    pub const fn status(self) -> Status {
        match self {
            Self::TrailersTooLong => Status::HEADER_FIELDS_TOO_LARGE,
            _ => Status::BAD_REQUEST,
        }
    }

    /// A label for counters and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Size => "chunk_size",
            Self::LineEnd => "chunk_line_end",
            Self::Extension => "chunk_extension",
            Self::PaddingTooLong => "chunk_padding_too_long",
            Self::Trailer => "trailer",
            Self::TrailersTooLong => "trailers_too_long",
        }
    }
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkDecoder {
    /// A decoder before the first byte of the content.
    pub const fn new() -> Self {
        Self {
            remaining_len: 0,
            chunk_padding_size: 0,
            body_padding_size: 0,
            trailers_size: 0,
            trailer_count: 0,
            digit_count: 0,
            name_len: 0,
            name_candidates: 0,
            state: State::Size,
        }
    }

    /// Reads on at `input`: framing up to the next run of content, and that run.
    ///
    /// Consumes all of `input`, or stops behind a run of content or behind the end of the body. Call it again with the
    /// rest until `input` is empty or [`is_finished`](Self::is_finished). After the end it consumes nothing.
    ///
    /// # Errors
    ///
    /// Says why the content is refused, and says the same again on every later call.
    pub fn decode(&mut self, input: &[u8]) -> Result<ChunkStep, ChunkError> {
        let mut consumed_len = 0;
        loop {
            match self.state {
                State::Data => break,
                State::End => return Ok(ChunkStep::new(consumed_len, 0)),
                State::Failed(error) => return Err(error),
                _ => {}
            }
            let Some(&byte) = input.get(consumed_len) else {
                return Ok(ChunkStep::new(consumed_len, 0));
            };
            self.state = self.next(byte).unwrap_or_else(State::Failed);
            consumed_len += 1;
        }
        let available_len = input.len() - consumed_len;
        let data_len = usize::try_from(self.remaining_len).unwrap_or(usize::MAX).min(available_len);
        self.remaining_len -= data_len as u64;
        if self.remaining_len == 0 {
            self.state = State::DataCr;
        }
        Ok(ChunkStep::new(consumed_len, data_len))
    }

    /// How much of the current chunk is still to come: a limit of content can refuse it before it is sent.
    pub const fn remaining_in_chunk(&self) -> u64 {
        match self.state {
            State::Data => self.remaining_len,
            _ => 0,
        }
    }

    /// Whether the body has ended, trailers included.
    pub fn is_finished(&self) -> bool {
        self.state == State::End
    }

    /// Takes in one byte of framing and says the next state.
    fn next(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.add_digit(byte),
            (State::Size, b'\r') if self.digit_count > 0 => Ok(State::SizeLf),
            // White space is read and bounded only where an extension follows it (BWS).
            (State::Size, b';' | b' ' | b'\t') if self.digit_count > 0 => self.extend(Extension::Space, byte),
            (State::Size, _) => Err(ChunkError::Size),
            (State::Extension(state), _) => self.extend(state, byte),

            (State::SizeLf, b'\n') if self.remaining_len > 0 => Ok(State::Data),
            (State::SizeLf, b'\n') => Ok(State::FieldStart),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.digit_count = 0;
                self.chunk_padding_size = 0;
                Ok(State::Size)
            }
            (State::EndLf, b'\n') => Ok(State::End),
            (State::SizeLf | State::DataCr | State::DataLf | State::EndLf, _) => Err(ChunkError::LineEnd),

            (State::FieldStart, b'\r') => Ok(State::EndLf),
            (State::FieldStart, b'\n') => Err(ChunkError::LineEnd),
            (State::FieldStart, _) if self.trailer_count == TRAILERS_MAX => Err(ChunkError::TrailersTooLong),
            (State::FieldStart, _) => {
                self.trailer_count += 1;
                self.name_len = 0;
                self.name_candidates = !0;
                self.add_name_byte(byte)
            }
            (State::Name, b':') if self.is_framing_name() => Err(ChunkError::Trailer),
            (State::Name, b':') => self.trail(State::Value),
            (State::Name, _) => self.add_name_byte(byte),
            (State::Value, b'\r') => self.trail(State::FieldLf),
            (State::Value, b'\n') => Err(ChunkError::LineEnd),
            (State::Value, _) if is_field_value_byte(byte) => self.trail(State::Value),
            (State::Value, _) => Err(ChunkError::Trailer),
            (State::FieldLf, b'\n') => self.trail(State::FieldStart),
            (State::FieldLf, _) => Err(ChunkError::LineEnd),

            // Not framing: `decode` does not ask.
            (State::Data | State::End | State::Failed(_), _) => Ok(self.state),
        }
    }

    fn add_digit(&mut self, byte: u8) -> Result<State, ChunkError> {
        if self.digit_count == SIZE_DIGITS_MAX {
            return Err(ChunkError::Size);
        }
        let is_leading_zero = self.digit_count > 0 && self.remaining_len == 0;
        self.digit_count += 1;
        let value = if byte.is_ascii_digit() { byte - b'0' } else { (byte | 0x20) - b'a' + 10 };
        self.remaining_len = self.remaining_len << 4 | u64::from(value);
        if is_leading_zero { self.pad(State::Size) } else { Ok(State::Size) }
    }

    fn extend(&mut self, state: Extension, byte: u8) -> Result<State, ChunkError> {
        match state.next(byte) {
            Some(ExtensionStep::Goes(next)) => self.pad(State::Extension(next)),
            Some(ExtensionStep::Ends) => Ok(State::SizeLf),
            // Space behind a size that no extension follows.
            None if state == Extension::Space => Err(ChunkError::Size),
            None => Err(ChunkError::Extension),
        }
    }

    /// Counts a byte that says nothing.
    fn pad(&mut self, next: State) -> Result<State, ChunkError> {
        self.chunk_padding_size += 1;
        self.body_padding_size += 1;
        if self.chunk_padding_size > CHUNK_PADDING_SIZE_MAX || self.body_padding_size > BODY_PADDING_SIZE_MAX
        {
            return Err(ChunkError::PaddingTooLong);
        }
        Ok(next)
    }

    /// Counts a byte of a trailer field.
    fn trail(&mut self, next: State) -> Result<State, ChunkError> {
        self.trailers_size += 1;
        if self.trailers_size > TRAILERS_SIZE_MAX {
            return Err(ChunkError::TrailersTooLong);
        }
        Ok(next)
    }

    fn add_name_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        if !is_token_byte(byte) {
            return Err(ChunkError::Trailer);
        }
        let lower = byte.to_ascii_lowercase();
        for (index, name) in FRAMING_NAMES.iter().enumerate() {
            if name.get(usize::from(self.name_len)) != Some(&lower) {
                self.name_candidates &= !(1 << index);
            }
        }
        self.name_len = self.name_len.saturating_add(1);
        self.trail(State::Name)
    }

    fn is_framing_name(&self) -> bool {
        FRAMING_NAMES.iter().enumerate().any(|(index, name)| {
            self.name_candidates & 1 << index != 0 && name.len() == usize::from(self.name_len)
        })
    }
}

/// Names that no trailer may have (RFC 9110, section 6.5.1): they would frame or route the message after the fact.
const FRAMING_NAMES: [&[u8]; 5] =
    [b"content-length", b"transfer-encoding", b"host", b"connection", b"expect"];

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A chunk's size.
    Size,
    /// Extensions.
    Extension(Extension),
    /// The LF of a size line.
    SizeLf,
    /// Content.
    Data,
    /// The CR behind a chunk.
    DataCr,
    /// The LF behind a chunk.
    DataLf,
    /// A trailer or the empty line at the end.
    FieldStart,
    /// A trailer's name.
    Name,
    /// A trailer's value.
    Value,
    /// The LF of a trailer.
    FieldLf,
    /// The LF of the empty line.
    EndLf,
    /// The next message.
    End,
    /// Nothing any more.
    Failed(ChunkError),
}
