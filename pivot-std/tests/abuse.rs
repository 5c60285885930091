//! What clients do to a server that is not theirs: C6b, A5, E1. Whatever it is, the others get their answers, memory stays,
//! and everything is home at the end.

mod common;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Client, draft, reset, start, until};
use pivot_core::app::{App, Routes};
use pivot_core::mode::Draft;
use pivot_core::monitor::{CloseReason, Outcome};

fn example() -> App<impl Routes> {
    pivot_examples::app(pivot_std::thread_cpu_time)
}

/// Resident memory of this process, client and server together, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// More than noise, much less than what is sent.
const GROWTH_MAX: usize = 12 << 20;

#[test]
fn a_head_of_fifty_megabytes_is_refused_after_its_limit_and_takes_no_memory() {
    let server = start(draft(), example);
    assert_eq!(server.connect().get("/").0, 200);
    let before = resident();
    let piece = vec![b'x'; 64 << 10];
    for start in ["GET / HTTP/1.1\r\nHost: a\r\nX: ", "GET /"] {
        let mut client = server.connect();
        client.send(start.as_bytes());
        // The server closes long before the end; from then on writes fail.
        let sent = (0..800).take_while(|_| client.0.write_all(&piece).is_ok()).count();
        assert!(sent < 800, "the server took all of it");
        let mut client = server.connect();
        client.send(start.as_bytes());
        client.send(&piece[..20 << 10]);
        let code = if start.contains("X:") { "431" } else { "414" };
        assert!(client.rest().starts_with(&format!("HTTP/1.1 {code} ")));
    }
    assert!(resident() < before + GROWTH_MAX, "{before} bytes before, {} after", resident());
    assert_eq!(server.connect().get("/").0, 200);
    assert_eq!(server.end().totals.outcome(Outcome::Malformed), 4);
}

#[test]
fn garbage_gets_one_answer_and_the_connection_ends() {
    let server = start(draft(), example);
    let random: Vec<u8> =
        (0_u32..4_096).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let cases: [(&str, &[u8]); 6] = [
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("random", &random),
        ("no version", b"GET /\r\n\r\n"),
        ("zeroes", &[0; 100]),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    ];
    for (name, bytes) in cases {
        let mut client = server.connect();
        client.send(bytes);
        let answer = client.rest();
        let code = if name == "HTTP/2" { "501" } else { "400" };
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
    }
    assert_eq!(server.end().totals.outcome(Outcome::Malformed), 6);
}

#[test]
fn a_reset_in_any_state_leaves_nothing_behind() {
    let server = start(Draft { concurrency_max: 4, concurrency_reserved: 0, ..draft() }, example);
    let states: [&[u8]; 7] = [
        b"",
        b"GET / HT",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"GET /slow?ms=20000 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /large?bytes=100000000 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n",
    ];
    for _ in 0..10 {
        for state in states {
            let mut client = server.connect();
            client.send(state);
            reset(client);
            let mut client = server.connect();
            client.send(state);
            // With the state surely reached: a second request, behind it, would be answered now.
            std::thread::yield_now();
            reset(client);
        }
        // Eight at once with room for four: the later ones are reset while they wait for their turn.
        let mut waiting: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        for client in &mut waiting {
            client.send(b"GET /slow?ms=20000 HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        waiting.into_iter().for_each(reset);
    }
    let shared = server.monitor.shared().unwrap();
    until(|| shared.running_count() == 0 && shared.open_count() == 0);
    assert_eq!(server.connect().get("/").0, 200);
    assert!(server.end().totals.outcome(Outcome::Cancelled) > 0);
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn clients_that_always_have_input_do_not_keep_new_ones_out() {
    let server = start(draft(), example);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy: Vec<_> = (0..64).map(|_| server.connect()).collect();
        for client in busy {
            let is_over = &is_over;
            let mut writer = client.0.try_clone().unwrap();
            let mut reader = client.0;
            scope.spawn(move || {
                let batch = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(64);
                while !is_over.load(Ordering::Relaxed) && writer.write_all(&batch).is_ok() {}
                let _ = writer.shutdown(std::net::Shutdown::Both);
            });
            scope.spawn(move || {
                let mut buffer = [0; 16 << 10];
                while matches!(reader.read(&mut buffer), Ok(1..)) {}
            });
        }
        // Also if the assertion below fails.
        let _ending = Ending(&is_over);
        for _ in 0..200 {
            // There is more to do than can be done, so some are turned away; but everybody gets an answer.
            let code = server.connect().get("/users/1").0;
            assert!(matches!(code, 200 | 503), "{code}");
        }
    });
    server.end();
}

#[test]
fn a_client_that_writes_everything_before_it_reads_is_held_up_and_then_cut_off() {
    let mut draft = Draft { body_size_max: 1 << 30, ..draft() };
    draft.timeouts.grace = Duration::from_millis(200);
    let server = start(draft, example);
    let mut client = server.connect();
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n");
    let piece = vec![b'x'; 1 << 20];
    let sent = (0..500).take_while(|_| client.0.write_all(&piece).is_ok()).count();
    assert!(sent < 500, "the server took all of it, and nobody has read");
    assert_eq!(server.connect().get("/").0, 200);
    drop(client);
    let totals = server.end().totals;
    assert_eq!(totals.outcome(Outcome::Timeout), 1);
    assert_eq!(totals.closed(CloseReason::WriteTimeout), 1);
}

#[test]
fn content_that_comes_too_slowly_is_answered_with_408() {
    let mut draft = draft();
    draft.timeouts.grace = Duration::from_millis(200);
    let server = start(draft, example);
    let mut client = server.connect();
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 408 "));
    assert_eq!(server.end().totals.outcome(Outcome::Timeout), 1);
}
