//! What the classifier does with sets of rules that somebody might write.

use core::net::IpAddr;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::admission::Class;
use crate::http::Method;
use crate::http::h1::decode::{HeadLimits, HeaderSpan, decode_head};

const LOCAL: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(203, 0, 113, 7));

/// The class of a request as it comes over the wire.
fn class_of(classifier: &Classifier, request: &str, peer: IpAddr, client: IpAddr) -> Class {
    with_facts(request, peer, client, |facts| classifier.classify(facts))
}

fn with_facts<T>(request: &str, peer: IpAddr, client: IpAddr, with: impl FnOnce(&Facts<'_>) -> T) -> T {
    let bytes = std::format!("{request}\r\n\r\n").into_bytes();
    let limits = HeadLimits { head_size_max: 4096, target_size_max: 1024, headers_max: 16 };
    let mut table = [HeaderSpan::default(); 16];
    let head = decode_head(&bytes, &limits, &mut table).unwrap().unwrap();
    with(&Facts {
        method: head.method,
        path: head.path.of(&bytes),
        headers: &table[..usize::from(head.header_count)],
        head: &bytes,
        peer,
        client,
        is_trusted: false,
    })
}

fn error(rules: &[Rule]) -> RuleError {
    Classifier::new(rules.to_vec().leak()).unwrap_err()
}

/// The error, after a look at whether its text has these words.
fn error_that_says(rules: &[Rule], words: &[&str]) -> RuleError {
    let error = error(rules);
    for word in words {
        assert!(error.to_string().contains(word), "{error}");
    }
    error
}

#[test]
fn without_rules_everything_is_normal() {
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Pivot-Class: system";
    assert_eq!(class_of(&Classifier::EMPTY, request, LOCAL, LOCAL), Class::Normal);
    assert_eq!(Classifier::default(), Classifier::EMPTY);
}

#[test]
fn health_and_metrics_are_system_from_this_machine_alone() {
    static CLASSIFIER: Classifier = Classifier::checked(&SYSTEM_RULES);
    for path in ["/health", "/livez", "/readyz", "/metrics"] {
        let request = std::format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1");
        let class = |peer, client| class_of(&CLASSIFIER, &request, peer, client);
        assert_eq!(class(LOCAL, LOCAL), Class::System);
        assert_eq!(class("::1".parse().unwrap(), "::1".parse().unwrap()), Class::System);
        assert_eq!(class("::ffff:127.0.0.1".parse().unwrap(), LOCAL), Class::System);
        assert_eq!(class(STRANGER, STRANGER), Class::Normal);
        assert_eq!(class(LOCAL, STRANGER), Class::Normal, "a proxy on this machine asks for a stranger");
        assert_eq!(class(STRANGER, LOCAL), Class::Normal, "a stranger claims to be this machine");
    }
    let request = "GET /metrics/x HTTP/1.1\r\nHost: a";
    assert_eq!(class_of(&CLASSIFIER, request, LOCAL, LOCAL), Class::Normal);
}

#[test]
fn each_condition_counts() {
    let is_long: fn(&Facts<'_>) -> bool = |facts| facts.path.len() > 10;
    for (rule, yes, no) in [
        (Rule::class(Class::Low).path("/a/{x}"), "GET /a/b HTTP/1.1", "GET /a HTTP/1.1"),
        (
            Rule::class(Class::Low).method(Method::Post).method(Method::Put),
            "PUT /a HTTP/1.1",
            "HEAD /a HTTP/1.1",
        ),
        (
            Rule::class(Class::Low).user_agent("BOT"),
            "GET / HTTP/1.1\r\nUser-Agent: a Robot",
            "GET / HTTP/1.1",
        ),
        (
            Rule::class(Class::Low).header("x-a", Match::Equals("b")),
            "GET / HTTP/1.1\r\nX-A: c\r\nX-A:  b ",
            "GET / HTTP/1.1\r\nX-A: b\r\nX-A: c",
        ),
        (Rule::class(Class::Low).when(is_long), "GET /aaaaaaaaaaaa HTTP/1.1", "GET /a HTTP/1.1"),
        (
            Rule::class(Class::Low).from(Cidr::v4([203, 0, 113, 0], 24)).path("/x"),
            "GET /x HTTP/1.1",
            "GET / HTTP/1.1",
        ),
    ] {
        let classifier = Classifier::new(std::vec![rule].leak()).unwrap();
        let class =
            |request: &str| class_of(&classifier, &std::format!("{request}\r\nHost: a"), LOCAL, STRANGER);
        assert_eq!((class(yes), class(no)), (Class::Low, Class::Normal), "{rule}");
    }
}

#[test]
fn the_class_field_counts_only_from_a_trusted_peer() {
    for (value, class) in
        [("system", Some(Class::System)), ("BATCH", Some(Class::Batch)), ("vip", None), ("\u{fc}", None)]
    {
        let request =
            std::format!("GET / HTTP/1.1\r\nHost: a\r\nX-Pivot-Class: low\r\nx-pivot-class: {value}");
        with_facts(&request, LOCAL, LOCAL, |facts| {
            assert_eq!(facts.class_from_header(), None);
            assert_eq!(Facts { is_trusted: true, ..*facts }.class_from_header(), class, "{value}");
        });
    }
}

#[test]
fn two_rules_that_a_request_can_meet_alike_are_refused_by_name() {
    let job = Rule::class(Class::Batch).header("x-job", Match::Present);
    let paid = Rule::class(Class::High).header("x-pay", Match::Present);
    let error = error_that_says(
        &[job, paid],
        &["rules[0] (batch: x-job is present)", "rules[1] (high: x-pay", "add a condition"],
    );
    assert!(matches!(error, RuleError::Tie { one, other } if one.rule == job && other.index == 1));
    // The names of parameters make no difference, nor do predicates, which may always agree.
    let (one, other) = (Rule::class(Class::Low).path("/{a}"), Rule::class(Class::High).path("/{b}"));
    error_that_says(&[one, other], &["path /{a}", "path /{b}", "equally specific"]);
    error_that_says(
        &[Rule::class(Class::Low).when(|_| true), Rule::class(Class::High).when(|facts| facts.is_trusted)],
        &["a predicate", "meet both"],
    );
}

#[test]
fn a_third_rule_settles_a_tie_if_it_has_the_conditions_of_both() {
    let job = Rule::class(Class::Batch).header("x-job", Match::Prefix("n"));
    let paid = Rule::class(Class::High).header("x-pay", Match::Equals("y")).method(Method::Get);
    let paid = paid.method(Method::Post);
    let both = Rule::class(Class::Low).header("X-Pay", Match::Present).header("x-job", Match::Present);
    // Not equally specific: no tie to settle.
    assert!(Classifier::new(std::vec![job, paid].leak()).is_ok());
    let paid = Rule::class(Class::High).header("x-pay", Match::Prefix("y"));
    assert!(matches!(error(&[job, paid]), RuleError::Tie { .. }));
    let classifier = Classifier::new(std::vec![job, paid, both].leak()).unwrap();
    let class = |fields: &str| {
        class_of(&classifier, &std::format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}"), LOCAL, LOCAL)
    };
    assert_eq!(class("x-job: n"), Class::Batch);
    assert_eq!(class("x-pay: y"), Class::High);
    assert_eq!(class("x-pay: y\r\nx-job: n"), Class::Low);
    // One that asks for more leaves requests undecided, and so does one that may say no.
    for third in
        [both.method(Method::Get), both.header("x-c", Match::Present), both.when(|_| true), both.trusted()]
    {
        assert!(matches!(error(&[job, paid, third]), RuleError::Tie { .. }), "{third}");
    }
}

#[test]
fn a_system_rule_settles_no_tie_of_others_since_it_asks_for_the_peer_too() {
    let office = Cidr::v4([10, 0, 0, 0], 8);
    let one = Rule::class(Class::Low).from(office).header("x-a", Match::Present);
    let other = Rule::class(Class::High).from(office).header("x-b", Match::Present);
    let both =
        |class| Rule::class(class).from(office).header("x-a", Match::Present).header("x-b", Match::Present);
    assert!(Classifier::new(std::vec![one, other, both(Class::Critical)].leak()).is_ok());
    assert!(matches!(error(&[one, other, both(Class::System)]), RuleError::Tie { .. }));
}

#[test]
fn a_rule_that_never_decides_is_refused_by_name() {
    let one = Rule::class(Class::Low).path("/{a}").header("x-a", Match::ContainsAnyCase("B"));
    let other = Rule::class(Class::Low).path("/{b}").header("X-A", Match::ContainsAnyCase("b"));
    let error = error_that_says(&[one, other], &["rules[1]", "rules[0]", "remove the first"]);
    assert!(matches!(error, RuleError::Unreachable { rule, by } if rule.index == 1 && by.index == 0));
    // All methods are no condition.
    let all = Method::ALL.into_iter().fold(Rule::class(Class::Low), Rule::method);
    assert!(matches!(self::error(&[Rule::class(Class::Low), all]), RuleError::Unreachable { .. }));
}

#[test]
fn a_wider_rule_hides_no_narrower_one() {
    let wide = Rule::class(Class::Low).path("/a/{*rest}");
    let narrow = Rule::class(Class::High).path("/a/b");
    let narrower = Rule::class(Class::Critical).path("/a/b").header("x", Match::Present);
    let default = Rule::class(Class::Batch);
    let classifier = Classifier::new(std::vec![default, wide, narrow, narrower].leak()).unwrap();
    for (request, class) in [
        ("GET /a/b HTTP/1.1\r\nx: 1", Class::Critical),
        ("GET /a/b HTTP/1.1", Class::High),
        ("GET /a/c HTTP/1.1\r\nx: 1", Class::Low),
        ("GET / HTTP/1.1", Class::Batch),
    ] {
        assert_eq!(
            class_of(&classifier, &std::format!("{request}\r\nHost: a"), LOCAL, LOCAL),
            class,
            "{request}"
        );
    }
}

#[test]
fn contradictions_are_refused_with_field_value_and_what_to_do() {
    let low = Rule::class(Class::Low);
    for (rule, words) in [
        (low.path("/a").path("/b"), &["rules[0] (low: path /a)", "path /b", "write a rule for each"][..]),
        (low.from(Cidr::LOOPBACK_V4).from(Cidr::LOOPBACK_V6), &["from ::1/128", "write a rule for each"]),
        (
            low.header("x", Match::Equals("a")).header("X", Match::Equals("b")),
            &["header X", "a rule for each"],
        ),
        (low.when(|_| true).when(|_| false), &["second predicate", "one function"]),
        (
            ["a", "b", "c", "d", "e"].into_iter().fold(low, |rule, name| rule.header(name, Match::Present)),
            &["header e", "at most 4"],
        ),
    ] {
        assert!(matches!(error_that_says(&[rule], words), RuleError::TooManyConditions { .. }));
    }
    for path in ["a", "/a%20b", "/a/../b", "/{*r}/a"] {
        assert!(matches!(error_that_says(&[low.path(path)], &[path]), RuleError::BadPath { .. }));
    }
    let connect = low.path("/a").method(Method::Connect);
    error_that_says(&[connect], &["path \"/a\"", "CONNECT names no path"]);
    assert!(Classifier::new(std::vec![connect.method(Method::Get)].leak()).is_ok());
    let error =
        error_that_says(&[low.from(Cidr::v4([10, 0, 0, 1], 8))], &["from 10.0.0.1/8: bits are set behind"]);
    assert!(matches!(error, RuleError::BadSource { .. }));
    let error =
        error_that_says(&[low.header("x y", Match::Present)], &["header \"x y\" is present", "such a name"]);
    assert!(matches!(error, RuleError::BadHeader { .. }));
    error_that_says(&[low.header("x", Match::Equals("a "))], &["header \"x\" equals \"a \"", "white space"]);
}

#[test]
fn the_system_class_needs_a_source_that_is_not_everybody() {
    let system = Rule::class(Class::System);
    for rule in [
        system,
        system.path("/metrics").header("x-secret", Match::Equals("s")),
        system.when(|facts| facts.is_trusted),
        system.from(Cidr::v4([0; 4], 0)),
        system.from(Cidr::v6([0; 8], 0)),
    ] {
        let error = error_that_says(&[rule], &["rules[0] (system", "trusted sources alone", "from(...)"]);
        assert!(matches!(error, RuleError::UntrustedSystem { .. }));
    }
    for rule in [system.from(Cidr::LOOPBACK_V6), system.trusted(), system.trusted().from(Cidr::v4([0; 4], 0))]
    {
        assert!(Classifier::new(std::vec![rule].leak()).is_ok(), "{rule}");
    }
}

#[test]
fn the_numbers_of_rules_and_of_names_are_bounded() {
    let rules: Vec<Rule> =
        (0..=RULES_MAX).map(|index| Rule::class(Class::Low).path(std::format!("/{index}").leak())).collect();
    let classifier = Classifier::new(rules[..RULES_MAX].to_vec().leak()).unwrap();
    for index in 0..RULES_MAX {
        let request = std::format!("GET /{index} HTTP/1.1\r\nHost: a");
        assert_eq!(class_of(&classifier, &request, LOCAL, LOCAL), Class::Low);
    }
    let error = error_that_says(&rules, &["65 rules", "join some"]);
    assert_eq!(error, RuleError::TooManyRules { count: 65 });

    let rules: Vec<Rule> = (0..=HEADER_NAMES_MAX)
        .map(|index| Rule::class(Class::Low).header(std::format!("x-{index}").leak(), Match::Present))
        .collect();
    assert!(Classifier::new(rules[..HEADER_NAMES_MAX].to_vec().leak()).is_ok());
    let error = error_that_says(&rules, &["header x-16", "rules[16]"]);
    assert!(matches!(error, RuleError::TooManyNames { name: "x-16", .. }));
}

#[test]
fn an_error_in_a_constant_says_the_places_and_the_advice() {
    for (rules, text) in [
        (
            std::vec![Rule::class(Class::Low); 2],
            "rules[1] and rules[0]: the second always decides where the first is met: remove the first, or change its conditions",
        ),
        (
            std::vec![Rule::class(Class::System)],
            "rules[0]: the system class is for trusted sources alone: add from(...) with their network, or trusted()",
        ),
        (
            std::vec![Rule::class(Class::Low); 65],
            "there are more than 64 rules: join some by a pattern or a predicate",
        ),
    ] {
        let panic = std::panic::catch_unwind(|| Classifier::checked(rules.leak())).unwrap_err();
        assert_eq!(panic.downcast_ref::<std::string::String>().map(|text| &**text), Some(text));
    }
}

#[test]
fn every_advice_fits_into_the_text_of_a_constant_error() {
    let low = Rule::class(Class::Low);
    let twelve = |rule: Rule| {
        let mut rules: Vec<Rule> = (0..12).map(|index| low.path(std::format!("/{index}").leak())).collect();
        rules.push(rule);
        rules
    };
    let tie = [low.header("a", Match::Present), Rule::class(Class::High).header("b", Match::Present)];
    for rules in [twelve(Rule::class(Class::System)), [twelve(tie[0]), tie[1..].to_vec()].concat()] {
        let text = error(&rules).to_string();
        let panic = std::panic::catch_unwind(|| Classifier::checked(rules.leak())).unwrap_err();
        let short = panic.downcast_ref::<std::string::String>().unwrap();
        assert!(short.starts_with("rules[12]"), "{short}");
        assert_eq!(short.rsplit(": ").next(), text.rsplit(": ").next());
    }
}

#[test]
fn rules_are_joined_in_order() {
    const BOTH: [Rule; 9] = join_rules(&[&SYSTEM_RULES, &[Rule::class(Class::Low)]]);
    assert_eq!(BOTH[..8], SYSTEM_RULES);
    assert_eq!(BOTH[8], Rule::class(Class::Low));
    for wrong in [join_rules::<7>, |rules: &[&[Rule]]| {
        join_rules::<9>(rules);
        SYSTEM_RULES[..7].try_into().unwrap()
    }] {
        assert!(std::panic::catch_unwind(|| wrong(&[&SYSTEM_RULES])).is_err());
    }
}
