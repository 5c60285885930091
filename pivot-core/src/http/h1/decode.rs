//! Decodes request heads: [`decode_head`].
//!
//! One pass, line by line, eight bytes a step: a line is checked, its parts are written down as places in the head, and
//! what a field means is judged before the next is looked at. The first mistake settles the verdict.
//!
//! A head often comes in pieces, and the pieces must not matter: an intermediary in front of us cut them differently.
//! So the decoder keeps no state, is given all bytes so far each time, and promises two things. A verdict, once given,
//! stays the same whatever comes behind it. And limits are judged by positions in the head, never by how much has arrived.
//! Decoding anew costs a slow client's head quadratic time, bounded by `head_size_max`; receiving that many
//! packets costs more.

use super::super::Method;
use super::fields::Fields;
pub use super::head_error::HeadError;
use super::reader::Reader;
use super::request_line::{read_ordinary_line, read_request_line};

/// A part of the head buffer: `start..start + len`. Heads are at most 65,535 bytes, so 16 bits suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte, counted from the start of the head.
    pub start: u16,
    /// Length in bytes.
    pub len: u16,
}

impl Span {
    /// The bytes that the span covers; empty if it lies outside of `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        bytes.get(start..start + usize::from(self.len)).unwrap_or(&[])
    }
}

/// Where one header field lies in the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSpan {
    /// The field's name, as it was sent.
    pub name: Span,
    /// The field's value, without surrounding white space.
    pub value: Span,
}

/// The value of the last field with this name, in any case: what the nearest proxy has written. `bytes` is what the table refers to.
pub fn last_field<'b>(fields: &[HeaderSpan], bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let has_name = |span: &&HeaderSpan| span.name.of(bytes).eq_ignore_ascii_case(name.as_bytes());
    fields.iter().rfind(has_name).map(|span| span.value.of(bytes))
}

/// The protocol version that a request names. Higher minor versions of HTTP/1 count as 1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How a request's content is delimited (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// No content follows the head.
    #[default]
    None,
    /// Content-Length, at least 1.
    Exact(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// The index of a decoded head. It holds no text, only where the text lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The request method.
    pub method: Method,
    /// The protocol version.
    pub version: Version,
    /// Length of the whole head in bytes, with the empty line, and with empty lines before the request line.
    pub len: u16,
    /// How many entries of the header table are filled.
    pub header_count: u16,
    /// The request target as sent.
    pub target: Span,
    /// The path of the target, which begins with `/`. It is empty only where no resource is named: for `*`, for
    /// OPTIONS of an absolute form without path and query, and for CONNECT. Elsewhere an absolute form without a path
    /// has the path `/`, and the span is that of a slash in the target.
    pub path: Span,
    /// What follows the `?` of the target.
    pub query: Option<Span>,
    /// The authority: of the target if it has one (absolute form, CONNECT), else the value of Host, which may be empty.
    pub host: Span,
    /// What the client says of the time that it waits (`grpc-timeout`); empty if it says nothing.
    pub time_left: Span,
    /// How the content is delimited.
    pub body: BodyLength,
    /// Whether the client lets the connection stay open after the answer.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends content. False where no content follows.
    pub expect_continue: bool,
}

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes of a whole head, with its empty line. Beyond it the answer is 431, or 414 if the request line
    /// alone does not fit.
    pub head_size_max: u16,
    /// Most bytes of a request target. Beyond it the answer is 414.
    pub target_size_max: u16,
    /// Most fields of a head, at most the length of the table. Beyond it the answer is 431.
    pub headers_max: u16,
}

/// Most fields that a head can have, whatever the limits say. Each request in progress has a table for as many as its
/// limit: eight bytes a field.
pub const HEADERS_CAP: usize = if size_of::<usize>() >= 8 { 64 } else { 32 };

/// Most CRLFs that are skipped before a request line. RFC 9112, section 2.2, asks for at least one: old clients end
/// content with a CRLF that is not counted.
pub const EMPTY_LINES_MAX: usize = 2;

