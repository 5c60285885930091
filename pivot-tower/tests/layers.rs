//! What the layers promise, one by one.

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use pivot_core::admission::classify::ClientIdentity;
use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_core::admission::{
    BreakerConfig, BreakerState, Class, ClientKey, Part, Quota, Refusal, Seed, ShedConfig,
};
use pivot_core::monitor::Outcome;
use pivot_tower::{
    Answered, BreakerLayer, ConcurrencyLimitLayer, HttpRequests, MonitorLayer, RateLimitLayer, Refused,
    ShedLayer, ShedOptions,
};
use tower::{Layer, Service, ServiceBuilder, service_fn};

type Answer = Result<Response<()>, Infallible>;

fn with_status(status: u16) -> Ready<Answer> {
    ready(Ok(Response::builder().status(status).body(()).unwrap()))
}

fn never(_: Request<()>) -> Pending<Answer> {
    pending()
}

fn shed(permits: u32, queue_max: usize) -> ShedLayer {
    let limit = LimitConfig { law: LimitLaw::Fixed, min: 1, initial: permits, ..LimitConfig::PRESET };
    ShedLayer::new(ShedOptions { limit, queue_max, shed: ShedConfig::PRESET, ..ShedOptions::PRESET }).unwrap()
}

#[test]
fn a_permit_is_taken_by_the_call_and_not_by_readiness_and_comes_back_on_drop() {
    let layer = ConcurrencyLimitLayer::new(1);
    let mut service = layer.layer(service_fn(never));
    let mut context = Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        assert!(Service::<Request<()>>::poll_ready(&mut service, &mut context).is_ready());
        assert_eq!(layer.permits().taken_count(), 0);
    }
    let held = service.call(Request::new(()));
    assert_eq!(layer.permits().taken_count(), 1);
    let refused = service.clone().call(Request::new(())).now_or_never().unwrap().unwrap();
    assert_eq!((refused.status_code(), refused.refusal()), (503, Some(Refusal::QueueFull)));
    assert!(refused.headers().contains_key("retry-after"));
    drop(held);
    assert_eq!(layer.permits().taken_count(), 0);
}

/// Asks tokio for leave before it is ready, as channels and semaphores do.
#[derive(Clone)]
struct Cooperative;

impl Service<Request<()>> for Cooperative {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Answer>;
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        std::pin::pin!(tokio::task::coop::consume_budget()).poll(context).map(Ok)
    }
    fn call(&mut self, _: Request<()>) -> Self::Future {
        with_status(200)
    }
}

