//! The table of a large API, to find routes in.

use std::hint::black_box;

use pivot_core::http::Method;
use pivot_core::router::{Entry, Found, Node, Pattern, Router};

/// Paths are searched for in the order of this list, again and again.
pub(crate) type Paths = &'static [&'static str];

/// A path without parameters.
pub(crate) const STATIC: Paths = &["/user/subscriptions"];
/// A path with three parameters.
pub(crate) const THREE: Paths = &["/repos/acme/rocket/pulls/1347/files"];
/// A path that begins as many do, and that no pattern matches.
pub(crate) const MISS: Paths = &["/repos/acme/rocket/pulls/1347/lines"];

/// For each pattern of [`PATTERNS`] a path that it matches.
pub(crate) fn all() -> Paths {
    let path = |pattern: &&str| -> &'static str {
        let segments: Vec<&str> = pattern.split('/').map(filled).collect();
        segments.join("/").leak()
    };
    Vec::leak(PATTERNS.iter().map(path).collect())
}

/// A segment as a client would write it.
fn filled(segment: &str) -> &str {
    let Some(name) = segment.strip_prefix('{').and_then(|opened| opened.strip_suffix('}')) else {
        return segment;
    };
    match name {
        "org" | "owner" => "acme-industries",
        "repo" => "rocket-engine",
        "user" => "wile-e-coyote",
        "team" => "propulsion",
        "sha" | "digest" => "6dcb09b5b57875f334f61aebed695e2e4193db5e",
        "branch" | "tag" | "ref" => "release-2.4",
        "label" => "help-wanted",
        "*path" => "src/engine/nozzle.rs",
        _ => "1347",
    }
}

/// Finds with Pivot: method, path, parameters.
pub(crate) fn pivot(paths: Paths, is_hit: bool) -> impl FnMut(u64) {
    let nodes = Vec::leak(vec![Node::EMPTY; 2_048]);
    let entries = Vec::leak(vec![Entry::EMPTY; PATTERNS.len()]);
    let mut router = Router::new(nodes, entries);
    for pattern in PATTERNS {
        router.add(Method::Get, Pattern::from(pattern)).expect("the table has no conflict");
    }
    move |count| {
        for path in paths.iter().cycle().take(count as usize) {
            assert_eq!(find_once(&router, black_box(path.as_bytes())), is_hit);
        }
    }
}

#[inline(never)]
fn find_once(router: &Router<'_>, path: &[u8]) -> bool {
    matches!(*black_box(&router.find(black_box(Method::Get), path)), Found::Route { .. })
}

/// Finds with `matchit`, which knows no methods.
pub(crate) fn matchit(paths: Paths, is_hit: bool) -> impl FnMut(u64) {
    let mut router = matchit::Router::new();
    for (index, pattern) in PATTERNS.into_iter().enumerate() {
        router.insert(pattern, index).expect("the table has no conflict");
    }
    move |count| {
        for path in paths.iter().cycle().take(count as usize) {
            assert_eq!(matchit_once(&router, black_box(path)), is_hit);
        }
    }
}

#[inline(never)]
fn matchit_once(router: &matchit::Router<usize>, path: &str) -> bool {
    black_box(&router.at(path)).is_ok()
}

