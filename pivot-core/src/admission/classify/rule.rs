//! A rule: conditions that all have to hold, and the class that follows.

use core::cmp::Ordering;
use core::fmt;

use super::cidr::Cidr;
use super::error::Excess;
use super::facts::Facts;
use super::field::{FieldTest, Match};
use super::path::PathTest;
use crate::admission::Class;
use crate::http::{Method, MethodSet};

/// Most header fields that one rule can test, `User-Agent` included.
pub const RULE_HEADERS_MAX: usize = 4;

/// A conjunction of conditions, and the class of the requests that meet them all.
///
/// A rule without a condition meets every request: it sets the class of what no other rule knows.
///
/// ```
/// use pivot_core::admission::Class;
/// use pivot_core::admission::classify::{Cidr, Match, Rule};
/// use pivot_core::http::Method;
/// const PARTNER: Rule = Rule::class(Class::High)
///     .path("/orders/{*rest}")
///     .method(Method::Post)
///     .from(Cidr::v4([192, 0, 2, 0], 24))
///     .header("x-partner", Match::Present);
/// assert_eq!(
///     PARTNER.to_string(),
///     "high: path /orders/{*rest}, from 192.0.2.0/24, x-partner is present, method POST",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) class: Class,
    pub(super) path: Option<PathTest>,
    /// Empty for any method.
    methods: MethodSet,
    pub(super) source: Option<Cidr>,
    needs_trust: bool,
    pub(super) fields: [Option<FieldTest>; RULE_HEADERS_MAX],
    predicate: Option<Predicate>,
    /// What was one condition too many.
    pub(super) excess: Option<Excess>,
}

