//! What [`Router`] is tested against: the rules of [the module](super) once more, slow and obviously right.
//!
//! There is no tree here. Every pattern is held against the path, segment by segment, and of those that match the
//! one wins whose segments come first in the order of precedence. [`compare`] is the driver that the tests and the
//! fuzz target share.

use heapless::Vec;

use super::{Entry, Found, Node, PARAMS_MAX, Pattern, RouteError, RouteIndex, Router};
use crate::http::h1::decode::Span;
use crate::http::{Method, MethodSet};

/// A route of the naive list: its index is its place there.
pub type Route = (Method, Pattern);

/// What a naive search finds: [`Found`] with the parameters written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// See [`Found::Route`].
    Route(RouteIndex, Vec<Span, PARAMS_MAX>),
    /// See [`Found::MethodNotAllowed`].
    MethodNotAllowed(MethodSet),
    /// See [`Found::NotFound`].
    NotFound,
}

impl From<Found> for Answer {
    fn from(found: Found) -> Self {
        match found {
            Found::Route { route, params } => Self::Route(route, params.as_slice().iter().copied().collect()),
            Found::MethodNotAllowed { allow } => Self::MethodNotAllowed(allow),
            Found::NotFound => Self::NotFound,
        }
    }
}

/// How well a segment of a pattern fits, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Text,
    Param,
    Rest,
}

/// Finds the route of a method and a path.
pub fn find(routes: &[Route], method: Method, path: &[u8]) -> Answer {
    let mut allow = MethodSet::EMPTY;
    let mut best: Option<(usize, Vec<Span, PARAMS_MAX>)> = None;
    for (index, (added, pattern)) in routes.iter().enumerate() {
        let Some(spans) = matches(pattern, path) else { continue };
        allow = allow.with(*added);
        if *added == Method::Get {
            allow = allow.with(Method::Head);
        }
        if *added != method && !(*added == Method::Get && method == Method::Head) {
            continue;
        }
        let is_better = best.as_ref().is_none_or(|(best, _)| {
            // Of the same shape, the method itself goes before GET that stands in for HEAD.
            (fits(pattern).cmp(fits(&routes[*best].1)))
                .then((*added != method).cmp(&(routes[*best].0 != method)))
                .is_lt()
        });
        if is_better {
            best = Some((index, spans));
        }
    }
    match best {
        Some((index, spans)) => Answer::Route(RouteIndex(index as u16), spans),
        None if allow.is_empty() => Answer::NotFound,
        None => Answer::MethodNotAllowed(allow.with(Method::Options)),
    }
}

/// Whether two patterns have the same shape.
pub fn is_same_shape(one: &Pattern, other: &Pattern) -> bool {
    let shape = |segment| if fit(segment) == Fit::Text { (Fit::Text, segment) } else { (fit(segment), "") };
    segments(one).map(shape).eq(segments(other).map(shape))
}

/// The spans of the parameters, if the pattern matches the path.
fn matches(pattern: &Pattern, path: &[u8]) -> Option<Vec<Span, PARAMS_MAX>> {
    let mut spans = Vec::new();
    // Where the next segment's slash has to be.
    let mut slash = 0;
    for segment in segments(pattern) {
        if path.get(slash) != Some(&b'/') {
            return None;
        }
        let start = slash + 1;
        let len = path[start..].iter().position(|&byte| byte == b'/').unwrap_or(path.len() - start);
        let end = if fit(segment) == Fit::Rest { path.len() } else { start + len };
        match fit(segment) {
            Fit::Text if path[start..end] != *segment.as_bytes() => return None,
            Fit::Text => {}
            _ if start == end => return None,
            _ => spans.push(Span { start: start as u16, len: (end - start) as u16 }).ok()?,
        }
        slash = end;
    }
    (slash == path.len()).then_some(spans)
}

fn segments(pattern: &Pattern) -> impl Iterator<Item = &'static str> + '_ {
    pattern.parts().iter().flat_map(|part| part.split('/').skip(1))
}

fn fits(pattern: &Pattern) -> impl Iterator<Item = Fit> + '_ {
    segments(pattern).map(fit)
}

fn fit(segment: &str) -> Fit {
    if segment.starts_with("{*") {
        Fit::Rest
    } else if segment.starts_with('{') {
        Fit::Param
    } else {
        Fit::Text
    }
}

