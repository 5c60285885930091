//! Handlers that block, on threads of their own: queue, deadline, classes, and what becomes of those that nobody waits for.

mod common;

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use common::{Client, draft, reset, start, until};
use pivot_core::app::{App, BodyError, ErrorStatus, Next, Request, Response, Routes, SendError, Sent};
use pivot_core::app::{get, group, post};
use pivot_core::http::Status;
use pivot_core::mode::Draft;
use pivot_core::monitor::Outcome;
use pivot_core::serve::Shared;

/// Handlers stand before it, with their thread, until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    bell: Condvar,
    entered: Mutex<Vec<String>>,
}

impl Gate {
    fn closed() -> &'static Self {
        Box::leak(Box::default())
    }

    fn pass(&self, who: &str) {
        self.entered.lock().unwrap().push(who.to_owned());
        let mut is_open = self.is_open.lock().unwrap();
        while !*is_open {
            is_open = self.bell.wait(is_open).unwrap();
        }
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.bell.notify_all();
    }

    fn close(&self) {
        *self.is_open.lock().unwrap() = false;
    }

    fn entered(&self) -> Vec<String> {
        self.entered.lock().unwrap().clone()
    }
}

/// What goes wrong in the handlers here.
#[derive(Debug)]
struct Failure(Status);

impl ErrorStatus for Failure {
    fn status(&self) -> Status {
        self.0
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self(error.status())
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self(error.status())
    }
}

async fn mark(req: Request<'_>, res: Response<'_>, next: Next<'_, impl Routes>) -> Result<Sent, SendError> {
    Ok(next.run(req, res).await.header("x-thread", thread_name().as_str()).sent())
}

async fn echo(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let mut content = [0; 20_000];
    let content = req.read_all(&mut content).await?;
    Ok(res.text(std::str::from_utf8(content).unwrap_or("no text"))?)
}

async fn stream(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let mut body = res.stream("text/plain")?;
    let count: usize = req.query_value("pieces").and_then(|count| count.parse().ok()).unwrap_or(0);
    for _ in 0..count {
        body.write(&[b'x'; 1_000]).await?;
        body.flush().await;
    }
    Ok(body.finish()?)
}

fn thread_name() -> String {
    format!("{:?}", std::thread::current().id())
}

fn app(gate: &'static Gate) -> App<impl Routes> {
    App::new(routes(gate))
}