#[derive(Clone, Copy, Debug)]
struct Predicate(fn(&Facts<'_>) -> bool);

impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Predicate {}

impl Rule {
    /// A rule without a condition.
    ///
    /// [`Class::System`] needs [`Rule::from`] or [`Rule::trusted`], and is given only if the peer itself comes from
    /// there too, so that no forwarded address can claim it.
    pub const fn class(class: Class) -> Self {
        Self {
            class,
            path: None,
            methods: MethodSet::EMPTY,
            source: None,
            needs_trust: false,
            fields: [None; RULE_HEADERS_MAX],
            predicate: None,
            excess: None,
        }
    }

    /// The path matches this pattern, written as for the [router](crate::router). At most one.
    #[must_use]
    pub const fn path(mut self, pattern: &'static str) -> Self {
        if self.path.is_some() {
            return self.with_excess(Excess::Path(pattern));
        }
        self.path = Some(PathTest::new(pattern));
        self
    }

    /// The method is this one, or one of those given by other calls. GET does not stand for HEAD.
    #[must_use]
    pub const fn method(mut self, method: Method) -> Self {
        self.methods = self.methods.with(method);
        self
    }

    /// The client's address is in this network. At most one; the lengths 0–32 and 0–128 are allowed, but for
    /// [`Class::System`] not so short that everybody is in it.
    #[must_use]
    pub const fn from(mut self, source: Cidr) -> Self {
        if self.source.is_some() {
            return self.with_excess(Excess::Source(source));
        }
        self.source = Some(source);
        self
    }

    /// The peer is trusted: see [`Facts::is_trusted`].
    #[must_use]
    pub const fn trusted(mut self) -> Self {
        self.needs_trust = true;
        self
    }

    /// The header field with this name, in any case, passes the test. At most [`RULE_HEADERS_MAX`] names, each once.
    #[must_use]
    pub const fn header(mut self, name: &'static str, test: Match) -> Self {
        let mut index = 0;
        while index < RULE_HEADERS_MAX {
            match &self.fields[index] {
                None => {
                    self.fields[index] = Some(FieldTest { name, test });
                    return self;
                }
                Some(field) if field.name.eq_ignore_ascii_case(name) => {
                    return self.with_excess(Excess::FieldTwice(name));
                }
                Some(_) => index += 1,
            }
        }
        self.with_excess(Excess::FieldsFull(name))
    }

    /// `User-Agent` contains this text, ASCII letters in any case: a [`Rule::header`] for short.
    #[must_use]
    pub const fn user_agent(self, part: &'static str) -> Self {
        self.header("user-agent", Match::ContainsAnyCase(part))
    }

    /// The function says yes. At most one. It is asked last, and only if all other conditions hold; what it costs is
    /// paid before anything protects from it, so it has to be short.
    #[must_use]
    pub const fn when(mut self, predicate: fn(&Facts<'_>) -> bool) -> Self {
        if self.predicate.is_some() {
            return self.with_excess(Excess::Predicate);
        }
        self.predicate = Some(Predicate(predicate));
        self
    }

    const fn with_excess(mut self, excess: Excess) -> Self {
        if self.excess.is_none() {
            self.excess = Some(excess);
        }
        self
    }

    /// The methods that it is for.
    pub(super) const fn allows(&self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether its only method is the one that names no path.
    pub(super) const fn is_connect_only(&self) -> bool {
        self.method_count() == 1 && self.methods.contains(Method::Connect)
    }

    /// Whether strangers could meet it.
    pub(super) const fn is_for_strangers(&self) -> bool {
        match &self.source {
            Some(source) => source.is_everybody() && !self.needs_trust,
            None => !self.needs_trust,
        }
    }

    /// Whether the conditions on source, path and predicate hold. Methods and fields are the classifier's, which
    /// looks at many rules at once.
    #[inline]
    pub(super) fn holds(
        &self,
        facts: &Facts<'_>,
        client_bits: u128,
        holds_fields: impl FnOnce() -> bool,
    ) -> bool {
        if let Some(source) = &self.source {
            if !source.contains_bits(client_bits) {
                return false;
            }
            if self.class == Class::System && !is_peer_in(source, facts) {
                return false;
            }
        }
        (!self.needs_trust || facts.is_trusted)
            && self.path.as_ref().is_none_or(|path| path.matches(facts.path))
            && holds_fields()
            && self.predicate.is_none_or(|Predicate(predicate)| predicate(facts))
    }

    /// Compares by specificity: path, then everything else as one number.
    pub(super) const fn compare(&self, other: &Self) -> Ordering {
        let by_path = match (&self.path, &other.path) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => one.compare(other),
        };
        let (one, other) = (self.weight(), other.weight());
        match by_path {
            Ordering::Equal if one < other => Ordering::Less,
            Ordering::Equal if one > other => Ordering::Greater,
            by_path => by_path,
        }
    }

    /// How specific it is apart from its path: the rows of the module's table, the first in the highest bits.
    const fn weight(&self) -> u64 {
        let source = match &self.source {
            Some(source) => 1 + source.fixed_len() as u64,
            None => 0,
        };
        let (mut count, mut strength, mut text_len) = (0, 0, 0);
        let mut index = 0;
        while index < RULE_HEADERS_MAX {
            if let Some(field) = &self.fields[index] {
                count += 1;
                strength += field.test.strength() as u64;
                text_len += field.test.text().len() as u64;
            }
            index += 1;
        }
        let other_methods = Method::ALL.len() as u64 - self.method_count();
        // At most 129, 1, 4, 16, 4 × 65,535, 8 and 1.
        source << 40
            | (self.needs_trust as u64) << 36
            | (count as u64) << 32
            | strength << 24
            | text_len << 5
            | other_methods << 1
            | self.predicate.is_some() as u64
    }

    const fn method_count(&self) -> u64 {
        let (mut count, mut index) = (0, 0);
        while index < Method::ALL.len() {
            count += self.allows(Method::ALL[index]) as u64;
            index += 1;
        }
        count
    }

    /// Whether some request may meet both rules. Predicates may always agree.
    pub(super) const fn overlaps(&self, other: &Self) -> bool {
        if let (Some(one), Some(other)) = (&self.path, &other.path)
            && !one.overlaps(other)
        {
            return false;
        }
        if let (Some(one), Some(other)) = (&self.source, &other.source)
            && one.is_disjoint(other)
        {
            return false;
        }
        let (mut shares_method, mut index) = (false, 0);
        while index < Method::ALL.len() {
            shares_method |= self.allows(Method::ALL[index]) && other.allows(Method::ALL[index]);
            index += 1;
        }
        let mut index = 0;
        while index < RULE_HEADERS_MAX {
            if let Some(field) = &self.fields[index]
                && let Some(test) = other.test_of(field.name)
                && field.test.is_disjoint(test)
            {
                return false;
            }
            index += 1;
        }
        shares_method
    }

    /// Whether every request that meets both `one` and `other` surely meets this rule too.
    pub(super) const fn covers(&self, one: &Self, other: &Self) -> bool {
        let mut index = 0;
        while index < RULE_HEADERS_MAX {
            if let Some(field) = &self.fields[index]
                && !one.passes(field)
                && !other.passes(field)
            {
                return false;
            }
            index += 1;
        }
        let mut index = 0;
        while index < Method::ALL.len() {
            let method = Method::ALL[index];
            if one.allows(method) && other.allows(method) && !self.allows(method) {
                return false;
            }
            index += 1;
        }
        (self.covers_path(one) || self.covers_path(other))
            && (self.covers_source(one) || self.covers_source(other))
            && (!self.needs_trust || one.needs_trust || other.needs_trust)
            && self.predicate.is_none()
    }

    const fn covers_path(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (None, _) => true,
            (Some(one), Some(other)) => one.covers(other),
            (Some(_), None) => false,
        }
    }

    /// A system rule asks for the peer's address too, so it covers the source of system rules alone.
    const fn covers_source(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (None, _) => true,
            (Some(one), Some(theirs)) => {
                one.covers(theirs)
                    && (!matches!(self.class, Class::System) || matches!(other.class, Class::System))
            }
            (Some(_), None) => false,
        }
    }

    /// Whether what meets this rule surely passes the test.
    const fn passes(&self, field: &FieldTest) -> bool {
        match self.test_of(field.name) {
            Some(test) => test.implies(field.test),
            None => false,
        }
    }

    const fn test_of(&self, name: &str) -> Option<Match> {
        let mut index = 0;
        while index < RULE_HEADERS_MAX {
            if let Some(field) = &self.fields[index]
                && field.name.eq_ignore_ascii_case(name)
            {
                return Some(field.test);
            }
            index += 1;
        }
        None
    }
}

/// The class, and the conditions in the order in which they count.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.as_str())?;
        let mut separator = ": ";
        let mut separate = |f: &mut fmt::Formatter<'_>| f.write_str(core::mem::replace(&mut separator, ", "));
        if let Some(path) = &self.path {
            separate(f)?;
            write!(f, "path {}", path.text)?;
        }
        if let Some(source) = &self.source {
            separate(f)?;
            write!(f, "from {source}")?;
        }
        if self.needs_trust {
            separate(f)?;
            f.write_str("trusted")?;
        }
        for FieldTest { name, test } in self.fields.iter().flatten() {
            separate(f)?;
            write!(f, "{name} {test}")?;
        }
        if !self.methods.is_empty() {
            separate(f)?;
            write!(f, "method {}", self.methods)?;
        }
        if self.predicate.is_some() {
            separate(f)?;
            f.write_str("a predicate")?;
        }
        Ok(())
    }
}

