//! What only handlers on tokio can do: P3.
#![cfg(feature = "tokio")]

mod common;

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{draft, reset, start, until};
use pivot_core::app::{App, Request, Response, SendError, Sent, get};
use pivot_core::mode::Draft;
use pivot_core::monitor::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn handlers_await_timers_sockets_channels_and_tasks_of_their_own() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        for stream in upstream.incoming().take(20) {
            std::io::Write::write_all(&mut stream.unwrap(), b"from afar").unwrap();
        }
    });
    let server = start(draft(), move || {
        App::new((
            get("/timer", async |_req: Request<'_>, res: Response<'_>| {
                tokio::time::sleep(Duration::from_millis(2)).await;
                res.text("timer")
            }),
            get("/socket", async move |_req: Request<'_>, res: Response<'_>| {
                let mut said = String::new();
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.read_to_string(&mut said).await.unwrap();
                let _ = stream.shutdown().await;
                res.text(&said)
            }),
            get("/task", async |_req: Request<'_>, res: Response<'_>| {
                let local = Rc::new("task");
                let (sender, receiver) = tokio::sync::oneshot::channel();
                tokio::task::spawn_local(async move {
                    tokio::task::yield_now().await;
                    let _ = sender.send(*local);
                });
                res.text(receiver.await.unwrap())
            }),
            get("/thread", async |_req: Request<'_>, res: Response<'_>| {
                res.text(tokio::task::spawn_blocking(|| "thread").await.unwrap())
            }),
        ))
    });
    let mut client = server.connect();
    for _ in 0..20 {
        for (path, said) in
            [("/timer", "timer"), ("/socket", "from afar"), ("/task", "task"), ("/thread", "thread")]
        {
            assert_eq!(client.get(path), (200, said.to_owned()));
        }
    }
    drop(client);
    answering.join().unwrap();
    assert_eq!(server.end().totals.outcome(Outcome::Success), 80);
}

static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_handler_that_waits_is_dropped_with_its_client_at_its_deadline_and_at_the_end_and_all_comes_home() {
    let mut draft = Draft { concurrency_max: 8, concurrency_reserved: 0, ..draft() };
    draft.timeouts.drain = Duration::from_millis(20);
    let waits = async |_req: Request<'_>, res: Response<'_>| -> Result<Sent, SendError> {
        let _held = Held;
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        res.text("never")
    };
    let server =
        start(draft, move || App::new((get("/", waits), get("/quick", async |_req, res| res.text("")))));
    let shared = server.monitor.shared().unwrap();
    for round in 1..=10 {
        let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        until(|| shared.running_count() == 8);
        clients.into_iter().for_each(reset);
        until(|| shared.running_count() == 0);
        assert_eq!(DROPPED.load(Ordering::SeqCst), 8 * round);
    }
    assert_eq!(server.connect().get("/quick").0, 200);
    // The end comes under load: what runs is cut off, and counted.
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    until(|| shared.running_count() == 8);
    let ended = server.end();
    assert_eq!(ended.cut_count, 8);
    assert_eq!(ended.totals.outcome(Outcome::Cancelled), 88);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 88);
}

#[test]
fn a_thread_of_the_runtime_that_is_stuck_does_not_hold_up_the_end() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let receiver = std::sync::Arc::new(receiver);
    let server = start(draft(), move || {
        let receiver = std::sync::Arc::clone(&receiver);
        App::new(get("/", async move |_req: Request<'_>, res: Response<'_>| {
            let stuck = receiver.lock().unwrap().take();
            drop(tokio::task::spawn_blocking(move || stuck.map(|stuck| stuck.recv())));
            res.text("left behind")
        }))
    });
    assert_eq!(server.connect().get("/").0, 200);
    assert_eq!(server.end().cut_count, 0);
    drop(sender);
}
