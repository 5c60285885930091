//! The grammar of a chunk's extensions (RFC 9112, section 7.1.1), a byte at a time.

use super::super::{is_field_value_byte, is_token_byte};

/// Where in the extensions of a chunk its next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// White space before a `;`.
    Space,
    /// Before a name.
    Start,
    Name,
    /// White space behind a name.
    NameSpace,
    /// Before a value.
    ValueStart,
    Token,
    Quoted,
    /// Behind the backslash in a quoted value.
    Escaped,
    /// Behind a quoted value.
    QuotedEnd,
}

/// What a byte of extensions leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionStep {
    Goes(Extension),
    /// It was the CR behind them.
    Ends,
}

impl Extension {
    /// `None` for a byte that cannot stand here.
    pub(super) fn next(self, byte: u8) -> Option<ExtensionStep> {
        let next = match (self, byte) {
            (Self::Name | Self::Token | Self::QuotedEnd, b'\r') => return Some(ExtensionStep::Ends),
            (Self::Space | Self::Name | Self::NameSpace | Self::Token | Self::QuotedEnd, b';') => Self::Start,
            (Self::Space | Self::Token | Self::QuotedEnd, b' ' | b'\t') => Self::Space,
            (Self::Start | Self::ValueStart, b' ' | b'\t') => self,
            (Self::Start | Self::Name, _) if is_token_byte(byte) => Self::Name,
            (Self::Name | Self::NameSpace, b' ' | b'\t') => Self::NameSpace,
            (Self::Name | Self::NameSpace, b'=') => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::ValueStart | Self::Token, _) if is_token_byte(byte) => Self::Token,
            (Self::Quoted, b'"') => Self::QuotedEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if is_field_value_byte(byte) => Self::Quoted,
            _ => return None,
        };
        Some(ExtensionStep::Goes(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(text: &str) -> bool {
        let mut state = Extension::Space;
        for byte in text.bytes().chain([b'\r']) {
            match state.next(byte) {
                Some(ExtensionStep::Goes(next)) => state = next,
                Some(ExtensionStep::Ends) => return byte == b'\r',
                None => return false,
            }
        }
        false
    }

    #[test]
    fn names_tokens_and_quoted_values_are_read() {
        for good in [
            ";a",
            ";a;b",
            ";a=b",
            " ; a = b",
            ";a=\"\"",
            ";a=\"b;c=\\\"d\\\\\"",
            ";a=\"b\" ;c",
            ";a\t=\tb;c=d",
        ] {
            assert!(is_good(good), "{good}");
        }
    }

    #[test]
    fn whatever_is_none_is_refused() {
        for bad in [
            "",
            ";",
            "a",
            ";;",
            ";=b",
            ";a=",
            ";a=\"b",
            ";a=b c",
            ";a b",
            ";a=\"b\"c",
            ";a ",
            ";a=\"\\",
            ";(",
            ";a=\u{1}",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
    }
}
