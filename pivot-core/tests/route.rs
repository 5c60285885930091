//! The rules of routing, by the public interface; `router/naive.rs` has the tests against a simple model.

use pivot_core::http::Method;
use pivot_core::router::{Entry, Found, Node, Params, Pattern, RouteError, RouteIndex, Router};

/// A router as large as any test here needs.
fn router() -> Router<'static> {
    router_with(400, 160)
}

fn router_with(node_count: usize, route_count: usize) -> Router<'static> {
    Router::new(vec![Node::EMPTY; node_count].leak(), vec![Entry::EMPTY; route_count].leak())
}

fn pattern(parts: &[&'static str]) -> Pattern {
    parts.iter().copied().fold(Pattern::EMPTY, Pattern::with)
}

/// A router with a GET route for each pattern.
fn gets(patterns: &[&'static str]) -> Router<'static> {
    let mut router = router();
    for &text in patterns {
        router.add(Method::Get, Pattern::from(text)).unwrap();
    }
    router
}

fn texts(params: &Params, path: &[u8]) -> Vec<String> {
    params.as_slice().iter().map(|span| String::from_utf8(span.of(path).to_vec()).unwrap()).collect()
}

/// Asserts which pattern a GET finds and what its parameters cover; an empty pattern stands for none.
#[track_caller]
fn assert_found(router: &Router<'_>, path: &str, pattern: &str, params: &[&str]) {
    let (found, texts) = match router.find(Method::Get, path.as_bytes()) {
        Found::Route { route, params } => {
            (router.pattern(route).unwrap().to_string(), texts(&params, path.as_bytes()))
        }
        Found::NotFound => Default::default(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(
        (found.as_str(), texts),
        (pattern, params.iter().map(|text| text.to_string()).collect()),
        "{path}"
    );
}

#[track_caller]
fn allowed(router: &Router<'_>, method: Method, path: &str) -> Vec<Method> {
    match router.find(method, path.as_bytes()) {
        Found::MethodNotAllowed { allow } => allow.iter().collect(),
        other => panic!("{method} {path}: {other:?}"),
    }
}

/// All orders of a short list.
fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for index in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(index);
        all.extend(orders(&rest).into_iter().map(|order| [&[first][..], &order].concat()));
    }
    all
}

#[test]
fn text_goes_before_a_parameter_and_a_parameter_before_the_rest_in_every_order() {
    for order in orders(&["/users/me", "/users/{id}", "/users/{*rest}", "/{*all}", "/users/"]) {
        let router = gets(&order);
        assert_found(&router, "/users/me", "/users/me", &[]);
        assert_found(&router, "/users/m", "/users/{id}", &["m"]);
        assert_found(&router, "/users/mee", "/users/{id}", &["mee"]);
        assert_found(&router, "/users/me/", "/users/{*rest}", &["me/"]);
        assert_found(&router, "/users/a/b", "/users/{*rest}", &["a/b"]);
        assert_found(&router, "/users/", "/users/", &[]);
        assert_found(&router, "/users", "/{*all}", &["users"]);
        assert_found(&router, "/", "", &[]);
    }
}

#[test]
fn the_search_comes_back_from_a_better_start_that_leads_nowhere() {
    for order in orders(&["/a/{x}/c", "/a/b/d", "/{y}/b/{z}/e", "/{*rest}"]) {
        let router = gets(&order);
        assert_found(&router, "/a/b/c", "/a/{x}/c", &["b"]);
        assert_found(&router, "/a/b/d", "/a/b/d", &[]);
        assert_found(&router, "/a/b/d/e", "/{y}/b/{z}/e", &["a", "d"]);
        assert_found(&router, "/a/x/d", "/{*rest}", &["a/x/d"]);
    }
}

#[test]
fn the_search_comes_back_through_every_level_of_a_full_table() {
    let depth = 8;
    let mut router = router_with(4_000, 1 << depth);
    for bits in 0..1 << depth {
        let segment = |level| if bits >> level & 1 == 0 { "/a".into() } else { format!("/{{p{level}}}") };
        let text = (0..depth).map(segment).collect::<String>() + "/end";
        router.add(Method::Get, Pattern::from(&*text.leak())).unwrap();
    }
    assert_found(&router, &("/a".repeat(depth) + "/enx"), "", &[]);
    assert_found(&router, "/b/a/b/a/b/a/b/a/end", "/{p0}/a/{p2}/a/{p4}/a/{p6}/a/end", &["b"; 4]);
    assert_eq!(
        allowed(&router, Method::Put, "/a/a/a/a/a/a/a/a/end"),
        [Method::Get, Method::Head, Method::Options]
    );
}

#[test]
fn parameters_of_an_abandoned_branch_do_not_show() {
    let router = gets(&["/{a}/{b}/{c}/x", "/{*rest}", "/p/{a}/{b}/y"]);
    assert_found(&router, "/p/q/r/x", "/{a}/{b}/{c}/x", &["p", "q", "r"]);
    assert_found(&router, "/p/q/r/y", "/p/{a}/{b}/y", &["q", "r"]);
    assert_found(&router, "/p/q/r/z", "/{*rest}", &["p/q/r/z"]);
}

#[test]
fn a_parameter_takes_one_segment_that_is_not_empty() {
    let router = gets(&["/{a}", "/x/{b}/y"]);
    assert_found(&router, "/0123456789abcdef0123456789", "/{a}", &["0123456789abcdef0123456789"]);
    for path in ["/", "/a/", "/a/b", "//", "/x//y", "/x/y", "", "a", "x/b/y"] {
        assert_found(&router, path, "", &[]);
    }
}

#[test]
fn the_rest_takes_at_least_one_byte() {
    let router = gets(&["/files/{*path}"]);
    assert_found(&router, "/files/a", "/files/{*path}", &["a"]);
    assert_found(&router, "/files//", "/files/{*path}", &["/"]);
    assert_found(&router, "/files/a/b/", "/files/{*path}", &["a/b/"]);
    assert_found(&router, "/files/", "", &[]);
    assert_found(&router, "/files", "", &[]);
}

#[test]
fn a_trailing_slash_is_significant() {
    let router = gets(&["/a", "/b/", "/{x}/c/"]);
    assert_found(&router, "/a", "/a", &[]);
    assert_found(&router, "/a/", "", &[]);
    assert_found(&router, "/b", "", &[]);
    assert_found(&router, "/b/", "/b/", &[]);
    assert_found(&router, "/q/c/", "/{x}/c/", &["q"]);
    assert_found(&router, "/q/c", "", &[]);
}

#[test]
fn a_group_keeps_to_borders_of_segments() {
    let mut router = router();
    for parts in [&["/api", "/orders"][..], &["/api", "/"], &["/v2", ""], &["/t/{tenant}", "/v1", "/{id}"]] {
        router.add(Method::Get, pattern(parts)).unwrap();
    }
    assert_found(&router, "/api/orders", "/api/orders", &[]);
    assert_found(&router, "/api/", "/api/", &[]);
    assert_found(&router, "/v2", "/v2", &[]);
    assert_found(&router, "/t/acme/v1/7", "/t/{tenant}/v1/{id}", &["acme", "7"]);
    for path in ["/api", "/apiX", "/apiorders", "/apiX/orders", "/v2/", "/v2x", "/api//orders"] {
        assert_found(&router, path, "", &[]);
    }
}

#[test]
fn get_answers_head_unless_the_pattern_has_a_head_of_its_own() {
    let mut router = gets(&["/a", "/b", "/{x}"]);
    let heads = ["/b", "/{y}"].map(|text| router.add(Method::Head, Pattern::from(text)).unwrap());
    for (path, expected) in [("/a", RouteIndex(0)), ("/b", heads[0]), ("/c", heads[1])] {
        let found = router.find(Method::Head, path.as_bytes());
        assert!(matches!(found, Found::Route { route, .. } if route == expected), "{path}: {found:?}");
    }
    assert_found(&router, "/b", "/b", &[]);
}

#[test]
fn a_method_that_is_missing_gets_the_methods_of_all_patterns_that_match() {
    use Method::*;
    let mut router = router();
    for (method, text) in [
        (Get, "/users/me"),
        (Put, "/users/{id}"),
        (Patch, "/users/{id}"),
        (Trace, "/{*rest}"),
        (Post, "/users"),
    ] {
        router.add(method, Pattern::from(text)).unwrap();
    }
    assert_eq!(allowed(&router, Delete, "/users/me"), [Get, Head, Put, Options, Trace, Patch]);
    assert_eq!(allowed(&router, Delete, "/users/7"), [Put, Options, Trace, Patch]);
    assert_eq!(allowed(&router, Get, "/users"), [Post, Options, Trace]);
    assert_eq!(router.find(Get, b"/"), Found::NotFound);
}

#[test]
fn a_method_that_is_missing_at_the_best_pattern_is_found_at_the_next() {
    let mut router = gets(&["/users/me"]);
    let delete = router.add(Method::Delete, Pattern::from("/users/{id}")).unwrap();
    let path = b"/users/me";
    let Found::Route { route, params } = router.find(Method::Delete, path) else { panic!() };
    assert_eq!((route, texts(&params, path)), (delete, vec!["me".to_string()]));
}

#[test]
fn options_without_a_route_comes_back_with_what_is_allowed() {
    let mut router = gets(&["/a"]);
    assert_eq!(allowed(&router, Method::Options, "/a"), [Method::Get, Method::Head, Method::Options]);
    let own = router.add(Method::Options, Pattern::from("/a")).unwrap();
    let expected = Found::Route { route: own, params: Params::EMPTY };
    assert_eq!(router.find(Method::Options, b"/a"), expected);
    assert_eq!(router.find(Method::Options, b"/b"), Found::NotFound);
}

#[test]
fn a_conflict_names_both_patterns_and_leaves_the_router_as_it_was() {
    let mut router = gets(&["/users/{id}/posts"]);
    let error = router.add(Method::Get, pattern(&["/users", "/{name}", "/posts"])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("GET /users/{name}/posts") && text.contains("GET /users/{id}/posts"), "{text}");
    assert_eq!(router.route_count(), 1);
    assert_found(&router, "/users/7/posts", "/users/{id}/posts", &["7"]);
    for (text, same) in [("/{*a}", "/{*b}"), ("/", "/"), ("/x/{a}/{*b}", "/x/{b}/{*a}")] {
        let mut router = gets(&[text]);
        let conflict = router.add(Method::Get, Pattern::from(same)).unwrap_err();
        let (new, old) = (Pattern::from(same), Pattern::from(text));
        assert_eq!(conflict, RouteError::Conflict { new, old, method: Method::Get });
        router.add(Method::Post, Pattern::from(same)).unwrap();
    }
}

#[test]
fn each_route_keeps_its_own_names() {
    let mut router = router();
    let get = router.add(Method::Get, Pattern::from("/u/{id}/{*rest}")).unwrap();
    let post = router.add(Method::Post, Pattern::from("/u/{name}/{*tail}")).unwrap();
    let longer = router.add(Method::Get, pattern(&["/u/{user}", "/{post}/x"])).unwrap();
    let names = |route| (0..3).map_while(|index| router.param_name(route, index)).collect::<Vec<_>>();
    assert_eq!(names(get), ["id", "rest"]);
    assert_eq!(names(post), ["name", "tail"]);
    assert_eq!(names(longer), ["user", "post"]);
    assert_eq!(router.param_index(get, "rest"), Some(1));
    assert_eq!(router.param_index(post, "rest"), None);
    assert_eq!(router.param_index(longer, "post"), Some(1));
    assert_eq!((router.method(post), router.method(RouteIndex(3))), (Some(Method::Post), None));
    assert_eq!((router.param_name(RouteIndex(9), 0), router.pattern(RouteIndex(9))), (None, None));
}

#[test]
fn a_bad_pattern_is_refused_and_nothing_is_added() {
    let mut router = router();
    for parts in [&["/api/", "/x"][..], &["api", "/x"], &["/x-{id}"], &["/a/../b"], &["/{*rest}/x"], &[""]] {
        let error = router.add(Method::Get, pattern(parts)).unwrap_err();
        assert!(matches!(error, RouteError::BadPattern { .. }), "{parts:?}: {error}");
    }
    let deep = pattern(&["/a"; 9]);
    assert_eq!(router.add(Method::Get, deep.clone()), Err(RouteError::PartsFull { pattern: deep }));
    assert_eq!((router.route_count(), router.node_count()), (0, 1));
}

#[test]
fn full_storage_is_said_and_what_was_added_before_is_still_found() {
    let mut router = router_with(4, 2);
    router.add(Method::Get, Pattern::from("/users/{id}")).unwrap();
    let long = Pattern::from("/users/{id}/some/long/text");
    let error = router.add(Method::Get, long.clone()).unwrap_err();
    assert_eq!(error, RouteError::NodesFull { pattern: long, capacity: 4 });
    assert_found(&router, "/users/7", "/users/{id}", &["7"]);
    assert_found(&router, "/users/7/some/long/text", "", &[]);
    router.add(Method::Post, Pattern::from("/users/{id}")).unwrap();
    let error = router.add(Method::Put, Pattern::from("/users/{id}")).unwrap_err();
    assert_eq!(error, RouteError::RoutesFull { pattern: Pattern::from("/users/{id}"), capacity: 2 });

    for (node_count, route_count) in [(0, 1), (1, 0), (0, 0)] {
        let mut router = router_with(node_count, route_count);
        router.add(Method::Get, Pattern::from("/")).unwrap_err();
        assert_found(&router, "/", "", &[]);
    }
}

#[test]
fn storage_may_have_been_used_before() {
    let (mut nodes, mut entries) = ([Node::EMPTY; 8], [const { Entry::EMPTY }; 4]);
    let mut first = Router::new(&mut nodes, &mut entries);
    first.add(Method::Get, Pattern::from("/{a}/b")).unwrap();
    let mut second = Router::new(&mut nodes, &mut entries);
    assert_found(&second, "/a/b", "", &[]);
    second.add(Method::Get, Pattern::from("/a")).unwrap();
    assert_found(&second, "/x/b", "", &[]);
    assert_found(&second, "/a", "/a", &[]);
}

#[test]
fn more_siblings_than_one_comparison_holds_are_all_found() {
    let bytes = (b'!'..=b'~').filter(|byte| !b"#%*./:?{}".contains(byte));
    let letters: Vec<&'static str> = bytes.map(|byte| &*format!("/{}", byte as char).leak()).collect();
    assert!(letters.len() > 64);
    let router = gets(&letters);
    for &letter in &letters {
        assert_found(&router, letter, letter, &[]);
        assert_found(&router, &format!("{letter}x"), "", &[]);
    }
}

#[test]
fn bytes_that_no_text_has_find_parameters_only() {
    let router = gets(&["/a", "/{x}/b"]);
    for byte in [0, 0xff] {
        for len in 0..20 {
            let bytes = vec![byte; len];
            assert_eq!(router.find(Method::Get, &bytes), Found::NotFound);
            assert_eq!(router.find(Method::Get, &[b"/", &bytes[..]].concat()), Found::NotFound);
            let found = router.find(Method::Get, &[b"/", &bytes[..], b"/b"].concat());
            assert_eq!(matches!(found, Found::Route { .. }), len > 0);
        }
    }
}

#[test]
fn a_path_of_any_length_is_answered() {
    let router = gets(&["/{a}", "/x/{*rest}"]);
    let path = |len: usize| [b"/".as_slice(), &vec![b'y'; len - 1]].concat();
    let Found::Route { params, .. } = router.find(Method::Get, &path(65_535)) else { panic!() };
    assert_eq!(params.get(0).unwrap().len, 65_534);
    assert_eq!(router.find(Method::Get, &path(65_536)), Found::NotFound);
    assert_eq!(router.find(Method::Get, &path(1 << 20)), Found::NotFound);
}

#[test]
fn a_built_router_is_shared_between_threads() {
    let router = gets(&["/a/{b}"]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_found(&router, "/a/x", "/a/{b}", &["x"]));
        }
    });
}
