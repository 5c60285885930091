//! What of the configuration needs sockets and threads: the rest is in `sim/tests/knobs.rs` (K1).

mod common;

use std::time::Duration;

use common::{draft, start, until};
use pivot_core::mode::Draft;

#[test]
fn workers() {
    for workers in [1, 3] {
        let server = start(Draft { workers, ..draft() }, || pivot_examples::app(pivot_std::thread_cpu_time));
        assert_eq!(server.connect().get("/").0, 200);
        assert_eq!(server.monitor.shared().unwrap().stats().len(), workers);
        server.end();
    }
}

#[test]
fn timeouts_drain() {
    let cut_count = |drain| {
        let mut draft = draft();
        draft.timeouts.drain = drain;
        let server = start(draft, || pivot_examples::app(pivot_std::thread_cpu_time));
        let mut client = server.connect();
        client.send(b"GET /slow?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n");
        let shared = server.monitor.shared().unwrap();
        until(|| shared.running_count() == 1);
        let ended = server.end();
        (ended.cut_count, client.rest().ends_with("slept\n"))
    };
    assert_eq!(cut_count(Duration::from_millis(10)), (1, false));
    assert_eq!(cut_count(Duration::from_secs(60)), (0, true));
}
