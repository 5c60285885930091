//! A backend over real sockets: A2, A5, C5, C6b, E1, P2.

mod common;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use common::{Client, begin, draft, reset, start, until};
use pivot_core::admission::shed::{ShedConfig, Strategy};
use pivot_core::app::{App, Request, Response, SendError, Sent, get};
use pivot_core::mode::Draft;
use pivot_core::monitor::Outcome;
use pivot_std::Error;
use pivot_std::mio::Server;
use rustix::process::{Resource, Rlimit, setrlimit};

fn example() -> App<impl pivot_core::app::Routes> {
    pivot_examples::app(pivot_std::thread_cpu_time)
}

#[test]
fn a_connection_serves_one_request_after_the_other_and_a_batch_of_them() {
    let server = start(draft(), example);
    let mut client = server.connect();
    for id in 0..20 {
        assert_eq!(client.get(&format!("/users/{id}")).1, format!("{{\"id\":{id},\"name\":\"user {id}\"}}"));
    }
    client.send(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(16));
    for _ in 0..16 {
        assert_eq!(client.answer(), (200, "Hello from Pivot\n".to_owned()));
    }
    drop(client);
    assert_eq!(server.end().totals.outcome(Outcome::Success), 36);
}

#[test]
fn ten_megabytes_come_back_while_they_go_out() {
    let server = start(Draft { body_size_max: 20 << 20, ..draft() }, example);
    let mut client = server.connect();
    let content = vec![b'x'; 10 << 20];
    client.send(
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", content.len()).as_bytes(),
    );
    let mut writer = client.0.try_clone().unwrap();
    let sent = content.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    let mut back = vec![0; content.len()];
    client.0.read_exact(&mut back).unwrap();
    assert!(back == content);
    writing.join().unwrap();
    server.end();
}

