//! Requests by RFC 9110 and 9112, each fed whole, split at every byte and byte by byte, and answered through sinks of 1 and 7
//! bytes: A5. What is expected is read from the RFCs; each request is followed by another one, which is answered only if the
//! first one's framing was good.

mod common;

use common::{codes, draft, joined, server_with, text};
use pivot_sim::Server;

const NEXT: &str = "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n";

/// A name, a request, and the status of its answer.
type Case = (&'static str, String, u16);

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn with(method: &str, target: &str, fields: &str, content: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{content}")
}

fn field(line: &str) -> String {
    with("GET", "/", &format!("{line}\r\n"), "")
}

fn host(line: &str) -> String {
    format!("GET / HTTP/1.1\r\n{line}\r\n")
}

fn chunked(content: &str) -> String {
    with("POST", "/echo", "Transfer-Encoding: chunked\r\n", content)
}

fn length(fields: &str, content: &str) -> String {
    with("POST", "/echo", fields, content)
}

/// Requests after which the connection goes on.
fn good() -> Vec<Case> {
    let fields = "X: y\r\n".repeat(23);
    vec![
        ("GET", get("/"), 200),
        ("HEAD", with("HEAD", "/", "", ""), 200),
        ("POST", length("Content-Length: 0\r\n", ""), 200),
        ("PUT, not allowed", with("PUT", "/", "", ""), 405),
        ("DELETE, not allowed", with("DELETE", "/", "", ""), 405),
        ("PATCH, not allowed", with("PATCH", "/", "", ""), 405),
        ("TRACE, not allowed", with("TRACE", "/", "", ""), 405),
        ("OPTIONS of a route", with("OPTIONS", "/", "", ""), 204),
        ("OPTIONS of the server", with("OPTIONS", "*", "", ""), 204),
        ("an empty query", get("/?"), 200),
        ("a query", get("/?a=b&c=d?e/f"), 200),
        ("a parameter", get("/users/7"), 200),
        ("a parameter that is no number", get("/users/x"), 400),
        ("an escaped digit", get("/users/%37"), 200),
        ("an escaped slash is no border", get("/users/7%2F8"), 400),
        ("no route", get("/users/7/8"), 404),
        ("a trailing slash is another path", get("/users/"), 404),
        ("two slashes are another path", get("//"), 404),
        ("absolute form", get("http://a/"), 200),
        ("absolute form without a path", get("http://a"), 200),
        ("absolute form, scheme and host in capitals", get("HTTP://A/"), 200),
        ("absolute form overrides Host (9112 3.2.2)", get("http://b:81/users/7?x"), 200),
        ("a later minor version (9110 2.5)", "GET / HTTP/1.2\r\nHost: a\r\n\r\n".into(), 200),
        ("the last minor version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n".into(), 200),
        ("HTTP/1.0 that stays", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(), 200),
        ("an empty line before (9112 2.2)", format!("\r\n{}", get("/")), 200),
        ("a host with a port", host("Host: a:8080\r\n"), 200),
        ("a host with an empty port", host("Host: a:\r\n"), 200),
        ("an IPv6 host", host("Host: [::1]\r\n"), 200),
        ("an IPv6 host with a port", host("Host: [2001:db8::1]:80\r\n"), 200),
        ("an IPv4 host", host("Host: 127.0.0.1\r\n"), 200),
        ("an empty host (9112 3.2)", host("Host:\r\n"), 200),
        ("a registered name", host("Host: a-b_c.d~e%41!$&'()*+,;=\r\n"), 200),
        ("HOST in capitals, tabs around", host("HOST:\t a\t \r\n"), 200),
        ("content", length("Content-Length: 5\r\n", "hello"), 200),
        ("a length with zeroes before", length("Content-Length: 005\r\n", "hello"), 200),
        ("a length with white space around", length("Content-Length: \t5 \t\r\n", "hello"), 200),
        ("content that nobody reads", with("GET", "/", "Content-Length: 5\r\n", "hello"), 200),
        ("content of no route", with("POST", "/nope", "Content-Length: 5\r\n", "hello"), 404),
        ("one chunk", chunked("5\r\nhello\r\n0\r\n\r\n"), 200),
        ("two chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200),
        ("no chunk but the last", chunked("0\r\n\r\n"), 200),
        ("a last chunk of many zeroes", chunked("000\r\n\r\n"), 200),
        ("a size in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n"), 200),
        ("a size in small letters", chunked("a\r\n0123456789\r\n0\r\n\r\n"), 200),
        ("a size with zeroes before", chunked("0005\r\nhello\r\n0\r\n\r\n"), 200),
        ("a chunk extension", chunked("5;a=b\r\nhello\r\n0\r\n\r\n"), 200),
        ("an extension without a value", chunked("5;a\r\nhello\r\n0;b\r\n\r\n"), 200),
        ("an extension with a quoted value", chunked("5;a=\"b;\\\"c\\\"\"\r\nhello\r\n0\r\n\r\n"), 200),
        ("white space around an extension (9112 7.1.1)", chunked("5 ; a = b\r\nhello\r\n0\r\n\r\n"), 200),
        ("trailers", chunked("5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n"), 200),
        (
            "Chunked in capitals (9112 7)",
            with("POST", "/echo", "Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"),
            200,
        ),
        (
            "empty elements of a list (9110 5.6.1)",
            with("POST", "/echo", "Transfer-Encoding: , chunked ,\r\n", "0\r\n\r\n"),
            200,
        ),
        ("no white space before a value", field("A:b"), 200),
        ("an empty value", field("A:"), 200),
        ("only white space", field("A: \t "), 200),
        ("white space inside", field("A: b \t c"), 200),
        ("bytes beyond ASCII (9110 5.5)", field("A: \u{e9}\u{1f600}"), 200),
        ("every character of a token", field("!#$%&'*+-.^_`|~09azAZ: b"), 200),
        ("as many fields as may be", with("GET", "/", &fields, ""), 200),
        ("Connection: keep-alive", field("Connection: keep-alive"), 200),
        ("a connection option that is nobody's", field("Connection: closed, x"), 200),
        ("an expectation without content", field("Expect: 100-continue"), 200),
        ("an expectation in capitals", field("Expect: 100-CONTINUE"), 200),
        ("a failing handler", get("/fail"), 500),
        ("a stream", get("/stream"), 200),
        ("a parameter of a query that is missing", get("/large"), 400),
    ]
}

/// Good requests after which the connection ends.
fn last() -> Vec<Case> {
    vec![
        ("Connection: close", field("Connection: close"), 200),
        ("close in capitals", field("Connection: CLOSE"), 200),
        ("close in a list", field("Connection: x, close"), 200),
        ("close in a second field", field("Connection: x\r\nConnection: ,close"), 200),
        ("close beside keep-alive (9112 9.3)", field("Connection: keep-alive, close"), 200),
        ("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n".into(), 200),
        ("HTTP/1.0 with a host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n".into(), 200),
        ("HTTP/1.0 with an expectation (9110 10.1.1)", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n".into(), 200),
        ("HTTP/1.0 that streams", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(), 200),
        ("close after a failure", with("GET", "/fail", "Connection: close\r\n", ""), 500),
    ]
}

/// Requests whose framing or form is bad: one answer, and the connection ends.
fn bad() -> Vec<Case> {
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    let sized = |value: &str| length(&format!("Content-Length: {value}\r\n"), "hello");
    let coded = |value: &str| with("POST", "/echo", &format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n");
    let mut cases = vec![
        ("an unknown method", line("BREW / HTTP/1.1"), 501),
        ("methods mind the case (9110 9.1)", line("get / HTTP/1.1"), 501),
        ("a very long method", line(&format!("{} / HTTP/1.1", "M".repeat(100))), 501),
        ("CONNECT", line("CONNECT a:80 HTTP/1.1"), 501),
        ("CONNECT without an authority", line("CONNECT / HTTP/1.1"), 400),
        ("a method that is no token", line("GE(T / HTTP/1.1"), 400),
        ("no method", line(" / HTTP/1.1"), 400),
        ("two spaces before the target", line("GET  / HTTP/1.1"), 400),
        ("two spaces behind the target", line("GET /  HTTP/1.1"), 400),
        ("a tab between the parts", line("GET\t/ HTTP/1.1"), 400),
        ("a space behind the version", line("GET / HTTP/1.1 "), 400),
        ("a space before the method", line(" GET / HTTP/1.1"), 400),
        ("three empty lines before", format!("\r\n\r\n\r\n{}", get("/")), 400),
        ("no version (0.9)", line("GET /"), 400),
        ("a version in small letters", line("GET / http/1.1"), 400),
        ("a version of two digits", line("GET / HTTP/1.10"), 400),
        ("a major version of two digits", line("GET / HTTP/11.1"), 400),
        ("no minor version", line("GET / HTTP/1"), 400),
        ("an older version", line("GET / HTTP/0.9"), 505),
        ("a newer version", line("GET / HTTP/2.0"), 505),
        ("a line that ends with LF alone", "GET / HTTP/1.1\nHost: a\r\n\r\n".into(), 400),
        ("a line that ends with CR alone", "GET / HTTP/1.1\rHost: a\r\n\r\n".into(), 400),
        ("a relative target", line("GET a HTTP/1.1"), 400),
        ("a target that is a query", line("GET ?a HTTP/1.1"), 400),
        ("an asterisk for GET", line("GET * HTTP/1.1"), 400),
        ("a fragment", line("GET /#a HTTP/1.1"), 400),
        ("a control character in the target", line("GET /\u{7f} HTTP/1.1"), 400),
        ("a byte beyond ASCII in the target", line("GET /\u{e9} HTTP/1.1"), 400),
        ("NUL in the target", line("GET /\0 HTTP/1.1"), 400),
        ("half an escape", line("GET /a% HTTP/1.1"), 400),
        ("an escape that is none", line("GET /%zz HTTP/1.1"), 400),
        ("an escaped NUL", line("GET /%00 HTTP/1.1"), 400),
        ("a dot segment", line("GET /users/../fail HTTP/1.1"), 400),
        ("an escaped dot segment", line("GET /users/%2e%2E/fail HTTP/1.1"), 400),
        ("absolute form without a host", line("GET http:/// HTTP/1.1"), 400),
        ("absolute form with a user", line("GET http://u@a/ HTTP/1.1"), 400),
        ("absolute form with a bad port", line("GET http://a:b/ HTTP/1.1"), 400),
        ("a target that is too long", get(&format!("/{}", "a".repeat(600))), 414),
        ("no host (9112 3.2)", host(""), 400),
        ("no host beside absolute form", "GET http://a/ HTTP/1.1\r\n\r\n".into(), 400),
        ("two hosts", host("Host: a\r\nHost: b\r\n"), 400),
        ("the same host twice", host("Host: a\r\nHost: a\r\n"), 400),
        (
            "the same host twice beside absolute form",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(),
            400,
        ),
        ("a name with a space before the colon", field("A : b"), 400),
        ("a name with a tab before the colon", field("A\t: b"), 400),
        ("a first field that begins with white space", host(" Host: a\r\n"), 400),
        ("a folded value (9112 5.2)", field("A: b\r\n c"), 400),
        ("a value folded by a tab", field("A: b\r\n\tc"), 400),
        ("NUL in a value", field("A: b\0c"), 400),
        ("a control character in a value", field("A: b\u{1}c"), 400),
        ("DEL in a value", field("A: b\u{7f}c"), 400),
        ("a bare CR in a value", field("A: b\rc"), 400),
        ("a field that ends with LF alone", field("A: b\nC: d"), 400),
        ("no name", field(": b"), 400),
        ("no colon", field("A"), 400),
        ("a name that is no token", field("A(b: c"), 400),
        ("a name beyond ASCII", field("\u{c4}: b"), 400),
        ("one field too many", with("GET", "/", &"X: y\r\n".repeat(24), ""), 431),
        ("a head that is too long", field(&format!("A: {}", "b".repeat(2_100))), 431),
        (
            "a length and a coding",
            length("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        (
            "a coding and a length",
            length("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
            400,
        ),
        ("two lengths", length("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400),
        ("the same length twice", length("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
        ("content that is too long", sized("10001"), 413),
        ("a length beyond 64 bits", sized("18446744073709551616"), 413),
        ("a length far beyond 64 bits", sized("99999999999999999999999999"), 413),
        (
            "chunked with HTTP/1.0 (9112 6.1)",
            "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        ("another coding", coded("gzip, chunked"), 501),
        ("another coding alone, so that the end is unknown (9112 6.3)", coded("gzip"), 400),
        (
            "another coding in a field of its own",
            length("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            501,
        ),
        ("identity, which is gone", coded("identity"), 400),
        ("nearly chunked", coded("xchunked"), 400),
        ("chunked twice", coded("chunked, chunked"), 400),
        (
            "chunked in two fields",
            length("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        ("no coding at all", coded(""), 400),
        ("another expectation (9110 10.1.1)", field("Expect: 200-ok"), 417),
        ("two expectations", field("Expect: 100-continue, x"), 417),
    ];
    let hosts = [
        "a b", "a/b", "u@a", "a:b", "a:80:80", "[::1", "::1", "[gg]", "[::1]x", "a,b c", "%zz", "a?b", "a#b",
        "\u{e9}",
    ];
    cases.extend(hosts.iter().map(|value| ("a host that is none", host(&format!("Host: {value}\r\n")), 400)));
    let lengths = ["", "-5", "+5", "0x5", "5,6", "5, 5", "5 5", "5a", "5.0", "\"5\"", "\u{664}"];
    cases.extend(lengths.iter().map(|value| ("a length that is none", sized(value), 400)));
    let chunks = [
        "g\r\n",
        "-5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "\r\nhello\r\n",
        "5\nhello\r\n",
        "5\rhello\r\n",
        "5 5\r\nhello\r\n",
        ";a\r\n",
        "5;\r\nhello\r\n",
        "5;=b\r\nhello\r\n",
        "5;a=\r\nhello\r\n",
        "5;a=\"b\r\nhello\r\n",
        "5;a=\u{1}\r\nhello\r\n",
        "5;a\nhello\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffffffffff\r\n",
        "0\n\r\n",
        "0\r\nA b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\nC: d\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\n\n",
    ];
    cases.extend(chunks.iter().map(|content| ("a chunk that is none", chunked(content), 400)));
    cases.push(("a chunk extension without end", chunked(&format!("5;{}", "a".repeat(9_000))), 400));
    cases.push(("a size with zeroes without end", chunked(&"0".repeat(9_000)), 400));
    cases.push(("trailers without end", chunked(&format!("0\r\n{}", "A: b\r\n".repeat(3_000))), 431));
    cases.push(("a first chunk that is too long", chunked("2712\r\n"), 413));
    cases
}

/// All cases: name, bytes with what follows, the codes of the answers, and whether the connection goes on.
fn cases() -> impl Iterator<Item = (&'static str, String, Vec<u16>, bool)> {
    let good = good().into_iter().map(|(name, request, code)| (name, request + NEXT, vec![code, 204], true));
    let ends = last().into_iter().chain(bad());
    good.chain(ends.map(|(name, request, code)| (name, request + NEXT, vec![code], false)))
}

fn server() -> Server {
    server_with(draft().build().unwrap())
}

#[test]
fn every_request_gets_the_answer_that_the_rfcs_ask_for() {
    let mut server = server();
    let (mut count, mut wrong) = (0, String::new());
    for (name, request, expected, goes_on) in cases() {
        let client = server.connect();
        server.send(client, request.as_bytes());
        let answers = text(&server, client);
        if codes(&answers) != expected || server.is_open(client) != goes_on {
            wrong += &format!(
                "{name}: {:?} got {answers:?}, open: {}\n",
                &request[..request.len().min(120)],
                server.is_open(client)
            );
        }
        server.reset(client);
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 200, "{count}");
    server.assert_everything_home();
}

#[test]
fn every_request_gets_the_same_answers_whole_split_anywhere_and_byte_by_byte() {
    let mut server = server();
    for (name, request, ..) in cases() {
        let bytes = request.as_bytes();
        let whole = server.connect();
        server.send(whole, bytes);
        let answers = joined(&server.received(whole));
        let goes_on = server.is_open(whole);
        server.reset(whole);
        // Far behind its limit nothing of a long one is read any more.
        for split in 1..bytes.len().min(2_500) {
            let client = server.connect();
            server.send(client, &bytes[..split]);
            server.send(client, &bytes[split..]);
            assert_eq!(joined(&server.received(client)), answers, "{name} split at {split}");
            assert_eq!(server.is_open(client), goes_on, "{name} split at {split}");
            server.reset(client);
        }
        let client = server.connect();
        for byte in bytes.chunks(1) {
            server.send(client, byte);
        }
        assert_eq!(joined(&server.received(client)), answers, "{name} byte by byte");
        assert_eq!(server.is_open(client), goes_on, "{name} byte by byte");
        server.reset(client);
    }
    server.assert_everything_home();
}

#[test]
fn answers_are_the_same_however_little_the_client_takes_at_once() {
    let mut server = server();
    for (name, request, ..) in cases() {
        let whole = server.connect();
        server.send(whole, request.as_bytes());
        let answers = joined(&server.received(whole));
        server.reset(whole);
        for (len, room) in [(1, usize::MAX), (7, usize::MAX), (3, 5)] {
            let client = server.connect();
            server.limit_output(client, len, room);
            server.send(client, request.as_bytes());
            // The framing of chunks comes on top of what they hold.
            for _ in 0..answers.len() + 200 {
                server.limit_output(client, len, room);
            }
            assert_eq!(joined(&server.received(client)), answers, "{name}, {len} at once, {room} in all");
            server.reset(client);
        }
    }
    server.assert_everything_home();
}

#[test]
fn every_answer_is_a_message_by_the_rfcs() {
    let mut server = server();
    for (name, request, expected, goes_on) in cases() {
        let client = server.connect();
        server.send(client, request.as_bytes());
        let answers = text(&server, client);
        server.reset(client);
        let mut rest = answers.as_str();
        for (index, code) in expected.iter().enumerate() {
            let (head, content) = rest.split_once("\r\n\r\n").expect("a head ends with an empty line");
            let mut lines = head.split("\r\n");
            let status = lines.next().unwrap();
            assert!(status.starts_with(&format!("HTTP/1.1 {code} ")), "{name}: {status}");
            let fields: Vec<(&str, &str)> =
                lines.map(|line| line.split_once(": ").expect("name: value")).collect();
            let value = |name: &str| {
                let mut values = fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
                let value = values.next().map(|field| field.1);
                assert!(values.next().is_none(), "{name} is there once");
                value
            };
            let (length, coding) = (value("content-length"), value("transfer-encoding"));
            let has_content = *code != 204 && !(index == 0 && request.starts_with("HEAD"));
            let is_last = index + 1 == expected.len();
            if *code == 204 {
                assert_eq!(
                    (length, coding, value("content-type")),
                    (None, None, None),
                    "{name} (9110 8.6, 9112 6.1)"
                );
            }
            assert!(length.is_none() || coding.is_none(), "{name}");
            assert_eq!(
                value("allow").is_some(),
                *code == 405 || request.starts_with("OPTIONS") && index == 0,
                "{name} (9110 15.5.6)"
            );
            // HTTP/1.0 may end without saying so.
            if !request.contains("HTTP/1.0") {
                let closes = value("connection") == Some("close");
                assert_eq!(closes, is_last && !goes_on, "{name} (9112 9.6): {answers}");
            }
            rest = match (has_content, length, coding) {
                (false, ..) => content,
                (true, Some(length), _) => &content[length.parse::<usize>().unwrap()..],
                (true, None, Some("chunked")) => &content[content.find("0\r\n\r\n").unwrap() + 5..],
                // By the end of the connection.
                _ => {
                    assert!(is_last && !goes_on, "{name}");
                    ""
                }
            };
        }
        assert_eq!(rest, "", "{name}");
    }
}