/// Builds a set of routes from `data`, and searches for paths from the rest of it with the tree and with the list.
///
/// Routes and paths are put together from few segments that have much in common, so that most paths come near to
/// several patterns.
///
/// # Panics
/// If the two do not agree.
pub fn compare(data: &[u8]) {
    let mut data = data.iter().copied();
    let mut nodes = [Node::EMPTY; ROUTES_MAX * 16];
    let mut entries = [const { Entry::EMPTY }; ROUTES_MAX];
    let mut router = Router::new(&mut nodes, &mut entries);
    let mut routes: Vec<Route, ROUTES_MAX> = Vec::new();
    let route_count = usize::from(data.next().unwrap_or(0)) % (ROUTES_MAX + 1);
    for _ in 0..route_count {
        let Some(pattern) = pattern_from(&mut data) else { break };
        let method = METHODS[usize::from(data.next().unwrap_or(0)) % METHODS.len()];
        match router.add(method, pattern.clone()) {
            Ok(index) => {
                assert_eq!(usize::from(index.0), routes.len());
                assert!(!routes.iter().any(|(old, shape)| *old == method && is_same_shape(shape, &pattern)));
                routes.push((method, pattern)).expect("there are as many places as entries");
            }
            Err(RouteError::Conflict { new, old, method: of_both }) => {
                assert!(new == pattern && of_both == method && is_same_shape(&new, &old));
                assert!(routes.contains(&(method, old)));
            }
            Err(RouteError::BadPattern { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let needed = 1 + routes.iter().map(|(_, pattern)| pattern.node_count_max()).sum::<usize>();
    assert!(route_count > routes.len() || router.node_count() <= needed);
    while let Some(path) = path_from(&mut data) {
        for method in Method::ALL {
            let (found, expected) = (router.find(method, &path), find(&routes, method, &path));
            assert_eq!(Answer::from(found), expected, "{method} {path:?} in {routes:?}");
        }
    }
}

fn pattern_from(data: &mut impl Iterator<Item = u8>) -> Option<Pattern> {
    let mut pattern = Pattern::EMPTY;
    let part_count = data.next()? % 5;
    for _ in 0..part_count {
        pattern = pattern.with(PREFIXES[usize::from(data.next()?) % PREFIXES.len()]);
    }
    Some(pattern.with(ENDS[usize::from(data.next()?) % ENDS.len()]))
}

fn path_from(data: &mut impl Iterator<Item = u8>) -> Option<Vec<u8, 256>> {
    let mut path = Vec::new();
    let segment_count = data.next()? % 8;
    for _ in 0..segment_count {
        let segment = PATHS[usize::from(data.next()?) % PATHS.len()];
        path.extend_from_slice(segment).ok()?;
    }
    Some(path)
}

const ROUTES_MAX: usize = 24;
const METHODS: [Method; 5] = [Method::Get, Method::Head, Method::Post, Method::Delete, Method::Options];
const PREFIXES: [&str; 12] = [
    "/a",
    "/{x}",
    "/ab",
    "/b",
    "/{y}",
    "/abcdefgh",
    "/abcdefghi",
    "/{z}/a",
    "/a/{x}",
    "/c",
    "/b/ab",
    "/abcdxfghij/k",
];
const ENDS: [&str; 14] = [
    "/a",
    "/{p}",
    "/",
    "",
    "/{*r}",
    "/b",
    "/ab",
    "/abc",
    "/abcdefgh",
    "/abcdefghijklmnopq",
    "/a/{*s}",
    "/{q}/",
    "/é",
    "/{x}/{y}",
];
const PATHS: [&[u8]; 24] = [
    b"/a",
    b"/b",
    b"/ab",
    b"/c",
    b"/abc",
    b"/abcdefgh",
    b"/abcdefghi",
    b"/abcdefghijklmnopq",
    b"/",
    b"/\xc3\xa9",
    b"/\xc3",
    b"/\0",
    b"\0",
    b"/zzzzzzzzz",
    b"/zzzzzzz",
    b"/zzzzzzzz",
    b"x",
    b"/a/a",
    b"/b/a",
    b"//",
    b"/\xff\xff\xff\xff\xff\xff\xff\xff",
    b"/abcdxfghij/k",
    b"/k",
    b"\xff",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::boxed::Box;
    use std::string::String;
    use std::vec::Vec as List;

    /// Routers whose nodes suffice exactly as the documentation says.
    fn agree(routes: &[Route], paths: &[String]) -> Result<(), TestCaseError> {
        let capacity = 1 + routes.iter().map(|(_, pattern)| pattern.node_count_max()).sum::<usize>();
        let mut nodes = std::vec![Node::EMPTY; capacity];
        let mut entries = std::vec![Entry::EMPTY; routes.len()];
        let mut router = Router::new(&mut nodes, &mut entries);
        let mut added: List<Route> = List::new();
        for (method, pattern) in routes {
            match router.add(*method, pattern.clone()) {
                Ok(_) => added.push((*method, pattern.clone())),
                Err(RouteError::Conflict { new, old, .. }) => prop_assert!(is_same_shape(&new, &old)),
                Err(error) => return Err(TestCaseError::fail(std::format!("{error}"))),
            }
        }
        for path in paths {
            for method in Method::ALL {
                let found = Answer::from(router.find(method, path.as_bytes()));
                prop_assert_eq!(found, find(&added, method, path.as_bytes()), "{} {}", method, path);
            }
        }
        Ok(())
    }

    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ab]{1,3}",
            1 => "[a-z]{7,10}",
            1 => "[a-z0-9_.~é-]{1,4}".prop_filter("dot segments are refused", |text| text != "." && text != ".."),
        ]
    }

    fn routes() -> impl Strategy<Value = List<Route>> {
        let piece = prop_oneof![2 => segment(), 2 => Just(String::from("{}"))];
        let end = prop_oneof![3 => Just(""), 1 => Just("/"), 2 => Just("/{*rest}")];
        let pattern = (prop::collection::vec(piece, 0..5), end).prop_map(|(pieces, end)| {
            let mut text = String::new();
            for (index, piece) in pieces.iter().enumerate() {
                text.push('/');
                // Names differ between routes and do not matter.
                text.push_str(&piece.replace("{}", &std::format!("{{p{}_{index}}}", pieces.len())));
            }
            text.push_str(if text.is_empty() && end.is_empty() { "/" } else { end });
            Pattern::from(&*Box::leak(text.into_boxed_str()))
        });
        prop::collection::vec((prop::sample::select(&METHODS[..]), pattern), 1..30)
    }

    /// Paths made of the patterns, each segment kept or changed.
    fn paths(routes: &[Route]) -> impl Strategy<Value = List<String>> + use<> {
        let kept =
            routes.iter().flat_map(|(_, pattern)| segments(pattern)).map(String::from).collect::<List<_>>();
        let segment = prop_oneof![6 => prop::sample::select(kept), 2 => segment(), 1 => Just(String::new())];
        let path = prop::collection::vec(segment, 1..6)
            .prop_map(|segments| segments.iter().fold(String::new(), |path, segment| path + "/" + segment));
        prop::collection::vec(path, 1..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn the_tree_and_the_list_agree(
            (routes, paths) in routes().prop_flat_map(|routes| { let paths = paths(&routes); (Just(routes), paths) }),
        ) {
            agree(&routes, &paths)?;
        }

        #[test]
        fn the_order_of_registration_makes_no_difference(
            (routes, shuffled, paths) in routes().prop_flat_map(|mut routes| {
                // Without conflicts, which depend on who comes first by their nature.
                let mut seen: List<Route> = List::new();
                routes.retain(|(method, pattern)| {
                    let is_new = !seen.iter().any(|(old, shape)| old == method && is_same_shape(shape, pattern));
                    if is_new { seen.push((*method, pattern.clone())); }
                    is_new
                });
                let paths = paths(&routes);
                (Just(routes.clone()), Just(routes).prop_shuffle(), paths)
            }),
        ) {
            let found = |routes: &[Route]| {
                let mut nodes = std::vec![Node::EMPTY; 1_000];
                let mut entries = std::vec![Entry::EMPTY; routes.len()];
                let mut router = Router::new(&mut nodes, &mut entries);
                for (method, pattern) in routes {
                    router.add(*method, pattern.clone()).unwrap();
                }
                let mut all = List::new();
                for path in &paths {
                    for method in Method::ALL {
                        all.push(match router.find(method, path.as_bytes()) {
                            Found::Route { route, params } => Ok((router.pattern(route).cloned(), params)),
                            other => Err(other),
                        });
                    }
                }
                all
            };
            prop_assert_eq!(found(&routes), found(&shuffled));
        }

        #[test]
        fn the_driver_of_the_fuzz_target_finds_no_difference(data in prop::collection::vec(any::<u8>(), 0..600)) {
            compare(&data);
        }
    }

    #[test]
    fn the_list_itself_follows_the_rules() {
        let route = |text: &'static str| (Method::Get, Pattern::from(text));
        let routes = [route("/a/{x}/c"), route("/a/b/d"), route("/{*all}"), route("/a/{x}")];
        for (path, index) in [("/a/b/c", 0), ("/a/b/d", 1), ("/a/b/e", 2), ("/a/b", 3), ("/a/", 2), ("//", 2)]
        {
            let answer = find(&routes, Method::Head, path.as_bytes());
            assert!(
                matches!(answer, Answer::Route(RouteIndex(found), _) if found == index),
                "{path}: {answer:?}"
            );
        }
        assert_eq!(find(&routes, Method::Get, b"/"), Answer::NotFound);
        let allow = MethodSet::EMPTY.with(Method::Get).with(Method::Head).with(Method::Options);
        assert_eq!(find(&routes, Method::Post, b"/a/b"), Answer::MethodNotAllowed(allow));
    }
}
