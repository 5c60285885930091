//! The rules, made ready for the search.

use core::cmp::Ordering;

use super::cidr::bits_of;
use super::error::{RuleAt, RuleError};
use super::facts::Facts;
use super::rule::{RULE_HEADERS_MAX, Rule};
use super::text;
use super::{HEADER_NAMES_MAX, RULES_MAX};
use crate::admission::Class;
use crate::http::Method;
use crate::http::h1::decode::{HEADERS_CAP, HeaderSpan};

/// Tells the class of a request by a set of rules; see [the module](super).
///
/// Rules are kept in the order of their specificity, and a set of rules is a word with a bit for each, the most specific
/// lowest. What most rules ask for is answered by tables of such words; the first bit that is left and whose rule holds
/// decides. About 1 KiB, in flash if it is a `static`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classifier {
    rules: &'static [Rule],
    /// The rules by specificity: indices into `rules`.
    order: [u8; RULES_MAX],
    /// The rules that allow each method.
    by_method: [u64; Method::ALL.len()],
    /// The rules that some path may meet whose byte after the first slash falls into each bucket.
    by_first_byte: [u64; BUCKET_COUNT],
    /// The rules that test header fields.
    with_fields: u64,
    /// Bit `len % 64` for each length of a name.
    name_lens: u64,
    /// Bit `byte % 32` for each first byte of a name: the same for both cases of a letter.
    name_first_bytes: u32,
    /// The distinct names that rules test.
    names: [Name; HEADER_NAMES_MAX],
    name_count: usize,
    /// By place in `order`: where in `names` each of a rule's tests finds its field.
    name_of_test: [[u8; RULE_HEADERS_MAX]; RULES_MAX],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    text: &'static str,
    /// The rules that need the field.
    rules: u64,
}

impl Classifier {
    /// No rules: every request is [`Class::Normal`].
    pub const EMPTY: Self = Self::checked(&[]);

    /// Checks the rules and makes them ready. For a constant, see [`Classifier::checked`].
    ///
    /// Compares rules that are equally specific pair by pair: at start, or while compiling.
    ///
    /// # Errors
    /// The first thing that is wrong, with the rules and what to do: see [`RuleError`].
    pub const fn new(rules: &'static [Rule]) -> Result<Self, RuleError> {
        if rules.len() > RULES_MAX {
            return Err(RuleError::TooManyRules { count: rules.len() });
        }
        let mut index = 0;
        while index < rules.len() {
            if let Err(error) = check(&RuleAt { index, rule: rules[index] }) {
                return Err(error);
            }
            index += 1;
        }
        let order = sort(rules);
        if let Err(error) = check_pairs(rules, &order) {
            return Err(error);
        }
        let mut classifier = Self {
            rules,
            order,
            by_method: [0; Method::ALL.len()],
            by_first_byte: [0; BUCKET_COUNT],
            with_fields: 0,
            name_lens: 0,
            name_first_bytes: 0,
            names: [Name { text: "", rules: 0 }; HEADER_NAMES_MAX],
            name_count: 0,
            name_of_test: [[0; RULE_HEADERS_MAX]; RULES_MAX],
        };
        let mut place = 0;
        while place < rules.len() {
            if let Err(error) = classifier.add(place) {
                return Err(error);
            }
            place += 1;
        }
        Ok(classifier)
    }

    /// As [`Classifier::new`], for constants: there an error stops the compiler, with the places of the rules in its text.
    ///
    /// ```
    /// use pivot_core::admission::Class;
    /// use pivot_core::admission::classify::{Classifier, Rule};
    /// static CLASSIFIER: Classifier = Classifier::checked(&[Rule::class(Class::Low).path("/exports/{*rest}")]);
    /// # let _ = &CLASSIFIER;
    /// ```
    ///
    /// ```compile_fail
    /// use pivot_core::admission::Class;
    /// use pivot_core::admission::classify::{Classifier, Rule};
    /// static CLASSIFIER: Classifier = Classifier::checked(&[Rule::class(Class::System).path("/metrics")]);
    /// # let _ = &CLASSIFIER;
    /// ```
    ///
    /// # Panics
    /// If there is an error.
    pub const fn checked(rules: &'static [Rule]) -> Self {
        match Self::new(rules) {
            Ok(classifier) => classifier,
            Err(error) => error.stop(),
        }
    }

    /// The class of a request: that of the most specific rule that holds, else [`Class::Normal`].
    ///
    /// Looks at each header field once at most, and at no rule twice.
    #[inline]
    pub fn classify(&self, facts: &Facts<'_>) -> Class {
        if self.rules.is_empty() { Class::Normal } else { self.search(facts) }
    }

