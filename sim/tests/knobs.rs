//! Every field of the configuration, turned: each has a test in which another value leads to another behaviour (K1).
//! What needs sockets or threads (`workers`, `timeouts.drain`) is in `pivot-std/tests/knobs.rs`.

mod common;

use std::time::Duration;

use common::{SECOND, codes, draft, server_with, text};
use pivot_core::admission::classify::ClientIdentity;
use pivot_core::admission::{BreakerConfig, Quota};
use pivot_core::app::{App, Request, Response, Routes, get};
use pivot_core::mode::Draft;
use pivot_sim::{Client, Server};

fn start(draft: Draft) -> Server {
    server_with(draft.build().unwrap())
}

fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn send(server: &mut Server, client: Client, line: &str, fields: &str) {
    server.send(client, request(line, fields).as_bytes());
}

/// The codes of what one client gets for one request.
fn answer(draft: Draft, line: &str, fields: &str, content: &str) -> Vec<u16> {
    let mut server = start(draft);
    let client = server.connect();
    server.send(client, (request(line, fields) + content).as_bytes());
    codes(&text(&server, client))
}

/// An application whose handlers hold on to what they have.
fn holding() -> App<impl Routes> {
    App::new((
        get("/hold/{id}", async |req: Request<'_>, res: Response<'_>| {
            req.sleep(SECOND * 5).await;
            res.text("held")
        }),
        get("/text", async |_req, res| res.text(&"x".repeat(600))),
    ))
}

#[test]
fn connections_max() {
    let open = |connections_max| {
        let mut server = start(Draft { connections_max, connections_per_client: 9, ..draft() });
        // None of them is idle, so none makes room.
        let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for client in &clients {
            server.send(*client, b"GET");
        }
        clients.iter().filter(|client| server.is_open(**client)).count()
    };
    // The longest idle one makes room for each that comes behind the cap, so the last ones live.
    assert_eq!((open(2), open(4)), (2, 4));
}

#[test]
fn connections_per_client() {
    let open = |connections_per_client| {
        let mut server = start(Draft { connections_per_client, ..draft() });
        let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        let other = server.connect_from([10, 0, 0, 9].into());
        (clients.iter().filter(|client| server.is_open(**client)).count(), server.is_open(other))
    };
    assert_eq!((open(2), open(3)), ((2, true), (3, true)));
}

#[test]
fn concurrency_max_and_concurrency_reserved() {
    let running = |concurrency_max, concurrency_reserved| {
        let mut server = start(Draft { concurrency_max, concurrency_reserved, ..draft() });
        for _ in 0..4 {
            let client = server.connect();
            send(&mut server, client, "GET /slow?ms=1000", "");
        }
        server.shared().running_count()
    };
    assert_eq!((running(1, 0), running(3, 0), running(3, 2), running(4, 0)), (1, 3, 1, 4));
}

#[test]
fn queue_max() {
    let refused = |queue_max| {
        let mut server = start(Draft { queue_max, concurrency_max: 1, concurrency_reserved: 0, ..draft() });
        let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for client in &clients {
            send(&mut server, *client, "GET /slow?ms=1000", "");
        }
        clients.iter().filter(|client| codes(&text(&server, **client)) == [503]).count()
    };
    assert_eq!((refused(1), refused(2)), (2, 1));
}

#[test]
fn sizes_of_a_head() {
    let field = |len: usize| format!("X: {}\r\n", "y".repeat(len));
    let head = |head_size_max| answer(Draft { head_size_max, ..draft() }, "GET /", &field(1_200), "");
    assert_eq!((head(1_024), head(2_048)), (vec![431], vec![200]));
    let target = |target_size_max| {
        answer(Draft { target_size_max, ..draft() }, "GET /users/000000000000000000007", "", "")
    };
    assert_eq!((target(20), target(40)), (vec![414], vec![200]));
    let headers = |headers_max| answer(Draft { headers_max, ..draft() }, "GET /", &field(1).repeat(9), "");
    assert_eq!((headers(9), headers(10)), (vec![431], vec![200]));
}

#[test]
fn body_size_max() {
    let code = |body_size_max| {
        answer(Draft { body_size_max, ..draft() }, "POST /echo", "Content-Length: 5\r\n", "hello")
    };
    assert_eq!((code(4), code(5)), (vec![413], vec![200]));
}

#[test]
fn response_size() {
    let code = |response_size| {
        let mut server = Server::new(Draft { response_size, ..draft() }.build().unwrap(), holding());
        let client = server.connect();
        send(&mut server, client, "GET /text", "");
        codes(&text(&server, client))
    };
    assert_eq!((code(256), code(1_024)), (vec![500], vec![200]));
}

