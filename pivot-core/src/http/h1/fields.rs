//! The six fields that say how a message is framed, where it goes, whether the connection lasts, and how long the client waits.
//!
//! All fields of a head are looked at once, in their order. A field that is none of the six costs a comparison of its
//! length and at most one of its name.

use super::super::authority::is_authority;
use super::super::header::is_folded;
use super::super::{NumberError, is_token, list, parse_decimal, trim};
use super::decode::{BodyLength, Span, Version};
use super::head_error::HeadError;

/// What the fields read so far have said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    host: Option<Span>,
    time_left: Span,
    content_length: Option<u64>,
    transfer_coding: TransferCoding,
    expectation: Expectation,
    has_close: bool,
    has_keep_alive: bool,
}

/// What the fields of a whole head mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    pub(super) host: Span,
    pub(super) time_left: Span,
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
}

impl Fields {
    /// Takes in one field of `head`, whose name is a token and whose value has no control characters.
    #[inline]
    pub(super) fn read(&mut self, head: &[u8], name: Span, value: Span) -> Result<(), HeadError> {
        if matches!(name.len, 4 | 6 | 10 | 12 | 14 | 17) {
            self.read_known(name.of(head), value.of(head), value)
        } else {
            Ok(())
        }
    }

    /// As [`read`](Self::read), if the name may be one of the six by its length.
    fn read_known(&mut self, name: &[u8], value: &[u8], place: Span) -> Result<(), HeadError> {
        match name.len() {
            4 if is_folded(name, b"host") => return self.read_host(value, place),
            6 if is_folded(name, b"expect") => self.read_expect(value),
            10 if is_folded(name, b"connection") => self.read_connection(value),
            // The last one counts: what the nearest proxy has written.
            12 if is_folded(name, b"grpc-timeout") => self.time_left = place,
            14 if is_folded(name, b"content-length") => return self.read_content_length(value),
            17 if is_folded(name, b"transfer-encoding") => return self.read_transfer_encoding(value),
            _ => {}
        }
        Ok(())
    }

    /// What all the fields together mean, or why they contradict one another or the version.
    #[inline]
    pub(super) fn finish(self, version: Version) -> Result<Framing, HeadError> {
        let host = match (self.host, version) {
            (Some(host), _) => host,
            (None, Version::Http10) => Span::default(),
            (None, Version::Http11) => return Err(HeadError::HostMissing),
        };
        let body = match (self.transfer_coding, self.content_length) {
            (TransferCoding::Absent, None | Some(0)) => BodyLength::None,
            (TransferCoding::Absent, Some(len)) => BodyLength::Exact(len),
            // Either could be the one that a proxy in front believed: RFC 9112, section 6.3.
            (_, Some(_)) => return Err(HeadError::LengthConflict),
            // A proxy that speaks 1.0 does not know the field (RFC 9112, section 6.1).
            _ if version == Version::Http10 => return Err(HeadError::TransferEncoding),
            (TransferCoding::Chunked, None) => BodyLength::Chunked,
            (TransferCoding::ChunkedOverOther, None) => return Err(HeadError::TransferEncodingUnknown),
            // Not chunked in the end, so nobody knows where it ends: 400 by RFC 9112, section 6.3, even where
            // the coding is unknown too.
            (TransferCoding::Empty | TransferCoding::Other, None) => return Err(HeadError::TransferEncoding),
        };
        let expectation = if version == Version::Http10 { Expectation::None } else { self.expectation };
        if expectation == Expectation::Unknown {
            return Err(HeadError::Expectation);
        }
        Ok(Framing {
            host,
            time_left: self.time_left,
            body,
            keep_alive: !self.has_close && (version == Version::Http11 || self.has_keep_alive),
            expect_continue: expectation == Expectation::Continue && body != BodyLength::None,
        })
    }

    /// Takes in a Host field, whose value is at `place`.
    #[inline]
    pub(super) fn read_host(&mut self, value: &[u8], place: Span) -> Result<(), HeadError> {
        if self.host.is_some() {
            return Err(HeadError::HostRepeated);
        }
        if !is_authority(value) {
            return Err(HeadError::Host);
        }
        self.host = Some(place);
        Ok(())
    }

    #[inline(never)]
    fn read_expect(&mut self, value: &[u8]) {
        for expectation in list(value) {
            let is_continue = is_folded(expectation, b"100-continue");
            if !is_continue {
                self.expectation = Expectation::Unknown;
            } else if self.expectation == Expectation::None {
                self.expectation = Expectation::Continue;
            }
        }
    }

    #[inline(never)]
    fn read_connection(&mut self, value: &[u8]) {
        // What most clients send, without the way through the list.
        if is_folded(value, b"keep-alive") {
            self.has_keep_alive = true;
            return;
        }
        for option in list(value) {
            self.has_close |= is_folded(option, b"close");
            self.has_keep_alive |= is_folded(option, b"keep-alive");
        }
    }