    /// Whether any rule may hold for a request with this method and path. If not, its class is [`Class::Normal`], and the rest
    /// of its facts need not be found out.
    #[inline]
    pub fn may_hold(&self, method: Method, path: &[u8]) -> bool {
        let first_byte = path.get(1).copied().unwrap_or(0);
        self.by_method[method as usize] & self.by_first_byte[bucket(first_byte)] != 0
    }

    /// The rules, as they were given.
    pub const fn rules(&self) -> &'static [Rule] {
        self.rules
    }

    fn search(&self, facts: &Facts<'_>) -> Class {
        let first_byte = facts.path.get(1).copied().unwrap_or(0);
        let mut candidates = self.by_method[facts.method as usize] & self.by_first_byte[bucket(first_byte)];
        let mut found = [0; HEADER_NAMES_MAX];
        if candidates & self.with_fields != 0 {
            candidates &= self.find_fields(facts, &mut found);
        }
        let client_bits = bits_of(facts.client);
        while candidates != 0 {
            let place = candidates.trailing_zeros() as usize;
            let rule = &self.rules[usize::from(self.order[place])];
            if rule.holds(facts, client_bits, || self.passes(rule, place, facts, &found)) {
                return rule.class;
            }
            candidates &= candidates - 1;
        }
        Class::Normal
    }

    /// Finds the last field of each name, in one pass over the table. Leaves the rules whose fields were all sent.
    fn find_fields(&self, facts: &Facts<'_>, found: &mut [u8; HEADER_NAMES_MAX]) -> u64 {
        let (lens, first_bytes) = (self.name_lens, self.name_first_bytes);
        let mut sent = 0;
        // By index: with an iterator that counts, this loop takes nearly twice as many instructions.
        let count = facts.headers.len().min(HEADERS_CAP);
        let mut at = 0;
        while at < count {
            let span = facts.headers[at].name;
            if lens >> (span.len % 64) & 1 != 0
                && let Some(first) = facts.head.get(usize::from(span.start))
                && first_bytes >> (first % 32) & 1 != 0
            {
                sent |= self.find_name(span.of(facts.head), at, found);
            }
            at += 1;
        }
        let mut rules = !self.with_fields;
        if sent != 0 {
            rules = u64::MAX;
            for (place, name) in self.names[..self.name_count].iter().enumerate() {
                if sent & (1 << place) == 0 {
                    rules &= !name.rules;
                }
            }
        }
        rules
    }

    /// Enters a field under its name, if rules test it, and gives the name's bit. Apart from the loop over all fields,
    /// which is so kept short.
    #[inline(never)]
    fn find_name(&self, sent: &[u8], at: usize, found: &mut [u8; HEADER_NAMES_MAX]) -> u32 {
        for (place, name) in self.names.iter().enumerate() {
            if text::is_same_name(sent, name.text.as_bytes()) {
                found[place] = at as u8;
                return 1 << place;
            }
        }
        0
    }

    fn passes(&self, rule: &Rule, place: usize, facts: &Facts<'_>, found: &[u8; HEADER_NAMES_MAX]) -> bool {
        let value = |span: &HeaderSpan| span.value.of(facts.head);
        rule.fields.iter().zip(&self.name_of_test[place]).all(|(field, &name)| match field {
            Some(field) => {
                let at = usize::from(found[usize::from(name)]);
                facts.headers.get(at).map(value).is_some_and(|value| field.test.holds(value))
            }
            None => true,
        })
    }

    /// Enters the rule at a place of the order into the tables.
    const fn add(&mut self, place: usize) -> Result<(), RuleError> {
        let index = self.order[place] as usize;
        let rule = &self.rules[index];
        let bit = 1 << place;
        let mut method = 0;
        while method < Method::ALL.len() {
            if rule.allows(Method::ALL[method]) {
                self.by_method[method] |= bit;
            }
            method += 1;
        }
        let first_byte = match &rule.path {
            Some(path) => path.first_byte(),
            None => None,
        };
        let mut place_of_byte = 0;
        while place_of_byte < BUCKET_COUNT {
            let is_possible = match first_byte {
                Some(byte) => bucket(byte) == place_of_byte,
                None => true,
            };
            if is_possible {
                self.by_first_byte[place_of_byte] |= bit;
            }
            place_of_byte += 1;
        }
        let mut test = 0;
        while test < RULE_HEADERS_MAX {
            if let Some(field) = &rule.fields[test] {
                let Some(name) = self.name_place(field.name) else {
                    let rule = RuleAt { index, rule: *rule };
                    return Err(RuleError::TooManyNames { rule, name: field.name });
                };
                self.names[name].rules |= bit;
                self.name_of_test[place][test] = name as u8;
                self.with_fields |= bit;
            }
            test += 1;
        }
        Ok(())
    }

    /// The place of a name, which is entered if it is new; `None` if there is no room.
    const fn name_place(&mut self, name: &'static str) -> Option<usize> {
        let mut place = 0;
        while place < self.name_count {
            if self.names[place].text.eq_ignore_ascii_case(name) {
                return Some(place);
            }
            place += 1;
        }
        if place == HEADER_NAMES_MAX {
            return None;
        }
        self.names[place].text = name;
        self.name_count += 1;
        self.name_lens |= 1 << (name.len() % 64);
        // A name is a token, so it is not empty.
        self.name_first_bytes |= 1 << (name.as_bytes()[0] % 32);
        Some(place)
    }
}