/// What is system by default: health checks and metrics, asked for by this machine itself.
///
/// Behind a proxy on the same machine everybody comes from there: then set [`ClientIdentity`](super::ClientIdentity), so
/// that the client's own address counts too.
pub const SYSTEM_RULES: [Rule; 8] = {
    const PATHS: [&str; 4] = ["/health", "/livez", "/readyz", "/metrics"];
    let mut rules = [Rule::class(Class::System); 8];
    let mut index = 0;
    while index < PATHS.len() {
        rules[2 * index] = Rule::class(Class::System).path(PATHS[index]).from(Cidr::LOOPBACK_V4);
        rules[2 * index + 1] = Rule::class(Class::System).path(PATHS[index]).from(Cidr::LOOPBACK_V6);
        index += 1;
    }
    rules
};

/// Apart from the rest of the search, where few get here and what it needs would be made ready for all.
#[cold]
#[inline(never)]
fn is_peer_in(source: &Cidr, facts: &Facts<'_>) -> bool {
    source.contains(facts.peer)
}

/// Puts slices of rules together: [`SYSTEM_RULES`] and those of an application, say. For constants.
///
/// # Panics
/// If `N` is not the number of all rules together.
pub const fn join_rules<const N: usize>(parts: &[&[Rule]]) -> [Rule; N] {
    let mut rules = [Rule::class(Class::Normal); N];
    let (mut count, mut part) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            assert!(count < N, "there are more rules than the array has places");
            rules[count] = parts[part][index];
            count += 1;
            index += 1;
        }
        part += 1;
    }
    assert!(count == N, "there are fewer rules than the array has places");
    rules
}