/// Whether a request is served that comes when its task has used up its share of a turn.
async fn is_served_late<S, E>(mut service: S) -> bool
where
    S: Service<Request<()>, Response = Response<()>, Error = E>,
    E: std::fmt::Debug,
{
    while tokio::task::coop::has_budget_remaining() {
        assert!(tokio::task::coop::consume_budget().now_or_never().is_some());
    }
    std::future::poll_fn(|context| service.poll_ready(context)).await.unwrap();
    service.call(Request::new(())).await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_task_that_has_used_up_its_turn_is_not_refused() {
    let ours =
        ServiceBuilder::new().layer(shed(4, 4)).layer(ConcurrencyLimitLayer::new(4)).service(Cooperative);
    assert!(tokio::spawn(is_served_late(ours)).await.unwrap());
    let theirs = ServiceBuilder::new().load_shed().service(Cooperative);
    assert!(!tokio::spawn(is_served_late(theirs)).await.unwrap(), "what the test sees where it is otherwise");
}

#[tokio::test(start_paused = true)]
async fn who_waits_starts_by_class_and_who_leaves_passes_its_permit_on() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = {
        let (gate, order) = (gate.clone(), order.clone());
        service_fn(move |request: Request<()>| {
            let (gate, order) = (gate.clone(), order.clone());
            async move {
                order.lock().unwrap().push(request.headers()["x-pivot-class"].to_str().unwrap().to_owned());
                gate.acquire().await.unwrap().forget();
                with_status(200).await
            }
        })
    };
    let layer = shed(1, 8);
    let mut service =
        layer.describe(HttpRequests { trusts_class: true, ..HttpRequests::default() }).layer(inner);
    let mut call = |class: Class| {
        let request = Request::builder().header("x-pivot-class", class.as_str()).body(()).unwrap();
        Box::pin(service.call(request))
    };
    let mut futures = [Class::Normal, Class::Batch, Class::High, Class::Critical].map(&mut call);
    for future in &mut futures {
        assert!(future.as_mut().now_or_never().is_none());
    }
    assert_eq!((layer.waiting_count(), layer.permits().taken_count()), (3, 1));
    let [normal, batch, high, critical] = futures;
    // The permit goes to the critical one, which leaves before it knows, and on to the next.
    drop(normal);
    assert_eq!((layer.waiting_count(), layer.permits().taken_count()), (2, 1));
    drop(critical);
    assert_eq!((layer.waiting_count(), layer.permits().taken_count()), (1, 1));
    gate.add_permits(2);
    assert_eq!(high.await.unwrap().status(), 200);
    assert_eq!(batch.await.unwrap().status(), 200);
    assert_eq!(*order.lock().unwrap(), ["normal", "high", "batch"]);
    assert_eq!(layer.permits().taken_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_refused_and_a_full_queue_takes_nobody() {
    let limit = LimitConfig { law: LimitLaw::Fixed, min: 1, initial: 1, ..LimitConfig::PRESET };
    let layer = ShedLayer::new(ShedOptions {
        limit,
        queue_max: 1,
        wait_max: Duration::from_millis(50),
        ..ShedOptions::PRESET
    })
    .unwrap();
    let mut service = layer.layer(service_fn(never));
    let running = service.call(Request::new(()));
    let waits = service.call(Request::new(()));
    let refused = service.call(Request::new(())).now_or_never().unwrap().unwrap();
    assert_eq!(refused.status_code(), 503);
    let refused = waits.await.unwrap();
    assert_eq!((refused.status_code(), refused.refusal()), (503, Some(Refusal::QueueExpired)));
    assert_eq!(layer.waiting_count(), 0);
    drop(running);
    assert_eq!(layer.permits().taken_count(), 0);
}

#[test]
fn options_out_of_range_name_the_field() {
    let field = |options: ShedOptions| ShedLayer::new(options).unwrap_err().field;
    let preset = ShedOptions::PRESET;
    assert_eq!(field(ShedOptions { queue_max: 0, ..preset }), "queue_max");
    assert_eq!(field(ShedOptions { wait_max: Duration::ZERO, ..preset }), "wait_max");
    assert_eq!(field(ShedOptions { reserved: preset.limit.min, ..preset }), "reserved");
    let limit = LimitConfig { min: 0, ..preset.limit };
    assert_eq!(field(ShedOptions { limit, ..preset }), "limit.min");
    let error = BreakerLayer::new(BreakerConfig { probes_max: 0, ..BreakerConfig::PRESET }).unwrap_err();
    assert_eq!(error.field, "breaker.probes_max");
}

#[test]
fn failures_open_the_breaker_and_neither_4xx_nor_refusals_nor_drops_do() {
    let layer = BreakerLayer::new(BreakerConfig::PRESET).unwrap();
    let call = |service: &mut dyn FnMut() -> u16| (0..30).map(|_| service()).collect::<Vec<_>>();
    let mut not_found = layer.layer(service_fn(|_: Request<()>| with_status(404)));
    call(&mut || not_found.call(Request::new(())).now_or_never().unwrap().unwrap().status_code());
    let refusing = ConcurrencyLimitLayer::new(0);
    let mut refusing = layer.layer(refusing.layer(service_fn(never)));
    call(&mut || refusing.call(Request::new(())).now_or_never().unwrap().unwrap().status_code());
    let mut dropped = layer.layer(service_fn(never));
    (0..30).for_each(|_| drop(dropped.call(Request::new(()))));
    assert_eq!(layer.breaker().state(), BreakerState::Closed);
    let mut failing = layer.layer(service_fn(|_: Request<()>| with_status(500)));
    let mut statuses =
        call(&mut || failing.call(Request::new(())).now_or_never().unwrap().unwrap().status_code());
    statuses
        .extend(call(&mut || failing.call(Request::new(())).now_or_never().unwrap().unwrap().status_code()));
    assert_eq!(layer.breaker().state(), BreakerState::Open);
    assert_eq!(statuses.last(), Some(&503));
}

#[test]
fn every_request_ends_in_one_outcome() {
    let monitor = MonitorLayer::new();
    let mut ended = |status: u16| {
        let mut service = monitor.layer(service_fn(move |_: Request<()>| with_status(status)));
        service.call(Request::new(())).now_or_never().unwrap().unwrap();
    };
    [200, 302, 404, 500].into_iter().for_each(&mut ended);
    let mut refusing = monitor.layer(ConcurrencyLimitLayer::new(0).layer(service_fn(never)));
    refusing.call(Request::new(())).now_or_never().unwrap().unwrap();
    drop(monitor.layer(service_fn(never)).call(Request::new(())));
    let mut panics = monitor.layer(service_fn(async |_: Request<()>| -> Answer { panic!("on purpose") }));
    let future = panics.call(Request::new(()));
    std::thread::spawn(move || future.now_or_never()).join().unwrap_err();
    let totals = monitor.totals();
    let counts = [
        Outcome::Success,
        Outcome::ClientError,
        Outcome::ServerError,
        Outcome::Refused,
        Outcome::Cancelled,
        Outcome::Panicked,
    ]
    .map(|outcome| totals.outcome(outcome));
    assert_eq!(counts, [2, 1, 1, 1, 1, 1]);
    assert_eq!((totals.requests, totals.in_flight()), (7, 0));
    assert_eq!(totals.refusals.iter().sum::<u64>(), 1);
}

/// A service that is never ready: layers ask it and wait with it.
#[derive(Clone)]
struct NeverReady;

impl Service<Request<()>> for NeverReady {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Answer>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }
    fn call(&mut self, _: Request<()>) -> Self::Future {
        with_status(200)
    }
}

#[test]
fn readiness_is_that_of_the_service_inside() {
    let mut service = ServiceBuilder::new()
        .layer(MonitorLayer::new())
        .layer(shed(1, 1))
        .layer(BreakerLayer::new(BreakerConfig::PRESET).unwrap())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(NeverReady);
    assert!(service.poll_ready(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
}

#[test]
fn a_client_behind_a_trusted_proxy_is_told_by_the_place_in_the_list_that_the_proxy_wrote() {
    let hop = ClientIdentity::x_forwarded_for(1);
    let requests = HttpRequests { identity: hop, ..HttpRequests::default() };
    let quota = Quota::new(1, Duration::from_secs(3_600), 1).unwrap();
    let layer = RateLimitLayer::new(quota, 100).describe(requests);
    let mut service = layer.layer(service_fn(|_: Request<()>| with_status(200)));
    let mut status = |lines: &[&str]| {
        let mut request = lines
            .iter()
            .fold(Request::builder(), |builder, line| builder.header("x-forwarded-for", *line))
            .body(())
            .unwrap();
        request.extensions_mut().insert(SocketAddr::from(([10, 0, 0, 1], 1)));
        service.call(request).now_or_never().unwrap().unwrap().status_code()
    };
    assert_eq!(status(&["192.0.2.1"]), 200);
    assert_eq!(status(&["6.6.6.6, 192.0.2.1"]), 429, "what the client wrote itself changes nothing");
    assert_eq!(status(&["6.6.6.6", "192.0.2.1"]), 429, "nor in a line of its own");
    assert_eq!(status(&["192.0.2.1, 192.0.2.2"]), 200, "another client");
}

#[test]
fn a_closure_names_clients_and_another_makes_the_answer() {
    let quota = Quota::new(1, Duration::from_secs(3_600), 1).unwrap();
    let layer = RateLimitLayer::new(quota, 100)
        .describe(|request: &&'static str, seed: Seed| {
            ClientKey::of_parts(&[Part::User(request.as_bytes())], seed)
        })
        .answer(|refused: &Refused<'_>| format!("{}: {}", refused.status(), refused.refusal().reason()));
    let mut service =
        layer.layer(service_fn(|_: &'static str| ready(Ok::<_, Infallible>("served".to_owned()))));
    let mut call = |user: &'static str| service.call(user).now_or_never().unwrap().unwrap();
    assert_eq!([call("a"), call("a"), call("b")], ["served", "429: rate_limited", "served"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_start_wait_and_leave_lose_no_permit_and_exceed_no_limit() {
    static RUNNING: AtomicU32 = AtomicU32::new(0);
    static MOST: AtomicU32 = AtomicU32::new(0);
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let monitor = MonitorLayer::new();
    let layer = shed(3, 64);
    let service =
        ServiceBuilder::new().layer(monitor).layer(layer).service(service_fn(async |_: Request<()>| {
            MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _inside = Inside;
            tokio::task::yield_now().await;
            with_status(200).await
        }));
    let clients: Vec<_> = (0..32)
        .map(|client| {
            let mut service = service;
            tokio::spawn(async move {
                for round in 0..200 {
                    let mut future = Box::pin(service.call(Request::new(())));
                    // Every third is dropped, whatever became of it by then.
                    if (client + round) % 3 == 0 {
                        let _ = (&mut future).now_or_never();
                        tokio::task::yield_now().await;
                    } else {
                        future.await.unwrap();
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!((layer.waiting_count(), layer.permits().taken_count()), (0, 0));
    assert_eq!(MOST.load(Ordering::SeqCst), 3, "the limit was reached and held");
    let totals = monitor.totals();
    assert_eq!((totals.requests, totals.in_flight()), (32 * 200, 0));
}
