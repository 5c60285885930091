//! What decides whether a request is served, through the whole server (C1–C7, C9): each knob turned, each field read.

mod common;

use std::time::Duration;

use common::{SECOND, codes, draft, server_with, text};
use pivot_core::admission::classify::{Classifier, Match, Rule};
use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_core::admission::shed::Strategy;
use pivot_core::admission::{AccessList, Cidr, Class, LimitBy, LimitSpec, Quota, ShedConfig};
use pivot_core::app::{App, Request, Response, get};
use pivot_core::mode::Draft;
use pivot_core::monitor::{Format, Outcome};
use pivot_sim::{Client, Server};

fn start(draft: Draft) -> Server {
    server_with(draft.build().unwrap())
}

fn send(server: &mut Server, client: Client, line: &str, fields: &str) {
    server.send(client, format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
}

/// The code of the only answer, of a client of its own.
fn ask(server: &mut Server, line: &str, fields: &str) -> Vec<u16> {
    let client = server.connect_from([10, 0, 0, 1].into());
    send(server, client, line, &format!("{fields}Connection: close\r\n"));
    codes(&text(server, client))
}

fn an_hour(count: u32) -> Quota {
    Quota::new(count, SECOND * 3_600, count).unwrap()
}

fn refusals(server: &Server, reason: &str) -> u64 {
    let place = pivot_core::admission::Refusal::REASONS.iter().position(|name| *name == reason).unwrap();
    server.totals().refusals[place]
}

fn metrics(server: &Server) -> String {
    let mut text = String::new();
    server.shared().export(Format::Prometheus, &mut text).unwrap();
    text
}

#[test]
fn classifier() {
    static RULES: Classifier = Classifier::checked(&[
        Rule::class(Class::High).path("/slow"),
        Rule::class(Class::Batch).header("x-job", Match::Present),
    ]);
    // One runs; a batch and a high request wait. Who is first when the permit comes back?
    let first = |classifier: &'static Classifier| {
        let mut server = start(Draft { classifier, concurrency_max: 1, concurrency_reserved: 0, ..draft() });
        let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        send(&mut server, clients[0], "GET /slow?ms=1000", "");
        send(&mut server, clients[1], "GET /slow?ms=100", "X-Job: 1\r\n");
        send(&mut server, clients[2], "GET /slow?ms=100", "");
        server.advance(Duration::from_millis(1_120));
        [1, 2].map(|client: usize| !text(&server, clients[client]).is_empty())
    };
    assert_eq!(first(&Classifier::EMPTY), [true, false], "in the order of arrival");
    assert_eq!(first(&RULES), [true, false], "the path is more specific than the field");
    static BY_FIELD: Classifier =
        Classifier::checked(&[Rule::class(Class::Batch).header("x-job", Match::Present)]);
    assert_eq!(first(&BY_FIELD), [false, true], "batch goes last");
}

#[test]
fn access() {
    static OTHERS: std::sync::LazyLock<[Cidr; 1]> =
        std::sync::LazyLock::new(|| ["127.0.0.0/8".parse().unwrap()]);
    static HERE: std::sync::LazyLock<[Cidr; 1]> =
        std::sync::LazyLock::new(|| ["10.0.0.0/8".parse().unwrap()]);
    let codes_with = |access| {
        let mut server = start(Draft { access, quota: an_hour(1), ..draft() });
        [ask(&mut server, "GET /", ""), ask(&mut server, "GET /", "")].concat()
    };
    assert_eq!(codes_with(AccessList::default()), [200, 429]);
    assert_eq!(codes_with(AccessList::new(&*HERE, &[])), [200, 200], "no limit is for them");
    assert_eq!(codes_with(AccessList::new(&[], &*HERE)), [403, 403]);
    assert_eq!(codes_with(AccessList::new(&*OTHERS, &[])), [200, 429], "a list of others");
}

