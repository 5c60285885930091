//! What is wrong with a set of rules, and what to do about it.

use core::fmt;

use super::cidr::Cidr;
use super::field::Match;
use super::rule::{RULE_HEADERS_MAX, Rule};
use super::{HEADER_NAMES_MAX, RULES_MAX};

/// A rule, and its place among the rules that were given, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleAt {
    /// Its place.
    pub index: usize,
    /// The rule itself.
    pub rule: Rule,
}

impl fmt::Display for RuleAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules[{}] ({})", self.index, self.rule)
    }
}

/// A condition for which a rule has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// A second path: no request has two.
    Path(&'static str),
    /// A second network: the two are disjoint, or one of them says nothing.
    Source(Cidr),
    /// A second test of the header field with this name.
    FieldTwice(&'static str),
    /// A test of one header field more than [`RULE_HEADERS_MAX`].
    FieldsFull(&'static str),
    /// A second predicate.
    Predicate,
}

/// Why a set of rules is refused. Nothing that a client does can cause it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// There are more rules than [`RULES_MAX`].
    TooManyRules {
        /// How many there are.
        count: usize,
    },
    /// All rules together test more header names than [`HEADER_NAMES_MAX`].
    TooManyNames {
        /// The first rule that has no place for a name.
        rule: RuleAt,
        /// The name.
        name: &'static str,
    },
    /// A rule has one condition too many.
    TooManyConditions {
        /// The rule.
        rule: RuleAt,
        /// The condition.
        excess: Excess,
    },
    /// A pattern that no path can match.
    BadPath {
        /// The rule.
        rule: RuleAt,
        /// The pattern.
        path: &'static str,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A network that was written wrongly.
    BadSource {
        /// The rule.
        rule: RuleAt,
        /// The network.
        source: Cidr,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A test that no header field can pass, or that says nothing.
    BadHeader {
        /// The rule.
        rule: RuleAt,
        /// The field's name.
        name: &'static str,
        /// The test.
        test: Match,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A rule of the system class that strangers could meet.
    UntrustedSystem {
        /// The rule.
        rule: RuleAt,
    },
    /// Two rules of different classes are equally specific, and a request can meet both.
    Tie {
        /// The one that comes first.
        one: RuleAt,
        /// The other.
        other: RuleAt,
    },
    /// A rule never decides: every request that meets it meets an earlier one as specific.
    Unreachable {
        /// The rule.
        rule: RuleAt,
        /// The one that always decides.
        by: RuleAt,
    },
}

impl RuleError {
    /// What to do, or what is wrong where that says it.
    const fn advice(&self) -> &'static str {
        match self {
            Self::TooManyRules { .. } => {
                "there are more than 64 rules: join some by a pattern or a predicate"
            }
            Self::TooManyNames { .. } => "all rules together test more than 16 header names: use a predicate",
            Self::TooManyConditions { excess, .. } => match excess {
                Excess::Path(_) => "a second path, and no request has two: write a rule for each",
                Excess::Source(_) => "a second network, and no client is in two: write a rule for each",
                Excess::FieldTwice(_) => "a second test of one header: write a rule for each, or a predicate",
                Excess::FieldsFull(_) => "a rule tests at most 4 headers: use a predicate",
                Excess::Predicate => "a second predicate: write one function that asks both",
            },
            Self::BadPath { why, .. } | Self::BadSource { why, .. } | Self::BadHeader { why, .. } => why,
            Self::UntrustedSystem { .. } => {
                "the system class is for trusted sources alone: add from(...) with their network, or trusted()"
            }
            Self::Tie { .. } => {
                "equally specific, and a request can meet both: add a condition to one of them, \
                 or a third rule with the conditions of both"
            }
            Self::Unreachable { .. } => {
                "the second always decides where the first is met: remove the first, or change its conditions"
            }
        }
    }

    const fn rules(&self) -> (Option<&RuleAt>, Option<&RuleAt>) {
        match self {
            Self::TooManyRules { .. } => (None, None),
            Self::TooManyNames { rule, .. }
            | Self::TooManyConditions { rule, .. }
            | Self::BadPath { rule, .. }
            | Self::BadSource { rule, .. }
            | Self::BadHeader { rule, .. }
            | Self::UntrustedSystem { rule } => (Some(rule), None),
            Self::Tie { one, other } => (Some(one), Some(other)),
            Self::Unreachable { rule, by } => (Some(rule), Some(by)),
        }
    }

    /// Stops with the places of the rules and the advice; in a constant, that is an error of the compiler.
    pub(super) const fn stop(&self) -> ! {
        let mut text = Text { bytes: [0; TEXT_LEN], len: 0 };
        let (first, second) = self.rules();
        if let Some(rule) = first {
            text.push_rule(rule.index);
        }
        if let Some(rule) = second {
            text.push(b" and ");
            text.push_rule(rule.index);
        }
        if first.is_some() {
            text.push(b": ");
        }
        text.push(self.advice().as_bytes());
        match core::str::from_utf8(text.bytes.split_at(text.len).0) {
            Ok(text) => panic!("{}", text),
            Err(_) => unreachable!(),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rules() {
            (Some(one), Some(other)) => write!(f, "{one} and {other}: ")?,
            (Some(rule), None) => write!(f, "{rule}: ")?,
            _ => {}
        }
        match self {
            Self::TooManyRules { count } => write!(f, "{count} rules: ")?,
            Self::TooManyNames { name, .. } => write!(f, "header {name}: ")?,
            Self::TooManyConditions { excess, .. } => match excess {
                Excess::Path(path) => write!(f, "path {path}: ")?,
                Excess::Source(source) => write!(f, "from {source}: ")?,
                Excess::FieldTwice(name) | Excess::FieldsFull(name) => write!(f, "header {name}: ")?,
                Excess::Predicate => {}
            },
            Self::BadPath { path, .. } => write!(f, "path {path:?}: ")?,
            Self::BadSource { source, .. } => write!(f, "from {source}: ")?,
            Self::BadHeader { name, test, .. } => write!(f, "header {name:?} {test}: ")?,
            Self::UntrustedSystem { .. } | Self::Tie { .. } | Self::Unreachable { .. } => {}
        }
        f.write_str(self.advice())
    }
}

impl core::error::Error for RuleError {}

/// Two places and the longest advice.
const TEXT_LEN: usize = 192;

/// Text that is put together while compiling.
struct Text {
    bytes: [u8; TEXT_LEN],
    len: usize,
}

impl Text {
    const fn push(&mut self, text: &[u8]) {
        let mut index = 0;
        while index < text.len() && self.len < TEXT_LEN {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
    }

    /// There are at most 64 rules, so two digits suffice.
    const fn push_rule(&mut self, index: usize) {
        self.push(b"rules[");
        if index >= 10 {
            self.push(&[b'0' + (index / 10 % 10) as u8]);
        }
        self.push(&[b'0' + (index % 10) as u8, b']']);
    }
}

// The advice says these numbers.
const _: () = assert!(RULES_MAX == 64 && HEADER_NAMES_MAX == 16 && RULE_HEADERS_MAX == 4);
