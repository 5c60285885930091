//! Real clients: A5, P2. What is missing on the machine fails with the command that installs it.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use common::{draft, start};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use pivot_core::app::{App, Routes};
use pivot_core::mode::Draft;
use pivot_core::monitor::Outcome;

fn example() -> App<impl Routes> {
    pivot_examples::app(pivot_std::thread_cpu_time)
}

/// Runs a program of the machine and answers what it printed.
fn run(command: &mut Command, package: &str, input: &[u8]) -> (String, String) {
    let output = run_raw(command, package, input);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{error}", output.status);
    (out, error)
}

fn run_raw(command: &mut Command, package: &str, input: &[u8]) -> Output {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("{:?}: {error}; install it: apt-get install {package}", command.get_program())
    });
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn curl(arguments: &[&str], url: &str) -> (String, String) {
    run(Command::new("curl").args(["-sS", "--max-time", "60"]).args(arguments).arg(url), "curl", b"")
}

#[test]
fn curl_speaks_both_versions_keeps_its_connection_and_asks_for_heads() {
    let server = start(draft(), example);
    let url = format!("http://{}", server.address);
    assert_eq!(curl(&["-0"], &url).0, "Hello from Pivot\n");
    assert_eq!(curl(&["--http1.1"], &format!("{url}/users/7")).0, "{\"id\":7,\"name\":\"user 7\"}");
    let (out, verbose) = curl(&["--http1.1", "-v", &format!("{url}/stream")], &format!("{url}/users/8"));
    assert_eq!(out, "one\ntwo\nthree\nfour\nfive\n{\"id\":8,\"name\":\"user 8\"}");
    assert!(verbose.to_lowercase().contains("re-using existing connection"), "{verbose}");
    let head = curl(&["-I"], &url).0;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 17\r\n"), "{head}");
    assert_eq!(curl(&["-w", "%{http_code}", "-X", "DELETE"], &url).0, "Method Not Allowed405");
    // An answer to HTTP/1.0 whose length is not known ends with the connection.
    assert_eq!(curl(&["-0"], &format!("{url}/stream")).0, "one\ntwo\nthree\nfour\nfive\n");
    let totals = server.end().totals;
    assert_eq!((totals.requests, totals.outcome(Outcome::Success)), (7, 6));
}

#[test]
fn curl_uploads_in_chunks_and_waits_for_the_invitation() {
    let server = start(draft(), example);
    let url = format!("http://{}/echo", server.address);
    let content = vec![b'x'; 900_000];
    let mut command = Command::new("curl");
    command.args(["-sS", "-v", "--max-time", "60", "-X", "POST", "-T", "-", &url]);
    let output = run_raw(&mut command, "curl", &content);
    assert!(output.stdout == content, "{}", text(&output.stderr));
    assert!(text(&output.stderr).to_lowercase().contains("> transfer-encoding: chunked"));
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "-v",
        "--max-time",
        "60",
        "-H",
        "Expect: 100-continue",
        "--data-binary",
        "@-",
        &url,
    ]);
    let output = run_raw(&mut command, "curl", &content);
    assert!(output.stdout == content);
    assert!(text(&output.stderr).contains("< HTTP/1.1 100 Continue"), "{}", text(&output.stderr));
    // What is too long is not even sent.
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "-v",
        "--max-time",
        "60",
        "-H",
        "Expect: 100-continue",
        "--data-binary",
        "@-",
        &url,
    ]);
    let output = run_raw(&mut command, "curl", &vec![b'x'; 2 << 20]);
    let verbose = text(&output.stderr);
    assert!(verbose.contains("< HTTP/1.1 413 ") && !verbose.contains("100 Continue"), "{verbose}");
    server.end();
}