/// Decodes the request head at the start of `bytes`: all that came so far, from the head's first byte on.
///
/// Writes the fields into `headers`, in their order. `Ok(None)` means that more bytes are needed, and comes only
/// while there are fewer than `head_size_max`. The answer depends on nothing but the arguments, and once it is not
/// `Ok(None)`, it is the same for every longer input. Looks at no byte more often than a small constant number of times.
///
/// # Errors
///
/// Says why the head is refused, see [`HeadError`].
///
/// # Examples
///
/// ```
/// use pivot_core::http::h1::decode::{HeadLimits, HeaderSpan, decode_head};
///
/// let limits = HeadLimits { head_size_max: 4096, target_size_max: 1024, headers_max: 16 };
/// let mut headers = [HeaderSpan::default(); 16];
/// let bytes = b"GET /users?page=2 HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// assert_eq!(decode_head(&bytes[..20], &limits, &mut headers), Ok(None));
/// let head = decode_head(bytes, &limits, &mut headers).unwrap().unwrap();
/// assert_eq!(head.path.of(bytes), b"/users");
/// assert_eq!(headers[0].value.of(bytes), b"a.example");
/// ```
pub fn decode_head(
    bytes: &[u8],
    limits: &HeadLimits,
    headers: &mut [HeaderSpan],
) -> Result<Option<Head>, HeadError> {
    let window = bytes.get(..usize::from(limits.head_size_max)).unwrap_or(bytes);
    let mut reader = Reader::new(window);
    if let [b'\r' | b'\n', ..] = window {
        reader.skip(skip_empty_lines(window)?);
    }
    let at_line = reader;
    let line = match read_ordinary_line(&mut reader) {
        Some(line) if line.target.len <= limits.target_size_max => line,
        _ => {
            reader = at_line;
            match read_request_line(window, reader.at(), usize::from(limits.target_size_max))? {
                Some((line, len)) => {
                    reader.skip(len);
                    line
                }
                None => return more(window, limits, HeadError::TargetTooLong),
            }
        }
    };

    let count_max = usize::from(limits.headers_max).min(headers.len());
    let table = headers.get_mut(..count_max).unwrap_or(&mut []);
    let mut count = 0;
    let mut fields = Fields::default();
    // Without any field, the empty line comes at once.
    let mut is_end = reader.next() == Some(b"\r\n");
    while !is_end {
        let start = reader.at();
        // The field that every request has, as nearly all write it, is known at one look.
        let word = reader.word();
        let is_host = word & HOST_MASK == HOST;
        if is_host {
            reader.skip(4);
        } else if reader.skip_token(word) != b':' || reader.at() == start {
            let verdict = no_name(reader.at() == start, reader.rest());
            return verdict.map_or_else(|| more(window, limits, HeadError::TooLong), Err);
        }
        let name = reader.span_from(start);
        let Some(slot) = table.get_mut(count) else { return Err(HeadError::TooManyFields) };
        count += 1;

        reader.skip(1);
        reader.skip_white();
        let start = reader.at();
        reader.skip_value();
        let ending = reader.next().map_or(0, |ending| u32::from_le_bytes(*ending));
        if ending as u16 != CRLF {
            return no_line_end(reader.rest()).map_or_else(|| more(window, limits, HeadError::TooLong), Err);
        }
        let mut value_end = reader.at();
        while value_end > start && matches!(window.get(value_end - 1), Some(b' ' | b'\t')) {
            value_end -= 1;
        }
        let value = Span { start: start as u16, len: (value_end - start) as u16 };
        *slot = HeaderSpan { name, value };
        if is_host {
            fields.read_host(value.of(window), value)?;
        } else {
            fields.read(window, name, value)?;
        }
        reader.skip(2);
        is_end = ending >> 16 == u32::from(CRLF);
    }

    let framing = fields.finish(line.version)?;
    Ok(Some(Head {
        method: line.method,
        version: line.version,
        len: (reader.at() + 2) as u16,
        header_count: count as u16,
        target: line.target,
        path: line.path,
        query: line.query,
        host: if line.authority.len > 0 { line.authority } else { framing.host },
        time_left: framing.time_left,
        body: framing.body,
        keep_alive: framing.keep_alive,
        expect_continue: framing.expect_continue,
    }))
}

/// Why there is no field's name before `rest`; `None` if there could still be one.
#[cold]
fn no_name(is_empty: bool, rest: &[u8]) -> Option<HeadError> {
    match rest {
        [] => None,
        [b'\r'] if is_empty => None,
        [b'\r' | b'\n', ..] if is_empty => Some(HeadError::LineEnd),
        _ => Some(HeadError::FieldName),
    }
}

/// Why a field's value does not end at `rest` as a line does that another follows; `None` if it still could.
#[cold]
fn no_line_end(rest: &[u8]) -> Option<HeadError> {
    match rest {
        [] | [b'\r'] | [b'\r', b'\n', ..] => None,
        [b'\r' | b'\n', ..] => Some(HeadError::LineEnd),
        _ => Some(HeadError::FieldValue),
    }
}

/// Asks for more bytes, or says what is too long if there is no room for more.
#[cold]
fn more(window: &[u8], limits: &HeadLimits, too_long: HeadError) -> Result<Option<Head>, HeadError> {
    if window.len() == usize::from(limits.head_size_max) { Err(too_long) } else { Ok(None) }
}

/// The length of the empty lines at the start of `window`.
#[cold]
fn skip_empty_lines(window: &[u8]) -> Result<usize, HeadError> {
    for (index, &byte) in window.iter().enumerate() {
        match (byte, index % 2) {
            (b'\r', 0) if index < EMPTY_LINES_MAX * 2 => {}
            (b'\n', 1) => {}
            (b'\r' | b'\n', _) | (_, 1) => return Err(HeadError::LineEnd),
            _ => return Ok(index),
        }
    }
    // An incomplete line is no line yet; the window ends behind it.
    Ok(window.len())
}

/// Where `part` lies in `whole`, whose length fits in 16 bits. A part from elsewhere, such as the empty path of `*`,
/// becomes an empty span.
#[inline]
pub(super) fn span(whole: &[u8], part: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    Span { start: start as u16, len: part.len() as u16 }
}

const CRLF: u16 = u16::from_le_bytes(*b"\r\n");
/// `Host:` as a word.
const HOST: u64 = u64::from_le_bytes(*b"Host:\0\0\0");
/// The bytes of [`HOST`].
const HOST_MASK: u64 = u64::MAX >> 24;
