//! What [`Classifier`] is tested against: every rule is held against the request by itself, in ways that share nothing
//! with it, and of those that are met the most specific decides.

use core::net::IpAddr;
use std::string::String;
use std::vec::Vec;

use super::{Cidr, Classifier, Facts, Match, Rule, RuleError};
use crate::admission::Class;
use crate::http::Method;
use crate::http::h1::decode::{HeaderSpan, Span};
use crate::router::{Pattern, naive};
use proptest::prelude::*;

/// A rule as plain data.
#[derive(Clone, Debug)]
struct Spec {
    class: Class,
    path: Option<&'static str>,
    methods: Vec<Method>,
    source: Option<(&'static str, u8)>,
    trusted: bool,
    fields: Vec<(&'static str, Match)>,
    predicate: Option<usize>,
}

/// A request as plain data.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    path: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    peer: &'static str,
    client: &'static str,
    is_trusted: bool,
}

/// The rows of the module's table, the first first.
type Specificity = (Vec<u8>, Option<u8>, bool, usize, u32, usize, usize, bool);

impl Spec {
    fn rule(&self) -> Rule {
        let mut rule = Rule::class(self.class);
        if let Some(path) = self.path {
            rule = rule.path(path);
        }
        if let Some((address, len)) = self.source {
            rule = rule.from(Cidr::new(address.parse().unwrap(), len));
        }
        if self.trusted {
            rule = rule.trusted();
        }
        if let Some(predicate) = self.predicate {
            rule = rule.when(PREDICATES[predicate]);
        }
        rule = self.methods.iter().fold(rule, |rule, &method| rule.method(method));
        self.fields.iter().fold(rule, |rule, &(name, test)| rule.header(name, test))
    }