#[test]
fn requests_max() {
    let answered = |requests_max| {
        let mut server = start(Draft { requests_max, ..draft() });
        let (holder, other) = (server.connect(), server.connect());
        send(&mut server, holder, "GET /slow?ms=1000", "");
        send(&mut server, other, "GET /", "");
        let at_once = codes(&text(&server, other));
        server.advance(SECOND * 2);
        (at_once, codes(&text(&server, other)))
    };
    // Without a buffer for its head the second one waits, and is served when the first is done.
    assert_eq!(answered(1), (vec![], vec![200]));
    assert_eq!(answered(2), (vec![200], vec![200]));
}

#[test]
fn responses_max() {
    let second = |responses_max| {
        let mut server = start(Draft { responses_max, ..draft() });
        let (holder, other) = (server.connect(), server.connect());
        send(&mut server, holder, "GET /slow?ms=1000", "");
        send(&mut server, other, "GET /", "");
        (codes(&text(&server, other)), server.is_open(other))
    };
    // Without a buffer for the answer not even a refusal can be said: the connection ends.
    assert_eq!((second(1), second(2)), ((vec![], false), (vec![200], true)));
}

#[test]
fn streams_max() {
    let second = |streams_max| {
        let mut server = start(Draft { streams_max, ..draft() });
        let (holder, other) = (server.connect(), server.connect());
        send(&mut server, holder, "POST /echo", "Content-Length: 5\r\n");
        server.send(other, (request("POST /echo", "Content-Length: 2\r\n") + "hi").as_bytes());
        codes(&text(&server, other))
    };
    assert_eq!((second(1), second(2)), (vec![503], vec![200]));
}

#[test]
fn uris_max() {
    let second = |uris_max| {
        let mut server = Server::new(Draft { uris_max, ..draft() }.build().unwrap(), holding());
        let (holder, other) = (server.connect(), server.connect());
        send(&mut server, holder, "GET /hold/%61", "");
        send(&mut server, other, "GET /nope/%61", "");
        codes(&text(&server, other))
    };
    assert_eq!((second(1), second(2)), (vec![503], vec![404]));
}

/// For how many seconds a client is heard that sends a byte each second.
fn patience(draft: Draft, start_with: &str) -> u32 {
    let mut server = start(draft);
    let client = server.connect();
    server.send(client, start_with.as_bytes());
    for second in 0..60 {
        if codes(&text(&server, client)).last() == Some(&408) || !server.is_open(client) {
            return second;
        }
        server.advance(SECOND);
        server.send(client, b"x");
    }
    60
}

#[test]
fn head_rate_min() {
    let slow = "GET /";
    assert_eq!(patience(Draft { head_rate_min: 500, ..draft() }, slow), 3);
    assert_eq!(patience(Draft { head_rate_min: 1, ..draft() }, slow), 10, "the head's own time-out");
}

#[test]
fn body_rate_min() {
    let slow = request("POST /echo", "Content-Length: 1000\r\n");
    let short = |body_rate_min| patience(Draft { body_rate_min, ..draft() }, &slow);
    assert_eq!((short(1_024), short(1)), (3, 60));
}

#[test]
fn quota_and_clients_max() {
    let refused = |quota, clients_max| {
        let mut server = start(Draft { quota, clients_max, ..draft() });
        let mut refused = 0;
        for number in 0..64 {
            let client = server.connect_from([10, 0, 0, number].into());
            send(&mut server, client, "GET /", "Connection: close\r\n");
            refused += u32::from(codes(&text(&server, client)) == [429]);
            server.advance(SECOND * 3);
        }
        refused
    };
    let one_an_hour = Quota::new(1, SECOND * 3_600, 1).unwrap();
    let plenty = Quota::new(1_000, SECOND, 1_000).unwrap();
    assert_eq!(refused(one_an_hour, 1_024), 0, "each of 64 clients has its own request");
    // The smallest table has fourteen cells; who finds none shares the sketch.
    let shared = refused(one_an_hour, 8);
    assert!((40..=56).contains(&shared), "with memory for eight, the others share: {shared}");
    assert_eq!(refused(plenty, 8), 0);
}

#[test]
fn trust_class_header() {
    let started = |trust_class_header| {
        let draft = Draft { concurrency_max: 2, concurrency_reserved: 1, trust_class_header, ..draft() };
        let mut server = start(draft);
        let (holder, system) = (server.connect(), server.connect());
        send(&mut server, holder, "GET /slow?ms=1000", "");
        send(&mut server, system, "GET /", "X-Pivot-Class: system\r\n");
        codes(&text(&server, system))
    };
    assert_eq!((started(false), started(true)), (vec![], vec![200]));
}

