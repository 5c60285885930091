//! The connection, driven byte by byte: A5, C6b, C7, E1.

use std::time::Duration;

use pivot_core::admission::{BreakerConfig, Quota};
use pivot_core::mode::Draft;
use pivot_core::monitor::{CloseReason, Outcome};
use pivot_sim::Client;
use proptest::prelude::*;

mod common;

use common::{SECOND, codes, draft, server, server_with, text};

const REQUESTS: &[(&str, &str, &[u16])] = &[
    ("plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("two", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 204]),
    (
        "echo",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
    ),
    (
        "chunked",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
    ),
    ("bad chunk", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", &[400]),
    (
        "close",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200],
    ),
    ("1.0", "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", &[200]),
    ("1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", &[200, 200]),
    ("no host", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    (
        "both framings",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
    ("unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", &[501]),
    (
        "expectation",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: magic\r\n\r\nabc",
        &[417],
    ),
    ("version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[505]),
    ("too large", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n", &[413]),
    (
        "not found, then on",
        "GET /nope HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        &[404, 405, 204],
    ),
    ("fail", "GET /fail HTTP/1.1\r\nHost: a\r\n\r\nGET /stream HTTP/1.1\r\nHost: a\r\n\r\n", &[500, 200]),
    (
        "large",
        "GET /large?bytes=5000 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
    ),
    ("garbage", "\u{1}\u{2}\u{3}", &[400]),
];

#[test]
fn a_client_that_vanishes_leaves_nothing_behind_wherever_it_was() {
    let mut server = server();
    for (_, request, _) in REQUESTS {
        for split in 0..=request.len() {
            for is_reset in [true, false] {
                let client = server.connect();
                server.limit_output(client, 16, 40);
                server.send(client, &request.as_bytes()[..split]);
                if is_reset {
                    server.reset(client);
                } else {
                    server.end(client);
                    server.advance(SECOND * 400);
                }
                assert!(!server.is_open(client));
            }
        }
    }
    server.assert_everything_home();
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let mut server = server();
    let client = server.connect();
    server.send(client, b"GET /slow?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.end(client);
    server.advance(SECOND * 2);
    assert_eq!(codes(&text(&server, client)), [200]);
    assert!(!server.is_open(client));
    server.assert_everything_home();
}

#[test]
fn an_end_that_comes_with_the_request_is_not_lost() {
    let mut server = server();
    let client = server.connect();
    server.send_and_end(client, b"GET /slow?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.advance(SECOND * 2);
    assert_eq!(codes(&text(&server, client)), [200]);
    assert!(!server.is_open(client));
    server.assert_everything_home();
}

#[test]
fn content_that_no_handler_wants_is_read_and_dropped_up_to_sixteen_kibibytes() {
    let mut server = server_with(Draft { body_size_max: 1 << 20, ..draft() }.build().unwrap());
    let post = |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    let next = "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n";
    // A little: the answer comes at once, and the connection goes on behind the content.
    let client = server.connect();
    server.send(client, post(16_384).as_bytes());
    assert_eq!(codes(&text(&server, client)), [200]);
    for _ in 0..16 {
        server.send(client, &[b'x'; 1_024]);
    }
    server.send(client, next.as_bytes());
    assert_eq!(codes(&text(&server, client)), [200, 204]);
    // More: the connection ends with the answer.
    let client = server.connect();
    server.send(client, post(16_385).as_bytes());
    assert!(text(&server, client).contains("connection: close\r\n"));
    // Chunks say nothing of what is still to come: the connection ends when it is too much.
    let client = server.connect();
    server.send(client, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        server.send(client, format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes());
    }
    server.send(client, format!("0\r\n\r\n{next}").as_bytes());
    server.advance(SECOND * 5);
    assert_eq!(codes(&text(&server, client)), [200]);
    assert!(!server.is_open(client));
    // A client that does not send it has its answer, and is not waited for.
    let client = server.connect();
    server.send(client, post(5).as_bytes());
    server.advance(SECOND * 5);
    assert_eq!(codes(&text(&server, client)), [200]);
    assert!(!server.is_open(client));
    assert_eq!(server.shared().totals().closed(CloseReason::BodyTimeout), 1);
    server.assert_everything_home();
}

#[test]
fn a_reset_cancels_the_handler() {
    let mut server = server();
    let client = server.connect();
    server.send(client, b"GET /slow?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(server.shared().running_count(), 1);
    server.reset(client);
    assert_eq!(server.shared().running_count(), 0);
    assert_eq!(server.totals().outcome(Outcome::Cancelled), 1);
    server.assert_everything_home();
}

#[test]
fn time_limits_hold_in_every_phase() {
    let cases: &[(&[u8], u64, &[u16], CloseReason)] = &[
        (b"", 61, &[], CloseReason::IdleTimeout),
        (b"GET / HT", 3, &[408], CloseReason::HeadTimeout),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 3, &[408], CloseReason::BodyTimeout),
        (b"GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n", 31, &[503], CloseReason::HandlerTimeout),
    ];
    for (request, seconds, expected, reason) in cases {
        let mut server = server();
        let client = server.connect();
        server.send(client, request);
        server.advance(SECOND * (*seconds as u32 - 2));
        assert!(server.is_open(client) || *seconds < 4, "{reason:?}");
        server.advance(SECOND * 4);
        assert!(!server.is_open(client), "{reason:?}");
        assert_eq!(codes(&text(&server, client)), *expected, "{reason:?}");
        assert_eq!(server.totals().closed(*reason), 1, "{reason:?}: {:?}", server.totals());
        server.assert_everything_home();
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let mut server = server();
    let client = server.connect();
    server.limit_output(client, 100, 100);
    server.send(client, b"GET /large?bytes=50000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.is_open(client));
    server.advance(SECOND * 4);
    assert!(!server.is_open(client));
    assert_eq!(server.totals().closed(CloseReason::WriteTimeout), 1);
    server.assert_everything_home();
}

#[test]
fn a_head_that_trickles_in_has_ten_seconds_at_most() {
    let mut server = server();
    let client = server.connect();
    let mut seconds = 0;
    while server.is_open(client) && seconds < 60 {
        // Fast enough for the rate, and endless.
        server.send(
            client,
            &b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                [..if seconds == 0 { 60 } else { 1 }],
        );
        server.advance(SECOND);
        seconds += 1;
    }
    assert!(seconds <= 11, "{seconds}");
    server.assert_everything_home();
}

#[test]
fn content_is_invited_only_when_the_handler_wants_it() {
    let mut server = server();
    let client = server.connect();
    server
        .send(client, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(text(&server, client), "HTTP/1.1 100 Continue\r\n\r\n");
    server.send(client, b"ok");
    assert!(text(&server, client).ends_with("\r\n\r\nok"));
    let other = server.connect();
    server
        .send(other, b"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(codes(&text(&server, other)), [404]);
    assert!(!server.is_open(other), "whether the content comes is unknown, so the connection ends");
    server.assert_everything_home();
}

#[test]
fn chunked_content_over_the_limit_is_refused_by_its_announced_size() {
    let mut server = server();
    let client = server.connect();
    server.send(client, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
    server.send(client, b"x");
    assert_eq!(codes(&text(&server, client)), [413]);
    server.advance(SECOND * 2);
    assert!(!server.is_open(client));
    server.assert_everything_home();
}

#[test]
fn the_breaker_of_a_failing_route_opens_and_leaves_the_others_alone() {
    let mut server = server_with(Draft { breaker: Some(BreakerConfig::PRESET), ..draft() }.build().unwrap());
    let client = server.connect();
    for _ in 0..25 {
        server.send(client, b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.send(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let codes = codes(&text(&server, client));
    assert_eq!(codes.iter().filter(|&&code| code == 500).count(), 20);
    assert_eq!(codes[20..25], [503; 5]);
    assert_eq!(codes[25], 200);
    server.assert_everything_home();
}

#[test]
fn the_quota_of_one_client_does_not_touch_another() {
    let mut server = server_with(Draft { quota: Quota::PRESET, ..draft() }.build().unwrap());
    let (one, other) = (server.connect(), server.connect_from([10, 0, 0, 2].into()));
    for _ in 0..11 {
        server.send(one, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let answers = text(&server, one);
    assert_eq!(codes(&answers), [[200; 10].as_slice(), &[429]].concat());
    assert!(answers.contains("\r\nretry-after: "));
    server.send(other, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(codes(&text(&server, other)), [200]);
    server.assert_everything_home();
}

#[test]
fn a_full_queue_refuses_and_the_waiting_expire() {
    let mut server = server();
    let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for client in &clients {
        server.send(*client, b"GET /slow?ms=20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    // One of four permits is kept for the system class.
    assert_eq!(server.shared().running_count(), 3);
    server.advance(SECOND * 6);
    assert_eq!(codes(&text(&server, clients[3])), [503], "it waited in the queue for too long");
    server.advance(SECOND * 20);
    assert_eq!(codes(&text(&server, clients[0])), [200]);
    server.assert_everything_home();
}

#[test]
fn a_connection_beyond_the_cap_takes_the_place_of_an_idle_one_or_is_refused() {
    let mut server = server();
    let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for client in &clients[1..] {
        server.send(*client, b"GET /slow?ms=9000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let fifth = server.connect();
    assert!(!server.is_open(clients[0]) && server.is_open(fifth));
    server.send(fifth, b"GET /slow?ms=9000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let sixth = server.connect();
    assert!(!server.is_open(sixth));
    server.assert_everything_home();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever clients do, in whatever order, every request ends in one outcome and everything comes home.
    #[test]
    fn nothing_is_lost_whatever_clients_do(operations in proptest::collection::vec((0..7_u8, 0..6_usize, 0..400_usize), 1..120)) {
        let mut server = server();
        let mut clients: Vec<Client> = Vec::new();
        let mut rests: Vec<&[u8]> = Vec::new();
        for (operation, which, amount) in operations {
            if clients.len() <= which {
                clients.push(server.connect());
                rests.push(REQUESTS[amount % REQUESTS.len()].1.as_bytes());
                continue;
            }
            let client = clients[which];
            match operation {
                0 | 1 => {
                    let (now, later) = rests[which].split_at(amount.min(rests[which].len()));
                    rests[which] = if later.is_empty() { REQUESTS[amount % REQUESTS.len()].1.as_bytes() } else { later };
                    server.send(client, now);
                }
                2 => server.limit_output(client, 1 + amount % 50, amount),
                3 => server.advance(Duration::from_millis(amount as u64 * 20)),
                4 => server.jump(Duration::from_millis(amount as u64 * 100)),
                5 => server.end(client),
                _ => {
                    server.reset(client);
                    clients[which] = server.connect();
                }
            }
        }
        server.assert_everything_home();
    }
}