const PATTERNS: [&str; 130] = [
    "/",
    "/health",
    "/meta",
    "/rate_limit",
    "/emojis",
    "/events",
    "/feeds",
    "/versions",
    "/markdown",
    "/markdown/raw",
    "/licenses",
    "/licenses/{license}",
    "/search/code",
    "/search/commits",
    "/search/issues",
    "/search/labels",
    "/search/repositories",
    "/search/users",
    "/notifications",
    "/notifications/threads/{thread}",
    "/notifications/threads/{thread}/subscription",
    "/gists",
    "/gists/public",
    "/gists/starred",
    "/gists/{gist}",
    "/gists/{gist}/comments",
    "/gists/{gist}/comments/{comment}",
    "/gists/{gist}/commits",
    "/gists/{gist}/forks",
    "/gists/{gist}/star",
    "/user",
    "/user/emails",
    "/user/followers",
    "/user/following",
    "/user/following/{user}",
    "/user/issues",
    "/user/keys",
    "/user/keys/{key}",
    "/user/memberships/orgs",
    "/user/memberships/orgs/{org}",
    "/user/orgs",
    "/user/repos",
    "/user/starred",
    "/user/starred/{owner}/{repo}",
    "/user/subscriptions",
    "/user/teams",
    "/users",
    "/users/{user}",
    "/users/{user}/events",
    "/users/{user}/events/public",
    "/users/{user}/events/orgs/{org}",
    "/users/{user}/followers",
    "/users/{user}/following",
    "/users/{user}/following/{other}",
    "/users/{user}/gists",
    "/users/{user}/keys",
    "/users/{user}/orgs",
    "/users/{user}/received_events",
    "/users/{user}/repos",
    "/users/{user}/starred",
    "/orgs/{org}",
    "/orgs/{org}/events",
    "/orgs/{org}/hooks",
    "/orgs/{org}/hooks/{hook}",
    "/orgs/{org}/issues",
    "/orgs/{org}/members",
    "/orgs/{org}/members/{user}",
    "/orgs/{org}/public_members",
    "/orgs/{org}/public_members/{user}",
    "/orgs/{org}/repos",
    "/orgs/{org}/teams",
    "/orgs/{org}/teams/{team}",
    "/orgs/{org}/teams/{team}/members",
    "/orgs/{org}/teams/{team}/repos",
    "/orgs/{org}/teams/{team}/repos/{owner}/{repo}",
    "/orgs/{org}/packages/{package}/versions/{version}",
    "/repositories",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/actions/artifacts",
    "/repos/{owner}/{repo}/actions/artifacts/{artifact}",
    "/repos/{owner}/{repo}/actions/runs",
    "/repos/{owner}/{repo}/actions/runs/{run}",
    "/repos/{owner}/{repo}/actions/runs/{run}/jobs",
    "/repos/{owner}/{repo}/actions/runs/{run}/logs",
    "/repos/{owner}/{repo}/assignees",
    "/repos/{owner}/{repo}/branches",
    "/repos/{owner}/{repo}/branches/{branch}",
    "/repos/{owner}/{repo}/branches/{branch}/protection",
    "/repos/{owner}/{repo}/collaborators",
    "/repos/{owner}/{repo}/collaborators/{user}",
    "/repos/{owner}/{repo}/comments",
    "/repos/{owner}/{repo}/comments/{comment}",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/commits/{sha}",
    "/repos/{owner}/{repo}/commits/{sha}/comments",
    "/repos/{owner}/{repo}/commits/{sha}/status",
    "/repos/{owner}/{repo}/compare/{span}",
    "/repos/{owner}/{repo}/contents/{*path}",
    "/repos/{owner}/{repo}/contributors",
    "/repos/{owner}/{repo}/deployments",
    "/repos/{owner}/{repo}/deployments/{deployment}/statuses",
    "/repos/{owner}/{repo}/events",
    "/repos/{owner}/{repo}/forks",
    "/repos/{owner}/{repo}/git/blobs/{sha}",
    "/repos/{owner}/{repo}/git/commits/{sha}",
    "/repos/{owner}/{repo}/git/refs/{*path}",
    "/repos/{owner}/{repo}/git/tags/{sha}",
    "/repos/{owner}/{repo}/git/trees/{sha}",
    "/repos/{owner}/{repo}/hooks",
    "/repos/{owner}/{repo}/hooks/{hook}",
    "/repos/{owner}/{repo}/issues",
    "/repos/{owner}/{repo}/issues/{issue}",
    "/repos/{owner}/{repo}/issues/{issue}/comments",
    "/repos/{owner}/{repo}/issues/{issue}/labels",
    "/repos/{owner}/{repo}/issues/{issue}/labels/{label}",
    "/repos/{owner}/{repo}/keys",
    "/repos/{owner}/{repo}/labels",
    "/repos/{owner}/{repo}/labels/{label}",
    "/repos/{owner}/{repo}/milestones",
    "/repos/{owner}/{repo}/milestones/{milestone}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull}",
    "/repos/{owner}/{repo}/pulls/{pull}/commits",
    "/repos/{owner}/{repo}/pulls/{pull}/files",
    "/repos/{owner}/{repo}/pulls/{pull}/merge",
    "/repos/{owner}/{repo}/pulls/{pull}/reviews/{review}",
    "/repos/{owner}/{repo}/releases",
    "/repos/{owner}/{repo}/releases/tags/{tag}",
    "/repos/{owner}/{repo}/stats/contributors",
    "/teams/{team}",
];
