//! Request methods (RFC 9110, section 9; PATCH is RFC 5789).

use core::fmt;

/// A request method that Pivot can route. Any other token is answered with 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Method {
    /// Transfer a representation.
    Get,
    /// `GET` without the content.
    Head,
    /// Process the enclosed content.
    Post,
    /// Replace the target.
    Put,
    /// Remove the target.
    Delete,
    /// Ask for a tunnel.
    Connect,
    /// Ask what the target can do.
    Options,
    /// Loop the request back.
    Trace,
    /// Change part of the target.
    Patch,
}

impl Method {
    /// Every method, in the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
    ];

    /// The method that a token names; methods are case-sensitive. `None` for one that Pivot does not know.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => return None,
        })
    }

    /// The token on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of methods: what an `Allow` header lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodSet(u16);

impl MethodSet {
    /// The set without a method.
    pub const EMPTY: Self = Self(0);

    /// This set and `method`.
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | 1 << method as u16)
    }

    /// Whether `method` is in the set.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & 1 << method as u16 != 0
    }

    /// Whether no method is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods of the set, in the order of [`Method::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |&method| self.contains(method))
    }
}

/// As an `Allow` header's value: `GET, HEAD, OPTIONS`.
impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_method_is_found_by_its_own_token_and_by_no_other_case() {
        for method in Method::ALL {
            assert_eq!(Method::from_token(method.as_str().as_bytes()), Some(method));
            assert_eq!(Method::from_token(method.as_str().to_lowercase().as_bytes()), None);
        }
        assert_eq!(Method::from_token(b"BREW"), None);
    }

    #[test]
    fn a_set_prints_as_an_allow_value() {
        let set = MethodSet::EMPTY.with(Method::Options).with(Method::Get).with(Method::Head);
        assert_eq!(set.to_string(), "GET, HEAD, OPTIONS");
        assert!(MethodSet::EMPTY.is_empty() && MethodSet::EMPTY.to_string().is_empty());
    }
}