    #[inline(never)]
    fn read_content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.content_length.is_some() {
            return Err(HeadError::ContentLengthRepeated);
        }
        self.content_length = Some(parse_decimal(value).map_err(|error| match error {
            NumberError::NotANumber => HeadError::ContentLength,
            NumberError::TooLarge => HeadError::ContentLengthTooLarge,
        })?);
        Ok(())
    }

    #[inline(never)]
    fn read_transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        // A field without a coding is not the same as no field.
        if self.transfer_coding == TransferCoding::Absent {
            self.transfer_coding = TransferCoding::Empty;
        }
        for coding in list(value) {
            let mut parts = coding.splitn(2, |&byte| byte == b';');
            let name = trim(parts.next().unwrap_or(&[]));
            let has_parameters = parts.next().is_some();
            self.transfer_coding = match (self.transfer_coding, is_folded(name, b"chunked")) {
                // Chunked has no parameters, comes once, and comes last.
                (TransferCoding::Chunked | TransferCoding::ChunkedOverOther, _) => {
                    return Err(HeadError::TransferEncoding);
                }
                (_, true) if has_parameters => return Err(HeadError::TransferEncoding),
                (TransferCoding::Other, true) => TransferCoding::ChunkedOverOther,
                (_, true) => TransferCoding::Chunked,
                (_, false) if is_token(name) => TransferCoding::Other,
                (_, false) => return Err(HeadError::TransferEncoding),
            };
        }
        Ok(())
    }
}

/// All Transfer-Encoding fields as the one list that they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransferCoding {
    /// No field.
    #[default]
    Absent,
    /// Fields without a coding.
    Empty,
    /// `chunked` alone.
    Chunked,
    /// Other codings, and `chunked` last.
    ChunkedOverOther,
    /// Other codings alone.
    Other,
}

/// All Expect fields together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expectation {
    #[default]
    None,
    Continue,
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these fields mean in `version`, with a Host.
    fn framing(version: Version, fields: &[(&str, &'static str)]) -> Result<Framing, HeadError> {
        let mut read = Fields::default();
        let mut take = |name: &str, value: &str| {
            let head = std::format!("{name}{value}");
            let name_len = name.len() as u16;
            let value = Span { start: name_len, len: value.len() as u16 };
            read.read(head.as_bytes(), Span { start: 0, len: name_len }, value)
        };
        take("Host", "a")?;
        for (name, value) in fields {
            take(name, value)?;
        }
        read.finish(version)
    }

    #[test]
    fn transfer_encoding_is_one_list_that_ends_in_one_chunked() {
        let body = |values: &[&'static str]| {
            let fields: std::vec::Vec<_> = values.iter().map(|&value| ("Transfer-Encoding", value)).collect();
            framing(Version::Http11, &fields).map(|framing| framing.body)
        };
        let malformed = Err(HeadError::TransferEncoding);
        let unknown = Err(HeadError::TransferEncodingUnknown);
        assert_eq!(body(&["chunked"]), Ok(BodyLength::Chunked));
        assert_eq!(body(&["CHUNKED"]), Ok(BodyLength::Chunked));
        assert_eq!(body(&[",\tchunked ,"]), Ok(BodyLength::Chunked));
        assert_eq!(body(&["", "chunked"]), Ok(BodyLength::Chunked));
        assert_eq!(body(&["gzip, chunked"]), unknown);
        assert_eq!(body(&["gzip", "chunked"]), unknown);
        assert_eq!(body(&["gzip;q=1, chunked"]), unknown);
        for bad in [
            "",
            ",",
            "gzip",
            "identity",
            "chunked, gzip",
            "chunked, chunked",
            "chunked;a=b",
            "\"chunked\"",
            "a b, chunked",
            ";, chunked",
        ] {
            assert_eq!(body(&[bad]), malformed, "{bad}");
        }
        assert_eq!(body(&["chunked", "chunked"]), malformed);
        assert_eq!(body(&["chunked", "identity"]), malformed);
    }

    #[test]
    fn close_wins_over_keep_alive_in_every_version() {
        let keep_alive = |version, values: &[&'static str]| {
            let fields: std::vec::Vec<_> = values.iter().map(|&value| ("connection", value)).collect();
            framing(version, &fields).unwrap().keep_alive
        };
        assert!(keep_alive(Version::Http11, &[]));
        assert!(keep_alive(Version::Http11, &["upgrade, x y"]));
        assert!(!keep_alive(Version::Http11, &["Close"]));
        assert!(!keep_alive(Version::Http11, &["keep-alive", "x,\tCLOSE"]));
        assert!(!keep_alive(Version::Http10, &[]));
        assert!(keep_alive(Version::Http10, &["Keep-Alive"]));
        assert!(!keep_alive(Version::Http10, &["close, keep-alive"]));
    }

    #[test]
    fn an_expectation_counts_in_http_1_1_and_with_a_body() {
        let expect = |version, value, len| {
            framing(version, &[("Expect", value), ("Content-Length", len)])
                .map(|framing| framing.expect_continue)
        };
        assert_eq!(expect(Version::Http11, "100-Continue", "1"), Ok(true));
        assert_eq!(expect(Version::Http11, "100-continue", "0"), Ok(false));
        assert_eq!(expect(Version::Http10, "100-continue", "1"), Ok(false));
        assert_eq!(expect(Version::Http10, "tea", "1"), Ok(false));
        assert_eq!(expect(Version::Http11, "", "1"), Ok(false));
        for bad in ["tea", "100-continue, tea", "tea, 100-continue", "100-continue=1"] {
            assert_eq!(expect(Version::Http11, bad, "1"), Err(HeadError::Expectation), "{bad}");
        }
    }
}