#[test]
fn one_hundred_megabytes_come_back_through_curl() {
    const LEN: usize = 100_000_000;
    let server = start(Draft { body_size_max: 200 << 20, ..draft() }, example);
    let mut child = Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "300",
            "-X",
            "POST",
            "-T",
            "-",
            &format!("http://{}/echo", server.address),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is missing: apt-get install curl");
    // No two pieces of a megabyte are alike.
    let piece = |start: usize| (start..LEN.min(start + 1_000_000)).map(|at| (at ^ at >> 8 ^ at >> 16) as u8);
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        for start in (0..LEN).step_by(1_000_000) {
            input.write_all(&piece(start).collect::<Vec<u8>>()).unwrap();
        }
    });
    let mut output = child.stdout.take().unwrap();
    let mut back = vec![0; 1_000_000];
    for start in (0..LEN).step_by(1_000_000) {
        output.read_exact(&mut back).unwrap();
        assert!(piece(start).eq(back.iter().copied()), "the megabyte at {start} came back otherwise");
    }
    assert_eq!(output.read(&mut back).unwrap(), 0);
    writing.join().unwrap();
    assert!(child.wait().unwrap().success());
    server.end();
}

#[test]
fn wrk_gets_nothing_but_good_answers() {
    let server = start(draft(), example);
    let url = format!("http://{}/users/1", server.address);
    let (report, _) = run(Command::new("wrk").args(["-t1", "-c16", "-d1s", &url]), "wrk", b"");
    assert!(report.contains("Requests/sec"), "{report}");
    assert!(!report.contains("Non-2xx") && !report.contains("Socket errors"), "{report}");
    let totals = server.end().totals;
    assert_eq!(totals.outcome(Outcome::Success) + totals.outcome(Outcome::Cancelled), totals.requests);
}

const PYTHON: &str = r#"
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=30)
for n in range(3):
    c.request("GET", f"/users/{n}"); r = c.getresponse()
    assert (r.status, r.read()) == (200, b'{"id":%d,"name":"user %d"}' % (n, n)), r
c.request("HEAD", "/"); r = c.getresponse()
assert (r.status, r.getheader("content-length"), r.read()) == (200, "17", b"")
c.request("POST", "/echo", body=b"x" * 100000); r = c.getresponse()
assert (r.status, len(r.read())) == (200, 100000)
c.request("POST", "/echo", body=(b"y" * n for n in range(1, 500)), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
r = c.getresponse(); assert (r.status, len(r.read())) == (200, 499 * 500 // 2)
c.request("GET", "/empty"); r = c.getresponse()
assert (r.status, r.read(), r.getheader("content-length")) == (204, b"", None), r.getheaders()
c.request("OPTIONS", "/echo"); r = c.getresponse(); r.read()
assert (r.status, r.getheader("allow")) == (204, "POST, OPTIONS"), (r.status, r.getheaders())
print("same connection:", c.sock is not None)
"#;

#[test]
fn pythons_client_does_all_on_one_connection() {
    let server = start(draft(), example);
    let address = server.address.to_string();
    let (out, _) = run(Command::new("python3").args(["-c", PYTHON, &address]), "python3", b"");
    assert_eq!(out, "same connection: True\n");
    let totals = server.end().totals;
    assert_eq!((totals.requests, totals.accepted), (8, 1));
}

#[test]
fn hypers_client_streams_both_ways_on_one_connection() {
    let server = start(draft(), example);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driving = tokio::spawn(connection);
        let request =
            |method: &str, path: &str| hyper::Request::builder().method(method).uri(path).header("host", "a");
        for _ in 0..3 {
            let body = Full::new(Bytes::from_static(b"hello")).boxed();
            let answer = sender.send_request(request("POST", "/echo").body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
        }
        let pieces = (0..50).map(|index| Ok(Frame::data(Bytes::from(vec![index; 1_000]))));
        let body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)));
        let answer = sender.send_request(request("POST", "/echo").body(body).unwrap()).await.unwrap();
        let back = answer.into_body().collect().await.unwrap().to_bytes();
        assert!((0..50).flat_map(|index| vec![index; 1_000]).eq(back));
        drop(sender);
        driving.await.unwrap().unwrap();
    });
    let totals = server.end().totals;
    assert_eq!((totals.requests, totals.accepted), (4, 1));
}
