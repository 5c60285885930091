//! Why a head is refused.

use super::super::Status;

/// Why a request head is refused. Whatever the cause, the connection cannot be used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HeadError {
    /// A line ends otherwise than with CRLF, or more than two empty lines come first.
    LineEnd,
    /// The method is no token.
    Method,
    /// The method is a token that Pivot does not know.
    MethodUnknown,
    /// The target has no form that the method allows, or a character that no target has.
    Target,
    /// The target, or the request line with it, is longer than the limit.
    TargetTooLong,
    /// The version is not written as `HTTP/` digit `.` digit.
    Version,
    /// The version is not one of HTTP/1.
    VersionUnsupported,
    /// A field name is no token, or white space surrounds it.
    FieldName,
    /// A field value has a control character.
    FieldValue,
    /// There are more fields than the limit.
    TooManyFields,
    /// The head is longer than the limit.
    TooLong,
    /// HTTP/1.1 without Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// Host is no `uri-host [ ":" port ]`.
    Host,
    /// Content-Length is no number.
    ContentLength,
    /// More than one Content-Length, equal or not.
    ContentLengthRepeated,
    /// Content-Length is a number that 64 bits do not hold.
    ContentLengthTooLarge,
    /// Transfer-Encoding is malformed, comes with HTTP/1.0, or does not end in one `chunked`.
    TransferEncoding,
    /// Transfer-Encoding names a coding beside `chunked`.
    TransferEncodingUnknown,
    /// Content-Length and Transfer-Encoding together.
    LengthConflict,
    /// Expect asks for something else than `100-continue`.
    Expectation,
}

impl HeadError {
    /// Every error, in the order of their discriminants.
    pub const ALL: [Self; 21] = [
        Self::LineEnd,
        Self::Method,
        Self::MethodUnknown,
        Self::Target,
        Self::TargetTooLong,
        Self::Version,
        Self::VersionUnsupported,
        Self::FieldName,
        Self::FieldValue,
        Self::TooManyFields,
        Self::TooLong,
        Self::HostMissing,
        Self::HostRepeated,
        Self::Host,
        Self::ContentLength,
        Self::ContentLengthRepeated,
        Self::ContentLengthTooLarge,
        Self::TransferEncoding,
        Self::TransferEncodingUnknown,
        Self::LengthConflict,
        Self::Expectation,
    ];

    /// The status that answers it.
    pub const fn status(self) -> Status {
        match self {
            Self::LineEnd
            | Self::Method
            | Self::Target
            | Self::Version
            | Self::FieldName
            | Self::FieldValue
            | Self::HostMissing
            | Self::HostRepeated
            | Self::Host
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::TransferEncoding
            | Self::LengthConflict => Status::BAD_REQUEST,
            Self::ContentLengthTooLarge => Status::CONTENT_TOO_LARGE,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::TooManyFields | Self::TooLong => Status::HEADER_FIELDS_TOO_LARGE,
            Self::MethodUnknown | Self::TransferEncodingUnknown => Status::NOT_IMPLEMENTED,
            Self::VersionUnsupported => Status::VERSION_NOT_SUPPORTED,
        }
    }

    /// A label for counters and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::LineEnd => "line_end",
            Self::Method => "method",
            Self::MethodUnknown => "method_unknown",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::VersionUnsupported => "version_unsupported",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::TooManyFields => "too_many_fields",
            Self::TooLong => "head_too_long",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::Host => "host",
            Self::ContentLength => "content_length",
            Self::ContentLengthRepeated => "content_length_repeated",
            Self::ContentLengthTooLarge => "content_length_too_large",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingUnknown => "transfer_encoding_unknown",
            Self::LengthConflict => "length_conflict",
            Self::Expectation => "expectation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_label_of_its_own_and_an_error_status() {
        for (index, error) in HeadError::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, index);
            assert!(matches!(error.status().class(), 4 | 5));
            assert!(error.reason().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(HeadError::ALL[..index].iter().all(|other| other.reason() != error.reason()));
        }
    }
}
