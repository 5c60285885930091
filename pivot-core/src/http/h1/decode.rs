//! Decodes request heads: [`decode_head`].
//!
//! `httparse` finds the parts, at the speed of its vector instructions and without any of its lenient options; what it
//! still lets through and we do not (line ends of a lone LF, any number of empty lines, targets beyond ASCII) is
//! checked here, and what the fields mean is judged in the same pass that writes them into the table.
//!
//! A head often comes in pieces, and the pieces must not matter: an intermediary in front of us cut them differently.
//! So the decoder keeps no state, is given all bytes so far each time, and promises two things. A verdict, once given,
//! stays the same whatever comes behind it. And limits are judged by positions in the head, never by how much has arrived.
//! Decoding anew costs a slow client's head quadratic time, bounded by `head_size_max`; receiving that many
//! packets costs more.

use super::super::Method;
use super::fields::Fields;
pub use super::head_error::HeadError;
use super::request_line::{RequestLine, read_request_line};
use super::target::read_target;
use core::mem::MaybeUninit;
use httparse::Status::{Complete, Partial};

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
    /// Most fields of a head, at most [`HEADERS_CAP`] and the length of the table. Beyond it the answer is 431.
    pub headers_max: u16,
}

/// Most fields that a head can have, whatever the limits say: the decoder holds as many on its stack, in 2 KiB on a
/// 64-bit machine and 512 bytes on a 32-bit one.
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
    let skipped_len = match window {
        [b'\r' | b'\n', ..] => skip_empty_lines(window)?,
        _ => 0,
    };
    let message = window.get(skipped_len..).unwrap_or(&[]);
    let count_max = usize::from(limits.headers_max).min(headers.len()).min(HEADERS_CAP);

    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_CAP];
    let slots = slots.get_mut(..count_max).unwrap_or(&mut []);
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(message, slots);
    if let (Ok(Complete(len)), Some(method), Some(target), Some(version)) =
        (parsed, request.method, request.path, request.version)
        && target.len() <= usize::from(limits.target_size_max)
    {
        let target = target.as_bytes();
        let method = Method::from_token(method.as_bytes()).ok_or(HeadError::MethodUnknown)?;
        let parts = read_target(method, target).ok_or(HeadError::Target)?;
        let version = if version == 0 { Version::Http10 } else { Version::Http11 };
        let line = RequestLine { method, target, parts, version };
        return finish(window, skipped_len + len, line, request.headers, headers).map(Some);
    }
    decode_rare(window, skipped_len, parsed, limits, count_max, headers)
}

/// Decides about a head that `httparse` did not take as a whole, or whose target is too long.
#[cold]
fn decode_rare(
    window: &[u8],
    skipped_len: usize,
    parsed: httparse::Result<usize>,
    limits: &HeadLimits,
    count_max: usize,
    headers: &mut [HeaderSpan],
) -> Result<Option<Head>, HeadError> {
    let message = window.get(skipped_len..).unwrap_or(&[]);
    let is_full = window.len() == usize::from(limits.head_size_max);
    let Some((line, line_len)) = read_request_line(message, usize::from(limits.target_size_max))? else {
        return if is_full { Err(HeadError::TargetTooLong) } else { Ok(None) };
    };

    let mut slots;
    let parsed = match parsed {
        // A minor version above 1: the fields are yet to be parsed.
        Err(httparse::Error::Version) => {
            slots = [httparse::EMPTY_HEADER; HEADERS_CAP];
            let slots = slots.get_mut(..count_max).unwrap_or(&mut []);
            httparse::parse_headers(message.get(line_len..).unwrap_or(&[]), slots)
        }
        Err(error) => Err(error),
        Ok(_) => Ok(Partial),
    };
    match parsed {
        Ok(Complete((len, fields))) => {
            finish(window, skipped_len + line_len + len, line, fields, headers).map(Some)
        }
        Ok(Partial) if is_full => Err(HeadError::TooLong),
        Ok(Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyFields),
        Err(httparse::Error::HeaderName) => Err(HeadError::FieldName),
        Err(httparse::Error::HeaderValue) => Err(HeadError::FieldValue),
        // The request line is good, so it is the end of the head that has a CR without its LF.
        Err(_) => Err(HeadError::LineEnd),
    }
}

/// Judges a head whose parts are known, and fills the table.
#[inline]
fn finish(
    window: &[u8],
    len: usize,
    line: RequestLine<'_>,
    fields: &[httparse::Header<'_>],
    headers: &mut [HeaderSpan],
) -> Result<Head, HeadError> {
    let target = span(window, line.target);
    // `httparse` also takes a lone LF as the end of a line. It has made sure that an LF is there.
    let is_ended_by_cr = |line_end: usize| window.get(line_end.wrapping_sub(2)) == Some(&b'\r');
    let request_line_end = usize::from(target.start) + usize::from(target.len) + " HTTP/1.1\r\n".len();
    if !is_ended_by_cr(request_line_end) {
        return Err(HeadError::LineEnd);
    }

    let mut read = Fields::default();
    for (field, slot) in fields.iter().zip(headers.iter_mut()) {
        let name = span(window, field.name.as_bytes());
        if !is_ended_by_cr(usize::from(name.start)) {
            return Err(HeadError::LineEnd);
        }
        *slot = HeaderSpan { name, value: span(window, field.value) };
        read.read(field.name.as_bytes(), field.value)?;
    }
    if !is_ended_by_cr(len) || !is_ended_by_cr(len.wrapping_sub(2)) {
        return Err(HeadError::LineEnd);
    }

    let framing = read.finish(line.version)?;
    Ok(Head {
        method: line.method,
        version: line.version,
        len: len as u16,
        header_count: fields.len() as u16,
        target,
        path: span(window, line.parts.path),
        query: line.parts.query.map(|query| span(window, query)),
        host: span(window, line.parts.authority.unwrap_or(framing.host)),
        body: framing.body,
        keep_alive: framing.keep_alive,
        expect_continue: framing.expect_continue,
    })
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
fn span(whole: &[u8], part: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    Span { start: start as u16, len: part.len() as u16 }
}
