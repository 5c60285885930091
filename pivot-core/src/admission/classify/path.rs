//! Path patterns of rules: the router's patterns, held against one path at a time.

use core::cmp::Ordering;

use super::text;

/// A pattern, and what of it is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathTest {
    pub(super) text: &'static str,
    kind: Kind,
    /// How many bytes stand before the first brace.
    fixed_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No parameter.
    Exact,
    /// `{*rest}` is the only parameter.
    Under,
    /// Anything else.
    Segments,
}

/// What stands between two slashes of a pattern.
#[derive(Clone, Copy)]
enum Segment<'p> {
    Text(&'p [u8]),
    Param,
    Rest,
}

/// The segments that are still to come: nothing, or a slash and what follows.
struct Segments<'p>(&'p [u8]);

impl<'p> Segments<'p> {
    const fn next(&mut self) -> Option<Segment<'p>> {
        let [_, after @ ..] = self.0 else { return None };
        let (segment, rest) = after.split_at(text::position(after, b'/'));
        self.0 = rest;
        Some(match segment {
            [b'{', b'*', ..] => Segment::Rest,
            [b'{', ..] => Segment::Param,
            text => Segment::Text(text),
        })
    }

    /// Whether what is left is a slash with nothing behind it: the one thing that `{*rest}` does not match.
    const fn is_slash(&self) -> bool {
        matches!(self.0, [_])
    }
}

impl PathTest {
    pub(super) const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let fixed_len = text::position(bytes, b'{');
        let kind = match bytes.split_at(fixed_len).1 {
            [] => Kind::Exact,
            [b'{', b'*', ..] => Kind::Under,
            _ => Kind::Segments,
        };
        Self { text, kind, fixed_len }
    }

    /// Whether the path matches. Looks at each of its bytes at most twice.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let pattern = self.text.as_bytes();
        match self.kind {
            Kind::Exact => path == pattern,
            Kind::Under => path.len() > self.fixed_len && path.starts_with(&pattern[..self.fixed_len]),
            Kind::Segments => {
                path.starts_with(&pattern[..self.fixed_len])
                    && matches_segments(&pattern[self.fixed_len - 1..], &path[self.fixed_len - 1..])
            }
        }
    }

    /// The byte behind the slash with which every matching path begins, zero if none is there; `None` if they differ.
    pub(super) const fn first_byte(&self) -> Option<u8> {
        match self.text.as_bytes() {
            [_, b'{', ..] => None,
            [_, byte, ..] => Some(*byte),
            _ => Some(0),
        }
    }

    /// Whether some path matches both patterns.
    pub(super) const fn overlaps(&self, other: &Self) -> bool {
        let (mut one, mut other) = (Segments(self.text.as_bytes()), Segments(other.text.as_bytes()));
        loop {
            let is_slash = one.is_slash() || other.is_slash();
            match (one.next(), other.next()) {
                (None, None) => return true,
                (None, _) | (_, None) => return false,
                (Some(Segment::Rest), _) | (_, Some(Segment::Rest)) => return !is_slash,
                (Some(Segment::Text(a)), Some(Segment::Text(b))) if !text::equal(a, b) => return false,
                (Some(Segment::Text([])), Some(Segment::Param))
                | (Some(Segment::Param), Some(Segment::Text([]))) => return false,
                _ => {}
            }
        }
    }

    /// Whether every path that `other` matches matches this pattern too.
    pub(super) const fn covers(&self, other: &Self) -> bool {
        let (mut one, mut other) = (Segments(self.text.as_bytes()), Segments(other.text.as_bytes()));
        loop {
            let is_slash = other.is_slash();
            match (one.next(), other.next()) {
                (None, None) => return true,
                (None, _) | (_, None) => return false,
                (Some(Segment::Rest), _) => return !is_slash,
                (_, Some(Segment::Rest)) => return false,
                (Some(Segment::Text(a)), Some(Segment::Text(b))) if text::equal(a, b) => {}
                (Some(Segment::Text(_)), _) | (Some(Segment::Param), Some(Segment::Text([]))) => {
                    return false;
                }
                (Some(Segment::Param), _) => {}
            }
        }
    }

    /// Orders patterns as the router does: from the left, text is more than `{param}`, and that more than `{*rest}`.
    ///
    /// Two patterns that are equal here and have a path in common are the same but for the names of parameters.
    pub(super) const fn compare(&self, other: &Self) -> Ordering {
        let (mut one, mut other) = (Segments(self.text.as_bytes()), Segments(other.text.as_bytes()));
        loop {
            let (a, b) = (fit(one.next()), fit(other.next()));
            if a < b {
                return Ordering::Less;
            }
            if a > b {
                return Ordering::Greater;
            }
            if a == 0 {
                return Ordering::Equal;
            }
        }
    }

    /// Says what keeps it from ever matching, or looks like a mistake; the router refuses the same.
    pub(super) const fn check(&self) -> Result<(), &'static str> {
        if !matches!(self.text.as_bytes(), [b'/', ..]) {
            return Err("a pattern begins with a slash");
        }
        if self.text.len() > u16::MAX as usize {
            return Err("a pattern has at most 65,535 bytes, as paths have");
        }
        let mut rest = self.text.as_bytes();
        while let [_, after @ ..] = rest {
            let (segment, behind) = after.split_at(text::position(after, b'/'));
            if let Err(why) = check_segment(segment, behind.is_empty()) {
                return Err(why);
            }
            rest = behind;
        }
        Ok(())
    }
}