fn routes(gate: &'static Gate) -> impl Routes {
    let hold = async move |req: Request<'_>, res: Response<'_>| {
        let id = req.param("id").unwrap_or_default();
        gate.pass(id);
        res.text(id)
    };
    (
        get("/", async |_req, res| res.text("alive")),
        get("/here", async |_req, res: Response<'_>| res.text(&thread_name())),
        get("/there", async |_req, res: Response<'_>| res.text(&thread_name())).blocking(),
        get("/hold/{id}", hold).blocking(),
        get("/panic", async |_req: Request<'_>, _res: Response<'_>| -> Result<Sent, SendError> {
            panic!("on purpose")
        })
        .blocking(),
        get("/sleep/{ms}", async |req: Request<'_>, res: Response<'_>| {
            let ms = req.param_as("ms").unwrap_or(0);
            req.sleep(Duration::from_millis(ms)).await;
            res.text("slept")
        })
        .blocking(),
        post("/echo", echo).blocking(),
        get("/stream", stream).blocking(),
        group("/all", (get("/there", async |_req, res: Response<'_>| res.text(&thread_name())),))
            .blocking()
            .layer(mark),
    )
}

/// One thread, so that a single handler keeps all others waiting.
fn one_thread() -> Draft {
    Draft { blocking_threads: 1, blocking_queue_max: 8, ..draft() }
}

fn ask(server: &common::Running, path: &str, fields: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    client
}

/// Queued, running, abandoned.
fn jobs(shared: &Shared) -> (u32, u32, u32) {
    let jobs = shared.jobs().unwrap();
    (jobs.queued_count(), jobs.running_count(), jobs.abandoned_count())
}

#[test]
fn the_loop_answers_and_the_queue_is_seen_while_every_thread_is_inside_a_handler() {
    let gate = Gate::closed();
    let server = start(Draft { blocking_threads: 2, blocking_queue_max: 8, ..draft() }, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut held: Vec<Client> = (0..3).map(|id| ask(&server, &format!("/hold/{id}"), "")).collect();
    until(|| jobs(shared) == (1, 2, 0));
    for _ in 0..20 {
        assert_eq!(server.connect().get("/"), (200, "alive".to_owned()));
    }
    let metrics = Client::connect(server.admin.unwrap()).get_stream("/metrics");
    for line in [
        "pivot_blocking_jobs{state=\"queued\"} 1",
        "pivot_blocking_jobs{state=\"running\"} 2",
        "pivot_blocking_jobs{state=\"abandoned\"} 0",
        "pivot_blocking_abandoned_total 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\nnot in\n{metrics}");
    }
    gate.open();
    for (id, client) in held.iter_mut().enumerate() {
        assert_eq!(client.answer(), (200, id.to_string()));
    }
    drop(held);
    assert_eq!(server.end().totals.outcome(Outcome::Success), 23);
    assert_eq!(jobs(shared), (0, 0, 0));
}

#[test]
fn jobs_hold_permits_and_the_system_class_has_its_own() {
    let gate = Gate::closed();
    let draft =
        Draft { concurrency_max: 3, concurrency_reserved: 1, trust_class_header: true, ..one_thread() };
    let server = start(draft, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut held = [ask(&server, "/hold/0", ""), ask(&server, "/hold/1", "")];
    until(|| jobs(shared) == (1, 1, 0));
    let mut normal = ask(&server, "/", "");
    until(|| shared.totals().in_flight() == 3);
    assert_eq!(ask(&server, "/", "X-Pivot-Class: system\r\n").answer(), (200, "alive".to_owned()));
    assert_eq!(shared.totals().in_flight(), 3, "the other one still waits for a permit");
    gate.open();
    assert_eq!((normal.answer().0, held.each_mut().map(|client| client.answer().0)), (200, [200, 200]));
    drop((held, normal));
    server.end();
}

#[test]
fn routes_and_groups_that_block_run_elsewhere_and_everything_else_in_the_loop() {
    let gate = Gate::closed();
    let server = start(one_thread(), move || app(gate));
    let mut client = server.connect();
    let here = client.get("/here").1;
    let there = client.get("/there").1;
    assert_ne!(here, there);
    assert_eq!((client.get("/here").1, client.get("/there").1), (here, there.clone()));
    client.send(b"GET /all/there HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().contains(&format!("x-thread: {there}\r\n")), "middleware runs there too");
    drop(client);
    server.end();
}

#[test]
fn a_full_queue_says_when_to_come_back_and_is_counted() {
    let gate = Gate::closed();
    let server = start(Draft { blocking_queue_max: 1, ..one_thread() }, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut first = ask(&server, "/hold/first", "");
    until(|| jobs(shared) == (0, 1, 0));
    let mut second = ask(&server, "/hold/second", "");
    until(|| jobs(shared) == (1, 1, 0));
    let mut third = ask(&server, "/hold/third", "");
    let head = third.head();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    let mut content = [0; 20];
    assert_eq!(std::io::Read::read(&mut third.0, &mut content).unwrap(), "Service Unavailable\n".len());
    // The connection is as good as before.
    assert_eq!(third.get("/").0, 200);
    gate.open();
    assert_eq!((first.answer().0, second.answer().0), (200, 200));
    drop((first, second, third));
    let totals = server.end().totals;
    assert_eq!((totals.outcome(Outcome::Refused), totals.refusals.iter().sum::<u64>()), (1, 1));
    assert_eq!(gate.entered(), ["first", "second"]);
}

#[test]
fn more_important_classes_go_first_and_take_the_place_of_others_in_a_full_queue() {
    let gate = Gate::closed();
    let draft = Draft { trust_class_header: true, blocking_queue_max: 3, ..one_thread() };
    let server = start(draft, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut held = vec![ask(&server, "/hold/first", "")];
    until(|| jobs(shared) == (0, 1, 0));
    let mut batch = ask(&server, "/hold/batch", "X-Pivot-Class: batch\r\n");
    until(|| jobs(shared).0 == 1);
    for (count, class) in [(2, "low"), (3, "normal")] {
        held.push(ask(&server, &format!("/hold/{class}"), &format!("X-Pivot-Class: {class}\r\n")));
        until(|| jobs(shared).0 == count);
    }
    held.push(ask(&server, "/hold/system", "X-Pivot-Class: system\r\n"));
    assert_eq!(batch.answer().0, 503, "the least important one makes room");
    assert_eq!(ask(&server, "/hold/late", "X-Pivot-Class: batch\r\n").answer().0, 503);
    gate.open();
    for client in &mut held {
        assert_eq!(client.answer().0, 200);
    }
    drop((held, batch));
    assert_eq!(server.end().totals.outcome(Outcome::Refused), 2);
    assert_eq!(gate.entered(), ["first", "system", "normal", "low"]);
}

#[test]
fn who_waits_for_a_thread_for_too_long_is_told_and_never_runs() {
    let gate = Gate::closed();
    let mut draft = one_thread();
    draft.timeouts.queue = Duration::from_millis(500);
    let server = start(draft, move || app(gate));
    let mut first = ask(&server, "/hold/first", "");
    until(|| gate.entered().len() == 1);
    let mut late = ask(&server, "/hold/late", "");
    let head = late.head();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    gate.open();
    assert_eq!(first.answer(), (200, "first".to_owned()));
    drop((first, late));
    let totals = server.end().totals;
    assert_eq!((totals.outcome(Outcome::Success), totals.outcome(Outcome::Refused)), (1, 1));
    assert_eq!(gate.entered(), ["first"]);
}

#[test]
fn a_thread_lets_a_job_expire_when_its_loop_is_too_busy_to_do_so() {
    let (gate, loop_gate) = (Gate::closed(), Gate::closed());
    let mut draft = one_thread();
    draft.timeouts.queue = Duration::from_millis(500);
    let server = start(draft, move || {
        App::new((
            routes(gate),
            get("/loop", async |_req, res: Response<'_>| {
                loop_gate.pass("loop");
                res.text("out")
            }),
        ))
    });
    let shared = server.monitor.shared().unwrap();
    let mut first = ask(&server, "/hold/first", "");
    until(|| jobs(shared) == (0, 1, 0));
    let mut late = ask(&server, "/hold/late", "");
    until(|| jobs(shared) == (1, 1, 0));
    let mut busy = ask(&server, "/loop", "");
    until(|| !loop_gate.entered().is_empty());
    std::thread::sleep(Duration::from_millis(600));
    gate.open();
    until(|| jobs(shared) == (0, 0, 0));
    loop_gate.open();
    assert_eq!((first.answer().0, late.answer().0, busy.answer().0), (200, 503, 200));
    drop((first, late, busy));
    server.end();
    assert_eq!(gate.entered(), ["first"]);
}

#[test]
fn a_deadline_that_comes_in_the_queue_ends_a_job_before_it_begins() {
    let gate = Gate::closed();
    let mut draft = one_thread();
    draft.timeouts.handler = Duration::from_millis(500);
    let server = start(draft, move || app(gate));
    let mut first = ask(&server, "/hold/first", "");
    until(|| gate.entered().len() == 1);
    let mut second = ask(&server, "/hold/second", "");
    assert_eq!((first.answer().0, second.answer().0), (503, 503));
    gate.open();
    drop((first, second));
    assert_eq!(server.end().totals.outcome(Outcome::Timeout), 2);
    assert_eq!(gate.entered(), ["first"]);
}

#[test]
fn an_abandoned_handler_keeps_what_it_has_and_touches_nothing_of_others() {
    let gate = Gate::closed();
    // Few objects, so that all of them are used again and again.
    let mut draft = Draft { requests_max: 4, responses_max: 4, ..one_thread() };
    draft.timeouts.handler = Duration::from_millis(500);
    let server = start(draft, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut late = ask(&server, "/hold/late", "");
    assert_eq!(late.answer().0, 503);
    until(|| jobs(shared) == (0, 0, 1));
    assert_eq!(shared.running_count(), 1, "its permit stays taken");
    assert_eq!((shared.jobs().unwrap().abandoned_in_all(), gate.entered().len()), (1, 1));
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/"), (200, "alive".to_owned()));
    }
    gate.open();
    assert_eq!(late.rest(), "", "what it says in the end is thrown away");
    for id in 0..100 {
        let (path, answer) = (format!("/hold/{id}"), (200, id.to_string()));
        assert_eq!((client.get(&path), client.get("/")), (answer, (200, "alive".to_owned())));
    }
    assert_eq!((jobs(shared), shared.jobs().unwrap().abandoned_in_all()), ((0, 0, 0), 1));
    drop((late, client));
    let totals = server.end().totals;
    assert_eq!((totals.outcome(Outcome::Success), totals.outcome(Outcome::Timeout)), (300, 1));
}

#[test]
fn one_that_is_suspended_when_its_deadline_comes_frees_its_thread_at_once() {
    let gate = Gate::closed();
    let mut draft = one_thread();
    draft.timeouts.handler = Duration::from_millis(500);
    let server = start(draft, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut client = server.connect();
    assert_eq!(client.get("/sleep/5"), (200, "slept".to_owned()));
    assert_eq!(client.get("/sleep/3600000").0, 503);
    until(|| jobs(shared) == (0, 0, 0));
    assert_eq!((server.connect().get("/there").0, shared.jobs().unwrap().abandoned_in_all()), (200, 1));
    drop(client);
    server.end();
}

#[test]
fn a_client_that_vanishes_cancels_a_job_that_waits_and_abandons_one_that_runs() {
    let gate = Gate::closed();
    let server = start(one_thread(), move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let first = ask(&server, "/hold/first", "");
    until(|| jobs(shared) == (0, 1, 0));
    let second = ask(&server, "/hold/second", "");
    let mut third = ask(&server, "/hold/third", "");
    until(|| jobs(shared) == (2, 1, 0));
    reset(second);
    until(|| jobs(shared) == (1, 1, 0));
    reset(first);
    until(|| jobs(shared) == (1, 0, 1));
    gate.open();
    assert_eq!(third.answer(), (200, "third".to_owned()));
    drop(third);
    let totals = server.end().totals;
    assert_eq!((totals.outcome(Outcome::Cancelled), totals.outcome(Outcome::Success)), (2, 1));
    assert_eq!(gate.entered(), ["first", "third"]);
}

#[test]
fn a_panic_is_a_500_and_the_thread_goes_on() {
    let gate = Gate::closed();
    let server = start(one_thread(), move || app(gate));
    let there = server.connect().get("/there");
    for _ in 0..3 {
        assert_eq!(server.connect().get("/panic").0, 500);
        assert_eq!(server.connect().get("/there"), there);
    }
    assert_eq!(server.end().totals.outcome(Outcome::Panicked), 3);
}

#[test]
fn content_is_whole_before_its_handler_starts_and_too_much_of_it_is_a_413() {
    let gate = Gate::closed();
    let server =
        start(Draft { head_size_max: 1_024, target_size_max: 512, ..one_thread() }, move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut client = server.connect();
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    client.send(b"he");
    until(|| shared.running_count() == 1);
    assert_eq!(jobs(shared), (0, 0, 0), "no thread waits for a client");
    // The next request comes in one piece with the rest.
    client.send(b"lloGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((client.answer(), client.answer()), ((200, "hello".to_owned()), (200, "alive".to_owned())));
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut pieces = chunked.to_owned() + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for byte in pieces.bytes() {
        client.send(&[byte]);
    }
    assert_eq!((client.answer(), client.answer()), ((200, "hello".to_owned()), (200, "alive".to_owned())));
    // As much as fits.
    client.send(
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1_024))
            .as_bytes(),
    );
    assert_eq!(client.answer(), (200, "x".repeat(1_024)));
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n");
    assert_eq!(client.answer().0, 413);
    let mut client = server.connect();
    pieces = format!("{chunked}400\r\n{}\r\n0\r\n\r\n", "x".repeat(1_024));
    client.send(pieces.as_bytes());
    assert_eq!(client.answer().0, 413);
    let mut client = server.connect();
    client.send((chunked.to_owned() + "nonsense\r\n").as_bytes());
    assert_eq!(client.answer().0, 400);
    drop(client);
    server.end();
}

#[test]
fn streamed_content_is_an_answer_as_long_as_it_fits_into_the_buffer() {
    let gate = Gate::closed();
    let server = start(Draft { response_size: 4_096, ..one_thread() }, move || app(gate));
    let mut client = server.connect();
    assert_eq!(client.get_stream("/stream?pieces=5").matches('x').count(), 5_000);
    assert_eq!(client.get("/stream?pieces=10").0, 500);
    drop(client);
    server.end();
}

#[test]
fn answers_of_a_pipeline_come_in_order_wherever_their_handlers_run() {
    let gate = Gate::closed();
    gate.open();
    let server = start(Draft { workers: 2, blocking_threads: 3, ..draft() }, move || app(gate));
    let mut client = server.connect();
    let mut batch = String::new();
    for id in 0..20 {
        batch += &format!("GET /hold/{id} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    client.send(batch.as_bytes());
    for id in 0..20 {
        assert_eq!((client.answer().1, client.answer().1), (id.to_string(), "alive".to_owned()));
    }
    drop(client);
    server.end();
}

#[test]
fn an_end_waits_for_jobs_that_wait_and_run() {
    let gate = Gate::closed();
    let server = start(one_thread(), move || app(gate));
    let shared = server.monitor.shared().unwrap();
    let mut clients = [ask(&server, "/hold/0", ""), ask(&server, "/hold/1", "")];
    until(|| jobs(shared) == (1, 1, 0));
    server.monitor.drain();
    gate.open();
    for (id, client) in clients.iter_mut().enumerate() {
        assert!(client.rest().ends_with(&format!("\r\n\r\n{id}")));
    }
    assert_eq!((server.end().cut_count, gate.entered().len()), (0, 2));
}

#[test]
fn whatever_clients_do_everything_comes_home() {
    let gate = Gate::closed();
    gate.open();
    let mut draft = Draft { workers: 2, blocking_threads: 2, blocking_queue_max: 3, ..draft() };
    draft.timeouts.handler = Duration::from_millis(10);
    draft.timeouts.queue = Duration::from_millis(5);
    let server = start(draft, move || app(gate));
    let address = server.address;
    let clients: Vec<_> = (0..6)
        .map(|client_id| {
            std::thread::spawn(move || {
                for round in 0..60 {
                    let path = match (client_id + round) % 5 {
                        0 => "/sleep/15".to_owned(),
                        1 => "/sleep/2".to_owned(),
                        _ => format!("/hold/{client_id}"),
                    };
                    let mut client = Client::connect(address);
                    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
                    if round % 4 == 0 {
                        reset(client);
                    } else {
                        let (status, text) = client.answer();
                        assert!(status == 503 || text == "slept" || text == client_id.to_string());
                    }
                }
            })
        })
        .collect();
    // It opens and closes, so that threads are inside for longer than the deadline now and then.
    while !clients.iter().all(|client| client.is_finished()) {
        gate.close();
        std::thread::sleep(Duration::from_millis(15));
        gate.open();
        std::thread::sleep(Duration::from_millis(15));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    let shared = server.monitor.shared().unwrap();
    // All have connected, though a reset may come before its request was read.
    until(|| jobs(shared) == (0, 0, 0));
    server.end();
}