#[test]
fn a_client_that_ends_its_side_gets_its_answer_and_one_that_resets_cancels() {
    let server = start(draft(), example);
    let mut client = server.connect();
    client.send(b"GET /slow?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.0.shutdown(Shutdown::Write).unwrap();
    assert!(client.rest().ends_with("slept\n"));
    let mut client = server.connect();
    client.send(b"GET /slow?ms=20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let shared = server.monitor.shared().unwrap();
    until(|| shared.running_count() == 1);
    reset(client);
    until(|| shared.running_count() == 0);
    assert_eq!(server.end().totals.outcome(Outcome::Cancelled), 1);
}

#[test]
fn slow_clients_are_cut_off_and_the_others_do_not_notice() {
    let mut draft = draft();
    draft.timeouts.head = Duration::from_millis(200);
    draft.timeouts.grace = Duration::from_millis(200);
    let server = start(draft, example);
    let mut slow: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send(b"GET / HT");
    }
    assert_eq!(server.connect().get("/").0, 200);
    for client in &mut slow {
        assert!(client.rest().starts_with("HTTP/1.1 408 "));
    }
    assert_eq!(server.end().totals.outcome(Outcome::Timeout), 20);
}

#[test]
fn a_panic_costs_its_own_request_and_a_handler_past_its_deadline_is_dropped() {
    let mut draft = draft();
    draft.timeouts.handler = Duration::from_millis(50);
    let server = start(draft, || {
        App::new((
            get("/panic", async |_req: Request<'_>, _res: Response<'_>| -> Result<Sent, SendError> {
                panic!("on purpose")
            }),
            get("/never", async |_req: Request<'_>, _res: Response<'_>| -> Result<Sent, SendError> {
                std::future::pending().await
            }),
            get("/", async |_req, res| res.text("alive")),
        ))
    });
    assert_eq!(server.connect().get("/panic").0, 500);
    assert_eq!(server.connect().get("/never").0, 503);
    assert_eq!(server.connect().get("/"), (200, "alive".to_owned()));
    let totals = server.end().totals;
    assert_eq!((totals.outcome(Outcome::Panicked), totals.outcome(Outcome::Timeout)), (1, 1));
}

static SIGNAL: Mutex<Option<Waker>> = Mutex::new(None);

#[test]
fn a_handler_can_be_woken_by_another_thread_and_its_waker_kept_for_ever() {
    let server = start(draft(), || {
        App::new(get("/", async |_req, res: Response<'_>| {
            let is_first = Cell::new(true);
            poll_fn(|context| {
                if !is_first.replace(false) {
                    return Poll::Ready(());
                }
                *SIGNAL.lock().unwrap() = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            res.text("woken")
        }))
    });
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(|| SIGNAL.lock().unwrap().is_some());
    let waker = SIGNAL.lock().unwrap().take().unwrap();
    let kept = waker.clone();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(client.answer(), (200, "woken".to_owned()));
    kept.wake_by_ref();
    drop(client);
    server.end();
    kept.wake();
}

static RUNNING: AtomicU32 = AtomicU32::new(0);
static RUNNING_MAX: AtomicU32 = AtomicU32::new(0);

#[test]
fn two_workers_run_no_more_at_once_and_admit_no_more_of_a_client_than_one_would() {
    let quota = pivot_core::admission::Quota::new(40, Duration::from_secs(3_600), 40).unwrap();
    let draft = Draft { workers: 2, concurrency_max: 5, concurrency_reserved: 0, quota, ..draft() };
    let server = start(draft, || {
        App::new(get("/", async |req: Request<'_>, res: Response<'_>| {
            let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
            RUNNING_MAX.fetch_max(running, Ordering::SeqCst);
            req.sleep(Duration::from_millis(20)).await;
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            res.text("done")
        }))
    });
    let mut clients: Vec<Client> = (0..60).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let codes: Vec<u16> = clients.iter_mut().map(|client| client.answer().0).collect();
    assert_eq!(codes.iter().filter(|&&code| code == 200).count(), 40);
    assert_eq!(codes.iter().filter(|&&code| code == 429).count(), 20);
    assert_eq!(RUNNING_MAX.load(Ordering::SeqCst), 5);
    drop(clients);
    server.end();
}

#[test]
fn the_admin_listener_answers_while_the_only_worker_is_busy() {
    let server = start(draft(), example);
    let mut busy = server.connect();
    busy.send(b"GET /cpu?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut admin = Client::connect(server.admin.unwrap());
    assert_eq!(admin.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(admin.get("/readyz").0, 200);
    assert!(admin.get("/health").1.contains("\"status\":\"ok\""));
    admin.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let metrics = admin.rest();
    for name in
        ["pivot_requests_total{outcome=\"success\"}", "pivot_pool_objects{pool=\"uri\",state=\"lent\"} 0"]
    {
        assert!(metrics.contains(name), "{metrics}");
    }
    assert_eq!(busy.answer().0, 200);
    drop(busy);
    server.end();
}

#[test]
fn a_server_that_ends_answers_everyone_whose_request_has_come() {
    let shed = ShedConfig { strategy: Strategy::PRIORITY, ..draft().shed };
    let server = start(Draft { queue_max: 400, shed, ..draft() }, example);
    let mut resting: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for client in &mut resting {
        assert_eq!(client.get("/").0, 200);
    }
    let mut silent = server.connect();
    // The only worker looks at nothing while this runs, so all that follows is in the kernel's hands when the end comes.
    let mut busy = server.connect();
    busy.send(b"GET /cpu?ms=500 HTTP/1.1\r\nHost: a\r\n\r\n");
    let shared = server.monitor.shared().unwrap();
    until(|| shared.running_count() == 1);
    let mut waiting: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in resting.iter_mut().chain(&mut waiting) {
        client.send(b"GET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let address = server.address;
    let ended = server.end();
    assert_eq!(busy.answer().0, 200);
    for client in resting.iter_mut().chain(&mut waiting) {
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close\r\n"), "{head}");
    }
    assert_eq!(silent.rest(), "");
    assert_eq!((ended.cut_count, ended.totals.outcome(Outcome::Success)), (0, 281));
    assert!(std::net::TcpStream::connect(address).is_err(), "the port is closed");
}

#[test]
fn an_end_that_is_asked_for_while_the_server_starts_is_not_lost() {
    for _ in 0..20 {
        assert_eq!(begin(draft(), example).end().totals.requests, 0);
    }
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_line() {
    let one = Server::bind("127.0.0.1:0", draft().build().unwrap()).unwrap();
    let address = one.local_address().to_string();
    for workers in [1, 2] {
        let draft = Draft { workers, ..draft() };
        let error = Server::bind(&address, draft.build().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen at {address}: another program")), "{error}");
    }
    // Enough for every other test of this process, and less than is asked for here, whatever the machine allows.
    let limit = Rlimit { current: Some(8_000), maximum: Some(8_000) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let draft = Draft { connections_max: 10_000, ..draft() };
    let error = Server::bind("127.0.0.1:0", draft.build().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Descriptors { needed: 10_068, limit: 8_000 }), "{error}");
    let text = || async |_req: Request<'_>, res: Response<'_>| res.text("");
    let error = one.run(|| App::new((get("/a/{x}", text()), get("/a/{y}", text())))).unwrap_err().to_string();
    assert!(error.contains("/a/{x}") && error.contains("/a/{y}") && !error.contains('\n'), "{error}");
}