#[test]
fn client() {
    let quota = Quota::new(1, SECOND * 3_600, 1).unwrap();
    let second = |client| {
        let mut server = start(Draft { quota, clients_max: 1_024, client, ..draft() });
        let proxy = server.connect();
        send(&mut server, proxy, "GET /", "X-Forwarded-For: 6.6.6.6, 10.0.0.1\r\n");
        send(&mut server, proxy, "GET /", "X-Forwarded-For: 7.7.7.7, 10.0.0.2\r\n");
        send(&mut server, proxy, "GET /", "X-Forwarded-For: 6.6.6.6, 10.0.0.2\r\n");
        codes(&text(&server, proxy))
    };
    assert_eq!(second(ClientIdentity::Peer), [200, 429, 429], "all of them are the proxy");
    assert_eq!(second(ClientIdentity::x_forwarded_for(1)), [200, 200, 429], "what the nearest proxy saw");
    assert_eq!(second(ClientIdentity::x_forwarded_for(2)), [200, 200, 429], "what the one before it saw");
}

#[test]
fn router_nodes_max() {
    use pivot_core::admission::Seed;
    use pivot_core::serve::{Shared, StartError};
    static SPACE: pivot_core::storage::Space<{ 1 << 20 }> = pivot_core::storage::Space::new();
    let mut arena = SPACE.arena().unwrap();
    let route = |pattern| get(pattern, async |_req: Request<'_>, res: Response<'_>| res.text(""));
    let app = App::new((
        (route("/a/b"), route("/a/c"), route("/d/e"), route("/d/f"), route("/g/h"), route("/g/i")),
        (route("/j/k"), route("/j/l"), route("/m/n"), route("/m/o"), route("/p/q"), route("/p/r")),
    ));
    let mut start = |router_nodes_max| {
        let config = Draft { router_nodes_max, ..draft() }.build().unwrap();
        Shared::new(&mut arena, config, &app, Seed(1, 2))
    };
    assert!(matches!(start(16), Err(StartError::Route(_))));
    assert!(start(64).is_ok());
}

#[test]
fn timeouts_of_a_client() {
    let closed_after = |change: fn(&mut Draft), bytes: &str| {
        let mut draft = draft();
        change(&mut draft);
        let mut server = start(draft);
        let client = server.connect();
        server.send(client, bytes.as_bytes());
        for second in 1..200 {
            server.advance(SECOND);
            if !server.is_open(client) {
                return second;
            }
        }
        200
    };
    assert_eq!(closed_after(|draft| draft.timeouts.idle = SECOND * 7, ""), 7);
    assert_eq!(closed_after(|draft| draft.timeouts.idle = SECOND * 70, ""), 70);
    assert_eq!(closed_after(|draft| draft.timeouts.grace = SECOND * 5, "GET /"), 5);
    assert_eq!(closed_after(|draft| draft.timeouts.grace = SECOND * 8, "GET /"), 8);
    let mut slow = draft();
    (slow.head_rate_min, slow.timeouts.head) = (1, SECOND * 4);
    assert_eq!(patience(slow, "GET /"), 4);
    slow.timeouts.head = SECOND * 8;
    assert_eq!(patience(slow, "GET /"), 8);
    let post = request("POST /echo", "Content-Length: 1000\r\n");
    (slow.body_rate_min, slow.timeouts.body) = (1, SECOND * 6);
    assert_eq!(patience(slow, &post), 6);
    slow.timeouts.body = SECOND * 9;
    assert_eq!(patience(slow, &post), 9);
}

#[test]
fn timeouts_of_the_server() {
    let after = |change: fn(&mut Draft), seconds| {
        let mut draft = Draft { concurrency_max: 1, concurrency_reserved: 0, ..draft() };
        change(&mut draft);
        let mut server = start(draft);
        let (running, waiting) = (server.connect(), server.connect());
        send(&mut server, running, "GET /slow?ms=20000", "");
        send(&mut server, waiting, "GET /", "");
        server.advance(SECOND * seconds);
        (codes(&text(&server, running)), codes(&text(&server, waiting)))
    };
    assert_eq!(after(|draft| draft.timeouts.handler = SECOND * 3, 4), (vec![503], vec![200]));
    assert_eq!(after(|draft| draft.timeouts.handler = SECOND * 8, 4), (vec![], vec![]));
    assert_eq!(after(|draft| draft.timeouts.queue = SECOND * 2, 4), (vec![], vec![503]));
    assert_eq!(after(|draft| draft.timeouts.queue = SECOND * 6, 4), (vec![], vec![]));
}

#[test]
fn timeouts_linger() {
    let open_after_a_second = |linger| {
        let mut draft = draft();
        draft.timeouts.linger = linger;
        let mut server = start(draft);
        let client = server.connect();
        send(&mut server, client, "POST /echo", "Content-Length: 99999\r\n");
        assert_eq!(codes(&text(&server, client)), [413]);
        server.advance(SECOND);
        server.shared().open_count()
    };
    assert_eq!((open_after_a_second(Duration::ZERO), open_after_a_second(SECOND * 3)), (0, 1));
}

