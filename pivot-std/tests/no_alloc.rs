//! D6: after warm-up a request takes nothing from the heap.

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use common::{Client, draft, start};
use counting::ALLOCATIONS;
use pivot_core::mode::Draft;

/// Sends a request and reads as many bytes as the answer has, without allocating on the client's side.
fn exchange(client: &mut Client, request: &[u8], answer_len: usize, buffer: &mut [u8]) {
    client.0.write_all(request).unwrap();
    let mut len = 0;
    while len < answer_len {
        match client.0.read(&mut buffer[len..answer_len]) {
            Ok(read) if read > 0 => len += read,
            ended => panic!("{ended:?} after {:?}", String::from_utf8_lossy(&buffer[..len])),
        }
    }
}

/// How long the answer to a request is: asked once, while counting is off.
fn answer_len(client: &mut Client, request: &[u8], buffer: &mut [u8]) -> usize {
    client.0.write_all(request).unwrap();
    let mut len = 0;
    loop {
        len += client.0.read(&mut buffer[len..]).unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        let Some(end) = text.find("\r\n\r\n") else { continue };
        let whole = if text.contains("transfer-encoding") {
            text.ends_with("0\r\n\r\n")
        } else {
            let content = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            len == end + 4 + content.parse::<usize>().unwrap()
        };
        if whole {
            return len;
        }
    }
}

#[test]
fn requests_take_nothing_from_the_heap() {
    let server = start(draft(), || pivot_examples::app(pivot_std::thread_cpu_time));
    // Retry-After is spread by a random part: from an hour it stays at four digits, so every answer has one length.
    let quota = pivot_core::admission::Quota::new(1, std::time::Duration::from_secs(3_600), 1).unwrap();
    let strict = start(Draft { quota, ..draft() }, || pivot_examples::app(pivot_std::thread_cpu_time));
    let mut buffer = vec![0; 4_096];
    let cases: [(&str, bool, &[u8]); 7] = [
        ("keep-alive", false, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("parameter", false, b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("escape", false, b"GET /users/%37 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("not found", false, b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            "chunked",
            false,
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        ("blocking", false, b"GET /block?ms=0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("refused", true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    for (name, is_strict, request) in cases {
        let mut client = if is_strict { strict.connect() } else { server.connect() };
        if is_strict {
            answer_len(&mut client, request, &mut buffer);
        }
        let len = answer_len(&mut client, request, &mut buffer);
        for _ in 0..50 {
            exchange(&mut client, request, len, &mut buffer);
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..200 {
            exchange(&mut client, request, len, &mut buffer);
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{name}");
        drop(client);
    }
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let len = answer_len(&mut server.connect(), request, &mut buffer);
    let mut connect = |count: u32| {
        for _ in 0..count {
            exchange(&mut Client::connect(server.address), request, len, &mut buffer);
        }
    };
    connect(50);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    connect(100);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "new connections");
    server.end();
    strict.end();
}
