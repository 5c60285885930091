//! Tells the class of a request, and who sent it.
//!
//! # What it protects against
//!
//! When there is more work than capacity, something is refused. Without classes that is whatever comes next: a health
//! check whose loss makes an orchestrator kill the server, a payment, a crawler, all the same. The [`Classifier`] names
//! the class that queue, shedder and reserved permits go by; [`ClientIdentity`] names the client that limits are counted
//! for. Both decide on what a stranger sends, so neither lets a stranger gain by it: the system class needs a source that
//! cannot be claimed, and an address is taken from a header field only as far as our own proxies wrote it.
//!
//! # Rules
//!
//! A [`Rule`] is a conjunction of conditions and a class. Of all rules that a request meets, the most specific decides,
//! wherever it stands among the rules; a request that meets none is [`Class::Normal`](super::Class::Normal). Rules are
//! compared line by line, and the first difference decides:
//!
//! | | more specific is |
//! |---|---|
//! | 1. path | as in the [router](crate::router), segment by segment from the left: text, then `{param}`, then `{*rest}`; any before none |
//! | 2. network | the longer prefix, that of IPv4 counted as mapped into IPv6 (`/8` as 104); any before none |
//! | 3. trusted peer | before none |
//! | 4. header fields | more names tested |
//! | 5. | the stricter tests: the sum of 4 for equals, 3 prefix, 2 contains, 1 contains in any case, 0 present |
//! | 6. | more bytes of text in the tests |
//! | 7. methods | fewer |
//! | 8. predicate | before none |
//!
//! A rule that meets fewer requests than another always comes before it, so none can be hidden by a wider one.
//! [`Classifier::new`] refuses what cannot be meant, and [`RuleError`] names the rules:
//!
//! - Two rules of different classes that are equally specific, if a request can meet both; unless a third rule,
//!   more specific, covers whatever meets both. Two predicates may always agree, so they keep no two rules apart, and a
//!   rule with a predicate covers nothing.
//! - A rule that meets nothing but what another of the same class and specificity meets.
//! - A rule that never matches: a pattern that no path has, a network with bits behind its prefix, a value that no field
//!   has, a path for CONNECT, two paths, two networks, two tests of one field.
//! - [`Class::System`](super::Class::System) without a source, or from everybody.
//!
//! Not found is a rule that only several others together hide.
//!
//! # Knobs
//!
//! | | default | range |
//! |---|---|---|
//! | rules | [`SYSTEM_RULES`]: health and metrics from loopback are system | up to [`RULES_MAX`], [`RULE_HEADERS_MAX`] fields a rule, [`HEADER_NAMES_MAX`] names in all |
//! | [`ClientIdentity`] | the peer | `X-Forwarded-For` or `Forwarded`, behind 0–255 proxies |
//! | [`Facts::is_trusted`] | false | set by whoever knows the listener |
//!
//! # Cost
//!
//! | instructions on x86-64 | 4 fields | 11 fields, as a browser sends |
//! |---|---|---|
//! | no rules | 12 | 12 |
//! | 20 rules, 3 of them on header fields; none is met | 147 | 196 |
//! | the same; a pattern is met | 193–281 | 242–330 |
//! | and 1 more that searches `User-Agent`, of 10 and 80 bytes | 510 | 643 |
//!
//! So a search in a long value costs more than all the other rules together. Header fields are looked at only if the
//! request's method and the first letter of its path leave a rule that tests some, and each is looked at once.
//!
//! Memory: a `Classifier` is about 1 KiB and is built by a `const fn`; as a `static` it lies in flash, and what is wrong
//! with its rules is an error of the compiler. A request costs none.
//!
//! The worst a client can do is to send long values for fields that rules search with [`Match::Contains`]: 2 to 3
//! instructions a byte, and at most the length of the value times that of the text searched for, within `head_size_max`.
//!
//! # When not to use it
//!
//! If all requests are worth the same, have no rules: limits and queue do their work without. A condition on a header
//! field or a path is the client's word; raise a class by it only where a client who lies harms himself alone, and lower a
//! class by it freely. Who may do what is no question of class: authorisation belongs into the handler.
//!
//! # Examples
//!
//! ```
//! use core::net::IpAddr;
//! use pivot_core::admission::Class;
//! use pivot_core::admission::classify::{Classifier, Facts, Match, Rule, SYSTEM_RULES, join_rules};
//! use pivot_core::http::Method;
//!
//! const RULES: [Rule; 11] = join_rules(&[&SYSTEM_RULES, &[
//!     Rule::class(Class::High).path("/pay/{*rest}").method(Method::Post),
//!     Rule::class(Class::Batch).header("x-job", Match::Present),
//!     Rule::class(Class::Low).user_agent("bot"),
//! ]]);
//! static CLASSIFIER: Classifier = Classifier::checked(&RULES);
//!
//! let mut facts = Facts {
//!     method: Method::Get,
//!     path: b"/metrics",
//!     headers: &[],
//!     head: b"",
//!     peer: IpAddr::from([127, 0, 0, 1]),
//!     client: IpAddr::from([127, 0, 0, 1]),
//!     is_trusted: false,
//! };
//! assert_eq!(CLASSIFIER.classify(&facts), Class::System);
//! // A proxy on this machine asks for somebody else.
//! facts.client = IpAddr::from([203, 0, 113, 7]);
//! assert_eq!(CLASSIFIER.classify(&facts), Class::Normal);
//! ```

mod cidr;
mod classifier;
mod client;
mod error;
mod facts;
mod field;
mod forwarded;
#[cfg(test)]
mod naive;
mod path;
mod rule;
#[cfg(test)]
mod tests;
mod text;

pub use cidr::Cidr;
pub use classifier::Classifier;
pub use client::ClientIdentity;
pub use error::{Excess, RuleAt, RuleError};
pub use facts::Facts;
pub use field::Match;
pub use rule::{RULE_HEADERS_MAX, Rule, SYSTEM_RULES, join_rules};

/// Most rules of a classifier: one word has a bit for each.
pub const RULES_MAX: usize = 64;

/// Most distinct header names that the rules of a classifier test, `User-Agent` included.
pub const HEADER_NAMES_MAX: usize = 16;