impl Default for Classifier {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Checks a rule by itself.
const fn check(at: &RuleAt) -> Result<(), RuleError> {
    let rule = *at;
    if let Some(excess) = rule.rule.excess {
        return Err(RuleError::TooManyConditions { rule, excess });
    }
    if let Some(path) = &rule.rule.path {
        let why = match path.check() {
            Err(why) => Some(why),
            Ok(()) if rule.rule.is_connect_only() => {
                Some("CONNECT names no path: take the path away, or add another method")
            }
            Ok(()) => None,
        };
        if let Some(why) = why {
            return Err(RuleError::BadPath { rule, path: path.text, why });
        }
    }
    if let Some(source) = rule.rule.source
        && let Err(why) = source.check()
    {
        return Err(RuleError::BadSource { rule, source, why });
    }
    let mut index = 0;
    while index < RULE_HEADERS_MAX {
        if let Some(field) = rule.rule.fields[index]
            && let Err(why) = field.check()
        {
            return Err(RuleError::BadHeader { rule, name: field.name, test: field.test, why });
        }
        index += 1;
    }
    if matches!(rule.rule.class, Class::System) && rule.rule.is_for_strangers() {
        return Err(RuleError::UntrustedSystem { rule });
    }
    Ok(())
}

/// The indices of the rules, the most specific first, and otherwise as they were given.
const fn sort(rules: &[Rule]) -> [u8; RULES_MAX] {
    let mut order = [0; RULES_MAX];
    let mut index = 0;
    while index < rules.len() {
        let mut place = index;
        while place > 0 && matches!(rules[order[place - 1] as usize].compare(&rules[index]), Ordering::Less) {
            order[place] = order[place - 1];
            place -= 1;
        }
        order[place] = index as u8;
        index += 1;
    }
    order
}

/// Checks the rules that are equally specific, pair by pair. They stand together in the order.
const fn check_pairs(rules: &[Rule], order: &[u8; RULES_MAX]) -> Result<(), RuleError> {
    let mut first = 0;
    while first < rules.len() {
        let one = RuleAt { index: order[first] as usize, rule: rules[order[first] as usize] };
        let mut second = first + 1;
        while second < rules.len() {
            let other = RuleAt { index: order[second] as usize, rule: rules[order[second] as usize] };
            if !matches!(one.rule.compare(&other.rule), Ordering::Equal) {
                break;
            }
            if one.rule.overlaps(&other.rule) {
                let is_same_class = one.rule.class as u8 == other.rule.class as u8;
                if is_same_class && one.rule.covers(&other.rule, &other.rule) {
                    return Err(RuleError::Unreachable { rule: other, by: one });
                }
                if !is_same_class && !is_decided(rules, order, first, &one.rule, &other.rule) {
                    return Err(RuleError::Tie { one, other });
                }
            }
            second += 1;
        }
        first += 1;
    }
    Ok(())
}

/// Whether a rule that is more specific than both decides about every request that meets both.
const fn is_decided(
    rules: &[Rule],
    order: &[u8; RULES_MAX],
    before: usize,
    one: &Rule,
    other: &Rule,
) -> bool {
    let mut place = 0;
    while place < before {
        let rule = &rules[order[place] as usize];
        if matches!(rule.compare(one), Ordering::Greater) && rule.covers(one, other) {
            return true;
        }
        place += 1;
    }
    false
}

/// Where a path is entered by its byte after the first slash. Lower-case letters have a bucket each.
const fn bucket(first_byte: u8) -> usize {
    first_byte as usize % BUCKET_COUNT
}

const BUCKET_COUNT: usize = 32;

// A field's index is kept in a byte, and a bit of 32 stands for a name.
const _: () = assert!(HEADERS_CAP <= u8::MAX as usize && HEADER_NAMES_MAX < 32);