#[test]
fn limits() {
    static BY_KEY: std::sync::LazyLock<[LimitSpec; 2]> = std::sync::LazyLock::new(|| {
        let by_key = LimitBy { route: true, ..LimitBy::header("x-api-key") };
        [
            LimitSpec { name: "key", by: by_key, quota: an_hour(2), keys_max: 64, is_shadow: false },
            LimitSpec { name: "all", by: LimitBy::NOTHING, quota: an_hour(5), keys_max: 1, is_shadow: true },
        ]
    });
    let mut server = start(Draft { limits: &*BY_KEY, ..draft() });
    let mut key = |line, key| ask(&mut server, line, &format!("X-Api-Key: {key}\r\n"))[0];
    let asked =
        [key("GET /", "a"), key("GET /", "a"), key("GET /", "a"), key("GET /", "b"), key("GET /empty", "a")];
    assert_eq!(asked, [200, 200, 429, 200, 204], "two for each key and route");
    assert_eq!(
        [key("GET /", "c"), key("GET /", "d"), key("GET /", "e")],
        [200, 200, 200],
        "a shadow lets pass"
    );
    let metrics = metrics(&server);
    for line in [
        "pivot_rate_limit_over_total{limit=\"key\",shadow=\"false\"} 1",
        "pivot_rate_limit_over_total{limit=\"all\",shadow=\"true\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn quota_is_shadow() {
    let second = |quota_is_shadow| {
        let mut server = start(Draft { quota_is_shadow, quota: an_hour(1), ..draft() });
        ask(&mut server, "GET /", "");
        (ask(&mut server, "GET /", ""), metrics(&server).contains("{limit=\"client\",shadow=\"true\"} 1"))
    };
    assert_eq!((second(false), second(true)), ((vec![429], false), (vec![200], true)));
}

#[test]
fn a_refused_client_is_told_its_limits_and_when_to_come_back() {
    let mut server = start(Draft { quota: Quota::new(60, SECOND * 60, 1).unwrap(), ..draft() });
    ask(&mut server, "GET /", "");
    let client = server.connect_from([10, 0, 0, 1].into());
    send(&mut server, client, "GET /", "");
    let text = text(&server, client);
    for line in [
        "\r\nretry-after: 1\r\n",
        "\r\nratelimit: \"client\";r=0;t=1\r\n",
        "\r\nratelimit-policy: \"client\";q=60;w=60\r\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn a_quota_changes_while_the_server_runs() {
    let mut server = start(Draft { quota: an_hour(1), ..draft() });
    assert_eq!([ask(&mut server, "GET /", ""), ask(&mut server, "GET /", "")].concat(), [200, 429]);
    let quota = Quota::new(1_000, SECOND, 1_000).unwrap();
    assert!(server.shared().set_quota(quota));
    assert_eq!(server.shared().quota(), quota);
    server.advance(SECOND * 4);
    assert_eq!(ask(&mut server, "GET /", ""), [200]);
}

#[test]
fn a_route_costs_what_it_says() {
    let left = |cost| {
        let text = |pattern| get(pattern, async |_req: Request<'_>, res: Response<'_>| res.text(""));
        let app = App::new((text("/dear").cost(cost), text("/")));
        let mut server = Server::new(Draft { quota: an_hour(5), ..draft() }.build().unwrap(), app);
        let dear = ask(&mut server, "GET /dear", "")[0];
        (dear, (0..9).take_while(|_| ask(&mut server, "GET /", "") == [200]).count())
    };
    assert_eq!((left(1), left(4), left(6)), ((200, 4), (200, 1), (429, 5)));
}

#[test]
fn what_costs_more_than_the_quota_ever_holds_is_not_told_to_come_back() {
    let app = App::new(get("/", async |_req, res: Response<'_>| res.text("")).cost(6));
    let mut server = Server::new(Draft { quota: an_hour(5), ..draft() }.build().unwrap(), app);
    let client = server.connect();
    send(&mut server, client, "GET /", "");
    let text = text(&server, client);
    assert!(text.starts_with("HTTP/1.1 429 ") && !text.contains("retry-after"), "{text}");
}

/// One request a millisecond, each of which sleeps for a while with the only permit: how many are answered, shed, or wait.
fn overload(shed: ShedConfig) -> Server {
    let mut draft = Draft { shed, concurrency_max: 1, concurrency_reserved: 0, queue_max: 20, ..draft() };
    (draft.connections_max, draft.connections_per_client) = (400, 400);
    (draft.requests_max, draft.responses_max) = (400, 400);
    draft.timeouts.queue = SECOND * 60;
    let mut server = start(draft);
    for _ in 0..300 {
        let client = server.connect();
        send(&mut server, client, "GET /slow?ms=10", "Connection: close\r\n");
        server.advance(Duration::from_millis(1));
    }
    server
}

#[test]
fn shed() {
    let interval = Duration::from_millis(10);
    let adaptive = |ms, queue_min| {
        let target = Duration::from_millis(ms);
        let strategy = Strategy::Adaptive { target, queue_min, predict: false };
        let server = overload(ShedConfig { strategy, interval });
        (refusals(&server, "shed"), refusals(&server, "queue_full"))
    };
    let (shed, full) = adaptive(20, 2);
    assert!(shed > 200 && full < 50, "two wait, the others are shed: {shed} {full}");
    let (less, full) = adaptive(10_000, 0);
    assert!(less == 0 && full > 200, "the target is far: {less} {full}");
    let (shed_of_many, _) = adaptive(20, 19);
    assert!(shed_of_many + 10 < shed, "nineteen may always wait: {shed_of_many}");
    let of = |strategy, reason| refusals(&overload(ShedConfig { strategy, interval }), reason);
    assert!(of(Strategy::PRIORITY, "shed") > 100);
    assert!(of(Strategy::RANDOM, "shed") > 50);
    assert!(of(Strategy::OLDEST, "queue_expired") > 50, "who has waited for too long goes");
    let admitted = metrics(&overload(ShedConfig { strategy: Strategy::ADAPTIVE, interval }));
    assert!(!admitted.contains("pivot_shed_admitted_ratio 1.0"), "{admitted}");
}

#[test]
fn limit() {
    let limit = |limit: Option<LimitConfig>| {
        let mut draft =
            Draft { limit, concurrency_max: 16, concurrency_reserved: 1, queue_max: 64, ..draft() };
        (draft.connections_max, draft.connections_per_client) = (64, 64);
        (draft.requests_max, draft.responses_max) = (64, 64);
        draft.shed.strategy = Strategy::PRIORITY;
        let mut server = start(draft);
        let clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
        let before = server.shared().concurrency_limit();
        // All slots are taken all the time, and each request takes longer than it should: for lack of slots or not?
        for (number, client) in clients.iter().enumerate() {
            let ms = 300 + 7 * number;
            let one = format!("GET /slow?ms={ms} HTTP/1.1\r\nHost: a\r\n\r\n");
            server.send(*client, one.repeat(30).as_bytes());
        }
        let limits = (0..60).map(|_| {
            server.advance(Duration::from_millis(100));
            server.shared().concurrency_limit()
        });
        (before, limits.min().unwrap())
    };
    assert_eq!(limit(None), (16, 16));
    let config = LimitConfig {
        law: LimitLaw::Gradient,
        min: 2,
        initial: 100,
        max: 100,
        latency_objective: Duration::from_millis(100),
        ..LimitConfig::PRESET
    };
    let (before, after) = limit(Some(config));
    assert!(
        before == 16 && after < 16,
        "what is above the slots counts as that; it falls: {before}, {after}"
    );
}

#[test]
fn a_request_whose_client_has_gone_by_then_is_not_started() {
    let mut server = start(Draft { concurrency_max: 1, concurrency_reserved: 0, ..draft() });
    let (holder, hasty, patient) = (server.connect(), server.connect(), server.connect());
    send(&mut server, holder, "GET /slow?ms=1000", "");
    send(&mut server, hasty, "GET /", "grpc-timeout: 100m\r\n");
    send(&mut server, patient, "GET /", "grpc-timeout: 2S\r\n");
    server.advance(Duration::from_millis(200));
    assert_eq!(codes(&text(&server, hasty)), [503]);
    server.advance(SECOND);
    assert_eq!(codes(&text(&server, patient)), [200]);
    assert_eq!(refusals(&server, "queue_expired"), 1);
}

#[test]
fn a_handler_knows_when_its_client_stops_waiting_and_is_dropped_then() {
    let app = App::new(get("/", async |req: Request<'_>, res: Response<'_>| {
        let left = req.deadline().left(req.now());
        if left < SECOND {
            req.sleep(SECOND).await;
        }
        res.text(&left.as_millis().to_string())
    }));
    let mut server = Server::new(draft().build().unwrap(), app);
    let client = server.connect();
    send(&mut server, client, "GET /", "grpc-timeout: 3S\r\n");
    assert!(text(&server, client).ends_with("\r\n\r\n3000"));
    let hasty = server.connect();
    send(&mut server, hasty, "GET /", "grpc-timeout: 500m\r\n");
    server.advance(Duration::from_millis(600));
    assert_eq!((codes(&text(&server, hasty)), server.totals().outcome(Outcome::Timeout)), (vec![503], 1));
    let vague = server.connect();
    send(&mut server, vague, "GET /", "grpc-timeout: soon\r\n");
    assert!(text(&server, vague).ends_with("\r\n\r\n30000"), "what cannot be understood asks for nothing");
}

#[test]
fn a_client_that_does_not_wait_cannot_open_a_breaker() {
    let breaker = Some(pivot_core::admission::BreakerConfig {
        volume_min: 5,
        ..pivot_core::admission::BreakerConfig::PRESET
    });
    let mut server = start(Draft { breaker, ..draft() });
    for _ in 0..20 {
        let client = server.connect();
        send(&mut server, client, "GET /slow?ms=50", "grpc-timeout: 1m\r\n");
        server.advance(Duration::from_millis(20));
    }
    assert_eq!(server.totals().outcome(Outcome::Timeout), 20);
    let client = server.connect();
    send(&mut server, client, "GET /slow?ms=50", "");
    server.advance(Duration::from_millis(100));
    assert_eq!(codes(&text(&server, client)), [200]);
}

#[test]
fn a_more_important_request_takes_the_place_of_another_in_a_full_queue() {
    let draft = Draft {
        concurrency_max: 1,
        concurrency_reserved: 0,
        queue_max: 1,
        trust_class_header: true,
        ..draft()
    };
    let mut server = start(draft);
    let (holder, low, critical) = (server.connect(), server.connect(), server.connect());
    send(&mut server, holder, "GET /slow?ms=100", "");
    // Two in one piece: the second is judged once the first has lost its place, and finds the queue full.
    let one = "GET / HTTP/1.1\r\nHost: a\r\nX-Pivot-Class: batch\r\n\r\n";
    server.send(low, [one, one].concat().as_bytes());
    send(&mut server, critical, "GET /", "X-Pivot-Class: critical\r\n");
    assert_eq!(codes(&text(&server, low)), [503, 503]);
    server.advance(SECOND);
    assert_eq!(codes(&text(&server, critical)), [200]);
    assert_eq!(server.totals().in_flight(), 0);
}

#[test]
fn thousands_of_refusals_in_one_piece_need_no_stack() {
    // A stack that would not hold a call for each of them.
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(|| {
        let mut server = start(Draft { quota: an_hour(1), head_size_max: 65_535, ..draft() });
        let client = server.connect();
        let one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        server.send(client, one.repeat(2_300).as_bytes());
        let codes = codes(&text(&server, client));
        assert!(codes.len() > 2_000 && codes[1..].iter().all(|code| *code == 429), "{}", codes.len());
    });
    thread.unwrap().join().unwrap();
}