const fn fit(segment: Option<Segment<'_>>) -> u8 {
    match segment {
        Some(Segment::Text(_)) => 3,
        Some(Segment::Param) => 2,
        Some(Segment::Rest) => 1,
        None => 0,
    }
}

/// Goes through pattern and path together; both begin with the same slash.
fn matches_segments(pattern: &[u8], mut path: &[u8]) -> bool {
    let mut pattern = Segments(pattern);
    while let Some(segment) = pattern.next() {
        let [b'/', after @ ..] = path else { return false };
        let (found, rest) = after.split_at(text::position(after, b'/'));
        match segment {
            Segment::Text(text) if text == found => {}
            Segment::Param if !found.is_empty() => {}
            Segment::Rest => return !after.is_empty(),
            _ => return false,
        }
        path = rest;
    }
    path.is_empty()
}

const fn check_segment(segment: &[u8], is_last: bool) -> Result<(), &'static str> {
    if let [b'{', inner @ .., b'}'] = segment {
        let (name, is_rest) = match inner {
            [b'*', name @ ..] => (name, true),
            name => (name, false),
        };
        if is_rest && !is_last {
            return Err("{*name} takes the rest of the path, so nothing follows it");
        }
        if name.is_empty() {
            return Err("a parameter needs a name: {name} or {*name}");
        }
        let mut index = 0;
        while index < name.len() {
            if !name[index].is_ascii_alphanumeric() && name[index] != b'_' {
                return Err("a parameter's name has letters, digits and underscores only");
            }
            index += 1;
        }
        return Ok(());
    }
    match segment {
        [] if !is_last => return Err("an empty segment can only be the last, as a trailing slash"),
        b"." | b".." => return Err("paths with dot segments are refused, so this never matches"),
        [b':' | b'*', ..] => return Err("a parameter is written {name}, the rest of the path {*name}"),
        _ => {}
    }
    let mut index = 0;
    while index < segment.len() {
        match segment[index] {
            b'{' | b'}' => return Err("a parameter is a whole segment, so a brace opens and closes one"),
            b'?' | b'#' => return Err("a pattern matches the path alone, without query and fragment"),
            b'%' => return Err("a pattern matches the decoded path: write the character itself"),
            0..=0x1f | 0x7f => return Err("a pattern has no control characters"),
            _ => {}
        }
        index += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;
    use crate::router::{Entry, Found, Node, Pattern, Router};
    use proptest::prelude::*;
    use std::boxed::Box;
    use std::string::String;
    use std::vec;

    /// What the router says of a pattern alone: whether it is one, and whether the path finds it.
    fn router_finds(text: &'static str, path: &str) -> Option<bool> {
        let (mut nodes, mut entries) = (vec![Node::EMPTY; 64], [const { Entry::EMPTY }; 1]);
        let mut router = Router::new(&mut nodes, &mut entries);
        router.add(Method::Get, Pattern::from(text)).ok()?;
        Some(matches!(router.find(Method::Get, path.as_bytes()), Found::Route { .. }))
    }

    fn pattern() -> impl Strategy<Value = &'static str> {
        let segment = prop_oneof![4 => "[ab]{1,2}", 3 => Just(String::from("{}"))];
        let end = prop::sample::select(&["", "/", "/{*rest}"][..]);
        (prop::collection::vec(segment, 0..4), end).prop_map(|(segments, end)| {
            let mut text = String::new();
            for (index, segment) in segments.iter().enumerate() {
                text.push('/');
                text.push_str(&segment.replace("{}", &std::format!("{{p{index}}}")));
            }
            text.push_str(if text.is_empty() && end.is_empty() { "/" } else { end });
            &*Box::leak(text.into_boxed_str())
        })
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(&["/", "/", "a", "b", "ab"][..]), 0..9)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_pattern_matches_what_the_router_finds_by_it(text in pattern(), path in path()) {
            prop_assert_eq!(PathTest::new(text).check(), Ok(()));
            prop_assert_eq!(Some(PathTest::new(text).matches(path.as_bytes())), router_finds(text, &path));
        }

        #[test]
        fn a_pattern_is_refused_when_the_router_refuses_it(text in "/?[ab{}*:%.?#_/é\n-]{0,7}") {
            let text = &*Box::leak(text.into_boxed_str());
            prop_assert_eq!(PathTest::new(text).check().is_ok(), router_finds(text, "/").is_some(), "{}", text);
        }

        #[test]
        fn covering_overlapping_and_order_hold_for_every_path(one in pattern(), other in pattern(), path in path()) {
            let (one, other) = (PathTest::new(one), PathTest::new(other));
            let (matches_one, matches_other) = (one.matches(path.as_bytes()), other.matches(path.as_bytes()));
            prop_assert!(!(matches_one && matches_other) || one.overlaps(&other));
            prop_assert!(!(one.covers(&other) && matches_other && !matches_one));
            prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
            prop_assert!(!one.covers(&other) || one.overlaps(&other));
            let order = one.compare(&other);
            prop_assert_eq!(order, other.compare(&one).reverse());
            // What matches less is more, and equal patterns are all that ties.
            let covers = (one.covers(&other), other.covers(&one));
            prop_assert!(covers != (true, false) || order.is_lt());
            prop_assert_eq!(covers == (true, true), order.is_eq() && one.overlaps(&other));
        }

        #[test]
        fn patterns_that_overlap_have_a_path_in_common(one in pattern(), other in pattern()) {
            let (a, b) = (PathTest::new(one), PathTest::new(other));
            // Each pattern's parameters filled with the text that the other one has there.
            let fill = |one: &str, other: &str| {
                let mut theirs = other.split('/').skip(1);
                let mut path = String::new();
                for segment in one.split('/').skip(1) {
                    let their = theirs.next().filter(|their| !their.starts_with('{')).unwrap_or("a");
                    path.push('/');
                    if segment.starts_with("{*") {
                        path.push_str(their);
                        theirs.by_ref().for_each(|their| {
                            path.push('/');
                            path.push_str(if their.starts_with('{') { "a" } else { their });
                        });
                    } else {
                        path.push_str(if segment.starts_with('{') { their } else { segment });
                    }
                }
                path
            };
            let has_witness = [fill(one, other), fill(other, one)]
                .iter()
                .any(|path| a.matches(path.as_bytes()) && b.matches(path.as_bytes()));
            prop_assert_eq!(a.overlaps(&b), has_witness, "{} {}", one, other);
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (text, word) in [
            ("", "begins with a slash"),
            ("orders", "begins with a slash"),
            ("/a//b", "empty segment"),
            ("/a/../b", "dot segments"),
            ("/:id", "written {name}"),
            ("/x-{id}", "whole segment"),
            ("/{*rest}/a", "nothing follows"),
            ("/{}", "needs a name"),
            ("/{a-b}", "letters, digits"),
            ("/a?b", "query"),
            ("/a%20b", "decoded"),
            ("/a\0", "control"),
        ] {
            let why = PathTest::new(text).check().unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
