//! Tests of one header field.

use core::fmt;

use super::text;
use crate::http::{is_field_value, is_token};

/// What the value of a header field has to look like.
///
/// A field that was sent several times is judged by its last line: what the nearest proxy has written. Values are
/// compared byte by byte, in their case, without the white space around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The field is there; its value does not matter.
    Present,
    /// The value is this text.
    Equals(&'static str),
    /// The value begins with this text.
    Prefix(&'static str),
    /// The text stands somewhere in the value.
    Contains(&'static str),
    /// The text stands somewhere in the value, ASCII letters in any case.
    ContainsAnyCase(&'static str),
}

impl Match {
    /// Whether the value passes.
    pub(super) const fn holds(self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Equals(text) => text::equal(value, text.as_bytes()),
            Self::Prefix(text) => text::starts_with(value, text.as_bytes()),
            Self::Contains(text) => text::contains(value, text.as_bytes()),
            Self::ContainsAnyCase(text) => text::contains_any_case(value, text.as_bytes()),
        }
    }

    /// Whether every value that passes this test passes `other` too.
    pub(super) const fn implies(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Present) => true,
            (Self::Equals(value), _) => other.holds(value.as_bytes()),
            (Self::Prefix(start), Self::Prefix(_) | Self::Contains(_) | Self::ContainsAnyCase(_)) => {
                other.holds(start.as_bytes())
            }
            (Self::Contains(part), Self::Contains(_) | Self::ContainsAnyCase(_))
            | (Self::ContainsAnyCase(part), Self::ContainsAnyCase(_)) => other.holds(part.as_bytes()),
            _ => false,
        }
    }

    /// Whether no value passes both tests.
    pub(super) const fn is_disjoint(self, other: Self) -> bool {
        match (self, other) {
            (Self::Equals(value), test) | (test, Self::Equals(value)) => !test.holds(value.as_bytes()),
            (Self::Prefix(_), Self::Prefix(_)) => !self.implies(other) && !other.implies(self),
            // What has to be contained can follow whatever else there is.
            _ => false,
        }
    }

    /// How narrow the kind of test is: what implies another test is never the less narrow of the two.
    pub(super) const fn strength(self) -> u32 {
        match self {
            Self::Present => 0,
            Self::ContainsAnyCase(_) => 1,
            Self::Contains(_) => 2,
            Self::Prefix(_) => 3,
            Self::Equals(_) => 4,
        }
    }

    /// The text it looks for.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Present => "",
            Self::Equals(text) | Self::Prefix(text) | Self::Contains(text) | Self::ContainsAnyCase(text) => {
                text
            }
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("is present"),
            Self::Equals(text) => write!(f, "equals {text:?}"),
            Self::Prefix(text) => write!(f, "begins with {text:?}"),
            Self::Contains(text) => write!(f, "contains {text:?}"),
            Self::ContainsAnyCase(text) => write!(f, "contains {text:?} in any case"),
        }
    }
}

/// A named field and what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldTest {
    pub(super) name: &'static str,
    pub(super) test: Match,
}

impl FieldTest {
    /// Says what keeps it from ever passing, or from saying anything.
    pub(super) const fn check(&self) -> Result<(), &'static str> {
        let value = self.test.text().as_bytes();
        if !is_token(self.name.as_bytes()) {
            return Err("no field has such a name: names are letters, digits and a few signs");
        }
        if text::position(self.name.as_bytes(), b'^') < self.name.len()
            || text::position(self.name.as_bytes(), b'~') < self.name.len()
        {
            return Err("names with ^ or ~ cannot be tested: use a predicate");
        }
        if self.name.len() > u16::MAX as usize || value.len() > u16::MAX as usize {
            return Err("no head is that long: shorten it");
        }
        if !is_field_value(value) {
            return Err("no value has control characters: take them out");
        }
        match (self.test, value) {
            (Match::Prefix(_) | Match::Contains(_) | Match::ContainsAnyCase(_), []) => {
                Err("every value has the empty text: use Present")
            }
            (Match::Equals(_) | Match::Prefix(_), [b' ' | b'\t', ..])
            | (Match::Equals(_), [.., b' ' | b'\t']) => {
                Err("values are compared without the white space around them: take it away")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test() -> impl Strategy<Value = Match> {
        let text = prop::sample::select(&["a", "b", "A", "ab", "aB", "ba", "aba", "bab"][..]);
        (0..5, text).prop_map(|(kind, text)| match kind {
            0 => Match::Present,
            1 => Match::Equals(text),
            2 => Match::Prefix(text),
            3 => Match::Contains(text),
            _ => Match::ContainsAnyCase(text),
        })
    }

    proptest! {
        #[test]
        fn implication_and_disjointness_hold_for_every_value(one in test(), other in test(), value in "[abAB]{0,7}") {
            let (passes_one, passes_other) = (one.holds(value.as_bytes()), other.holds(value.as_bytes()));
            prop_assert!(!(one.implies(other) && passes_one && !passes_other));
            prop_assert!(!(one.is_disjoint(other) && passes_one && passes_other));
            prop_assert_eq!(one.is_disjoint(other), other.is_disjoint(one));
            prop_assert!(one.implies(one) && !one.is_disjoint(one));
            prop_assert!(!one.implies(other) || one.strength() >= other.strength());
        }

        #[test]
        fn tests_that_are_not_disjoint_have_a_common_value(one in test(), other in test()) {
            // One's text, then other's: only an exact value can be in the way, and then it is that value.
            let both = std::format!("{}{}", one.text(), other.text());
            let reversed = std::format!("{}{}", other.text(), one.text());
            let candidates = [one.text(), other.text(), &both, &reversed];
            let has_witness =
                candidates.iter().any(|value| one.holds(value.as_bytes()) && other.holds(value.as_bytes()));
            prop_assert_eq!(has_witness, !one.is_disjoint(other));
        }
    }

    #[test]
    fn what_can_never_pass_is_refused_with_a_sentence() {
        let long = &*std::string::String::leak("a".repeat(65_536));
        for (name, test, word) in [
            ("x job", Match::Present, "such a name"),
            ("", Match::Present, "such a name"),
            ("x^", Match::Present, "^ or ~"),
            ("~x", Match::Present, "^ or ~"),
            (long, Match::Present, "that long"),
            ("x", Match::Equals(long), "that long"),
            ("x", Match::Equals("a\nb"), "control"),
            ("x", Match::Equals(" a"), "white space"),
            ("x", Match::Equals("a\t"), "white space"),
            ("x", Match::Prefix(" a"), "white space"),
            ("x", Match::Prefix(""), "use Present"),
            ("x", Match::Contains(""), "use Present"),
            ("x", Match::ContainsAnyCase(""), "use Present"),
        ] {
            let why = FieldTest { name, test }.check().unwrap_err();
            assert!(why.contains(word), "{test}: {why}");
        }
        for test in [Match::Equals(""), Match::Contains(" a "), Match::Prefix("a "), Match::Present] {
            assert_eq!(FieldTest { name: "X-Job", test }.check(), Ok(()), "{test}");
        }
    }
}