/// How many of `count` requests reach a handler, each `gap` after the other.
fn reached(breaker: BreakerConfig, target: &str, count: u32, gap: Duration) -> u32 {
    let mut server = start(Draft { breaker: Some(breaker), ..draft() });
    let client = server.connect();
    for _ in 0..count {
        send(&mut server, client, target, "");
        server.advance(gap);
    }
    codes(&text(&server, client)).iter().filter(|&&code| code != 503).count() as u32
}

#[test]
fn every_field_of_the_breaker() {
    let base = BreakerConfig {
        volume_min: 4,
        failures_max: 1_000,
        failure_percent_max: 50,
        ..BreakerConfig::PRESET
    };
    let failing = |breaker| reached(breaker, "GET /fail", 20, Duration::ZERO);
    assert_eq!((failing(base), failing(BreakerConfig { volume_min: 7, ..base })), (4, 7));
    let by_count = BreakerConfig { volume_min: 1, failure_percent_max: 100, ..base };
    assert_eq!(failing(BreakerConfig { failures_max: 1, ..by_count }), 1);
    // Failures that are too far apart to be counted together.
    let apart = |window| reached(BreakerConfig { window, ..base }, "GET /fail", 10, SECOND * 2);
    assert_eq!((apart(SECOND * 4), apart(SECOND * 60)), (10, 4));
    let slow = |slow| reached(BreakerConfig { slow, ..base }, "GET /slow?ms=500", 10, SECOND);
    assert_eq!((slow(Duration::from_millis(100)), slow(SECOND)), (4, 10));
    // One failing request a second for a minute: each time that it half opens, one probe fails.
    let probes =
        |open| reached(BreakerConfig { open, window: SECOND * 255, ..base }, "GET /fail", 60, SECOND) - 4;
    assert!(probes(SECOND) > probes(SECOND * 30), "{} {}", probes(SECOND), probes(SECOND * 30));
    assert_eq!(start(Draft { breaker: None, ..draft() }).shared().config().breaker, None);
    assert_eq!(
        reached(BreakerConfig { failure_percent_max: 100, ..base }, "GET /fail", 6, Duration::ZERO),
        4
    );
}

#[test]
fn percentages_results_max_and_probes_max_of_the_breaker() {
    let base = BreakerConfig {
        volume_min: 4,
        failures_max: 1_000,
        failure_percent_max: 50,
        open: SECOND,
        ..BreakerConfig::PRESET
    };
    // Every third request takes nine seconds, or fails when it has run for five. How many of the others are refused?
    let refused = |breaker, handler| {
        let mut draft = Draft { breaker: Some(BreakerConfig { open: SECOND * 60, ..breaker }), ..draft() };
        draft.timeouts.handler = handler;
        let mut server = start(draft);
        let mut refused = 0;
        for round in 1..=12 {
            let client = server.connect();
            send(
                &mut server,
                client,
                if round % 3 == 0 { "GET /slow?ms=9000" } else { "GET /slow?ms=0" },
                "",
            );
            server.advance(SECOND * 10);
            refused += u32::from(round % 3 != 0 && codes(&text(&server, client)) == [503]);
        }
        refused
    };
    let slow = |slow_percent_max| refused(BreakerConfig { slow_percent_max, ..base }, SECOND * 60);
    assert!(slow(20) > 0 && slow(90) == 0, "{} {}", slow(20), slow(90));
    let failing = |failure_percent_max| {
        let slow = SECOND * 60;
        refused(BreakerConfig { failure_percent_max, slow, ..base }, SECOND * 5)
    };
    assert!(failing(20) > 0 && failing(90) == 0, "{} {}", failing(20), failing(90));
    // Of two results, four are never counted.
    let last = |results_max| reached(BreakerConfig { results_max, ..base }, "GET /fail", 20, Duration::ZERO);
    assert_eq!((last(2), last(100)), (20, 4));
    let at_once = |probes_max| {
        let breaker = BreakerConfig {
            probes_max,
            slow: Duration::from_millis(1),
            volume_min: 1,
            failure_percent_max: 1,
            ..base
        };
        let mut server = start(Draft { breaker: Some(breaker), concurrency_reserved: 0, ..draft() });
        let client = server.connect();
        send(&mut server, client, "GET /slow?ms=100", "");
        server.advance(SECOND * 3);
        // Half open: so many may try at once, the others are refused.
        let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        for client in &clients {
            send(&mut server, *client, "GET /slow?ms=100", "");
        }
        server.shared().running_count()
    };
    assert_eq!((at_once(1), at_once(3)), (1, 3));
}
