//! What of the configuration needs sockets and threads: the rest is in `sim/tests/knobs.rs` (K1).

mod common;

use std::time::Duration;

use common::{draft, start, until};
use pivot_core::app::{App, Response, get};
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

#[test]
fn blocking_threads() {
    // With one worker and none of them, the handler runs in the loop, on one thread with all others.
    let threads = |blocking_threads| {
        let name = || format!("{:?}", std::thread::current().id());
        let server = start(Draft { workers: 1, blocking_threads, ..draft() }, move || {
            App::new((
                get("/here", async move |_req, res: Response<'_>| res.text(&name())),
                get("/there", async move |_req, res: Response<'_>| res.text(&name())).blocking(),
            ))
        });
        let mut client = server.connect();
        let is_same = client.get("/here") == client.get("/there");
        drop(client);
        server.end();
        is_same
    };
    assert_eq!((threads(0), threads(1)), (true, false));
}

#[test]
fn blocking_queue_max() {
    let refused = |blocking_queue_max| {
        let (enter, entered) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
        let server = start(Draft { blocking_threads: 1, blocking_queue_max, ..draft() }, move || {
            let (enter, gate) = (enter.clone(), gate.clone());
            App::new(
                get("/", async move |_req, res: Response<'_>| {
                    // Nobody listens any more once the test is through with a server.
                    let _ = enter.send(());
                    let _ = gate.lock().map(|gate| gate.recv());
                    res.text("held")
                })
                .blocking(),
            )
        });
        let shared = server.monitor.shared().unwrap();
        let ask = || {
            let mut client = server.connect();
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        };
        let mut clients = vec![ask()];
        entered.recv().unwrap();
        clients.extend((0..3).map(|_| ask()));
        until(|| {
            let refused = shared.totals().refusals.iter().sum::<u64>();
            refused + u64::from(shared.jobs().unwrap().queued_count()) == 3
        });
        let refused = shared.totals().refusals.iter().sum::<u64>();
        drop(open);
        clients.iter_mut().for_each(|client| drop(client.answer()));
        drop(clients);
        server.end();
        refused
    };
    assert_eq!((refused(1), refused(2), refused(3)), (2, 1, 0));
}