    fn is_met(&self, sent: &Sent, facts: &Facts<'_>) -> bool {
        let path = self.path.is_none_or(|path| {
            let routes = [(Method::Get, Pattern::from(path))];
            matches!(naive::find(&routes, Method::Get, sent.path.as_bytes()), naive::Answer::Route(..))
        });
        let source = self.source.is_none_or(|(network, len)| {
            let bits = |text: &str| -> Vec<bool> {
                let octets = match text.parse().unwrap() {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                octets.iter().flat_map(|octet| (0..8).map(move |bit| octet & (0x80 >> bit) != 0)).collect()
            };
            let len = usize::from(len) + if network.contains(':') { 0 } else { 96 };
            let is_in = |address: &str| bits(address)[..len] == bits(network)[..len];
            is_in(sent.client) && (self.class != Class::System || is_in(sent.peer))
        });
        let fields = self.fields.iter().all(|&(name, test)| {
            let mut lines = sent.fields.iter().filter(|(sent, _)| sent.to_lowercase() == name.to_lowercase());
            lines.next_back().is_some_and(|&(_, value)| match test {
                Match::Present => true,
                Match::Equals(text) => value == text,
                Match::Prefix(text) => value.starts_with(text),
                Match::Contains(text) => value.contains(text),
                Match::ContainsAnyCase(text) => value.to_lowercase().contains(&text.to_lowercase()),
            })
        });
        path && source
            && fields
            && (self.methods.is_empty() || self.methods.contains(&sent.method))
            && (!self.trusted || sent.is_trusted)
            && self.predicate.is_none_or(|predicate| PREDICATES[predicate](facts))
    }

    fn specificity(&self) -> Specificity {
        let fit = |segment: &str| match segment.as_bytes() {
            [b'{', b'*', ..] => 1,
            [b'{', ..] => 2,
            _ => 3,
        };
        let strength = |test| match test {
            Match::Present => (0, 0),
            Match::ContainsAnyCase(text) => (1, text.len()),
            Match::Contains(text) => (2, text.len()),
            Match::Prefix(text) => (3, text.len()),
            Match::Equals(text) => (4, text.len()),
        };
        let mut methods = self.methods.clone();
        methods.sort();
        methods.dedup();
        (
            self.path.map_or(Vec::new(), |path| path.split('/').skip(1).map(fit).collect()),
            self.source.map(|(network, len)| if network.contains(':') { len } else { len + 96 }),
            self.trusted,
            self.fields.len(),
            self.fields.iter().map(|&(_, test)| strength(test).0).sum(),
            self.fields.iter().map(|&(_, test)| strength(test).1).sum(),
            if methods.is_empty() { 0 } else { 9 - methods.len() },
            self.predicate.is_some(),
        )
    }
}

/// Runs `with` on the facts of a request.
fn with_facts<T>(sent: &Sent, with: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (mut head, mut headers) = (String::new(), Vec::new());
    let mut put = |text: &str| {
        let span = Span { start: head.len() as u16, len: text.len() as u16 };
        head.push_str(text);
        span
    };
    for (name, value) in &sent.fields {
        headers.push(HeaderSpan { name: put(name), value: put(value) });
    }
    with(&Facts {
        method: sent.method,
        path: sent.path.as_bytes(),
        headers: &headers,
        head: head.as_bytes(),
        peer: sent.peer.parse().unwrap(),
        client: sent.client.parse().unwrap(),
        is_trusted: sent.is_trusted,
    })
}

fn classifier(specs: &[Spec]) -> Result<Classifier, RuleError> {
    Classifier::new(specs.iter().map(Spec::rule).collect::<Vec<_>>().leak())
}

/// Those of the rules that can be together: each is taken unless it is refused beside those before it.
fn compatible(specs: &[Spec]) -> Vec<Spec> {
    let mut taken: Vec<Spec> = Vec::new();
    for spec in specs {
        taken.push(spec.clone());
        if classifier(&taken).is_err() {
            taken.pop();
        }
    }
    taken
}

fn spec() -> impl Strategy<Value = Spec> {
    let path = prop::option::weighted(0.6, prop::sample::select(&PATTERNS[..]));
    let methods = prop::collection::vec(prop::sample::select(&METHODS[..]), 0..3);
    let source = prop::option::weighted(0.4, prop::sample::select(&SOURCES[..]));
    let test = prop::sample::select(&TESTS[..]);
    let fields = prop::collection::btree_map(prop::sample::select(&NAMES[..]), test, 0..3);
    let predicate = prop::option::weighted(0.15, 0..PREDICATES.len());
    let class = prop::sample::select(&Class::ALL[..]);
    (class, path, methods, source, prop::bool::weighted(0.2), fields, predicate).prop_map(
        |(class, path, methods, source, trusted, fields, predicate)| Spec {
            class,
            path,
            methods,
            source,
            trusted,
            fields: fields.into_iter().collect(),
            predicate,
        },
    )
}

fn sent() -> impl Strategy<Value = Sent> {
    let field = (prop::sample::select(&SENT_NAMES[..]), prop::sample::select(&VALUES[..]));
    let address = || prop::sample::select(&ADDRESSES[..]);
    (
        prop::sample::select(&METHODS[..]),
        prop::sample::select(&PATHS[..]),
        prop::collection::vec(field, 0..6),
        address(),
        address(),
        any::<bool>(),
    )
        .prop_map(|(method, path, fields, peer, client, is_trusted)| Sent {
            method,
            path,
            fields,
            peer,
            client,
            is_trusted,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_most_specific_rule_that_is_met_decides(
        specs in prop::collection::vec(spec(), 0..24), requests in prop::collection::vec(sent(), 1..24),
    ) {
        let specs = compatible(&specs);
        let classifier = classifier(&specs).unwrap();
        for sent in &requests {
            with_facts(sent, |facts| {
                let met: Vec<_> = specs.iter().filter(|spec| spec.is_met(sent, facts)).collect();
                let most = met.iter().map(|spec| spec.specificity()).max();
                let found = classifier.classify(facts);
                for spec in met.iter().filter(|spec| Some(spec.specificity()) == most) {
                    // All that are equally specific agree: else the set would have been refused.
                    prop_assert_eq!(found, spec.class, "{:?} {:?}", sent, spec);
                }
                prop_assert!(!met.is_empty() || found == Class::Normal);
                Ok(())
            })?;
        }
    }

    #[test]
    fn the_order_of_the_rules_makes_no_difference(
        (specs, shuffled) in prop::collection::vec(spec(), 0..12)
            .prop_flat_map(|specs| { let specs = compatible(&specs); (Just(specs.clone()), Just(specs).prop_shuffle()) }),
        requests in prop::collection::vec(sent(), 1..12),
    ) {
        let (one, other) = (classifier(&specs).unwrap(), classifier(&shuffled).unwrap());
        for sent in &requests {
            with_facts(sent, |facts| {
                prop_assert_eq!(one.classify(facts), other.classify(facts));
                Ok(())
            })?;
        }
    }

    #[test]
    fn a_refused_pair_is_equally_specific_and_an_accepted_one_never_disagrees(
        one in spec(), other in spec(), requests in prop::collection::vec(sent(), 1..40),
    ) {
        let met_by_both = |sent| with_facts(sent, |facts| one.is_met(sent, facts) && other.is_met(sent, facts));
        let is_equal = one.specificity() == other.specificity();
        match classifier(&[one.clone(), other.clone()]) {
            Ok(_) => {
                for sent in &requests {
                    prop_assert!(!is_equal || one.class == other.class || !met_by_both(sent));
                }
            }
            Err(RuleError::Tie { .. }) => prop_assert!(is_equal && one.class != other.class),
            Err(RuleError::Unreachable { .. }) => {
                prop_assert!(is_equal && one.class == other.class);
                for sent in &requests {
                    let is_met = |spec: &Spec| with_facts(sent, |facts| spec.is_met(sent, facts));
                    prop_assert!(!is_met(&other) || is_met(&one));
                }
            }
            Err(RuleError::UntrustedSystem { rule }) => prop_assert_eq!(rule.rule.class, Class::System),
            Err(error) => return Err(TestCaseError::fail(std::format!("{error}"))),
        }
    }

    #[test]
    fn what_meets_less_is_more_specific(one in spec(), other in spec(), request in sent()) {
        let (a, b) = (one.rule(), other.rule());
        let covers = (a.covers(&b, &b), b.covers(&a, &a));
        with_facts(&request, |facts| {
            let met = (one.is_met(&request, facts), other.is_met(&request, facts));
            prop_assert!(!covers.0 || met.0 || !met.1);
            prop_assert!(a.overlaps(&b) || met != (true, true));
            Ok(())
        })?;
        prop_assert_eq!(a.compare(&b), one.specificity().cmp(&other.specificity()));
        // Where one covers the other, the other comes first, unless both are the same.
        prop_assert!(covers != (true, false) || a.compare(&b).is_lt() || one.class != other.class);
        prop_assert!(covers != (true, true) || a.compare(&b).is_eq());
    }

    #[test]
    fn a_rule_that_covers_two_is_met_wherever_both_are(
        three in prop::collection::vec(spec(), 3), requests in prop::collection::vec(sent(), 1..40),
    ) {
        let [rule, one, other] = &three[..] else { unreachable!() };
        if rule.rule().covers(&one.rule(), &other.rule()) {
            for sent in &requests {
                with_facts(sent, |facts| {
                    let is_met = |spec: &Spec| spec.is_met(sent, facts);
                    prop_assert!(!(is_met(one) && is_met(other)) || is_met(rule));
                    Ok(())
                })?;
            }
        }
    }
}

const PATTERNS: [&str; 9] =
    ["/", "/a", "/a/b", "/a/{x}", "/{x}/b", "/{x}", "/a/{*rest}", "/{*rest}", "/{x}/{*rest}"];
const PATHS: [&str; 10] = ["", "/", "/a", "/a/", "/a/b", "/a/c", "/c/b", "/b", "/a/b/c", "/A"];
const METHODS: [Method; 3] = [Method::Get, Method::Post, Method::Options];
const SOURCES: [(&str, u8); 6] =
    [("10.0.0.0", 8), ("10.1.0.0", 16), ("0.0.0.0", 0), ("2001:db8::", 32), ("::", 0), ("::1", 128)];
const ADDRESSES: [&str; 7] =
    ["10.1.2.3", "10.2.2.2", "::ffff:10.1.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1", "::1"];
const NAMES: [&str; 4] = ["x-a", "X-B", "user-agent", "x-long"];
const SENT_NAMES: [&str; 6] = ["X-A", "x-b", "User-Agent", "x-c", "accept", "X-Long"];
const TESTS: [Match; 8] = [
    Match::Present,
    Match::Equals("ab"),
    Match::Equals("a"),
    Match::Prefix("a"),
    Match::Prefix("ab"),
    Match::Contains("b"),
    Match::ContainsAnyCase("B"),
    Match::ContainsAnyCase("ab"),
];
const VALUES: [&str; 7] = ["", "a", "ab", "AB", "aBc", "b", "xab"];
const PREDICATES: [fn(&Facts<'_>) -> bool; 2] =
    [|facts| facts.path.len().is_multiple_of(2), |facts| facts.headers.len() > 2];
