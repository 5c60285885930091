//! The admin listener: a small server of its own, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::Poll;
use mio::net::TcpListener;
use pivot_core::admission::Quota;
use pivot_core::app::{App, Routes, get};
use pivot_core::mode::{Config, ConfigError, Draft, Profile};
use pivot_core::monitor::Format;
use pivot_core::serve::{self, Shared, Worker};
use pivot_core::time::Duration;

use super::Monitor;
use super::socket::TcpSocket;
use super::turns::{Drive, PollWaker, Thread, Turns};
use crate::{Error, Heap, StdHost, random_seed};

/// Runs the admin listener until its server ends.
pub(super) fn run(
    listener: TcpListener,
    (poll, waker): (Poll, &'static PollWaker),
    monitor: Monitor,
) -> Result<(), Error> {
    run_app(listener, poll, waker, monitor, move || app(monitor))
}

fn run_app<R: Routes + 'static>(
    listener: TcpListener,
    poll: Poll,
    waker: &'static PollWaker,
    monitor: Monitor,
    app: impl Fn() -> App<R>,
) -> Result<(), Error> {
    let mut heap = Heap::new();
    let shared = Shared::new(&mut heap, config()?, &app(), random_seed())?;
    let _ = monitor.server.admin.set(shared);
    if monitor.server.admin_is_to_end.load(Ordering::SeqCst) {
        monitor.end_admin();
    }
    let worker = Worker::new(&mut heap, shared, 0, app(), StdHost::new(), waker, serve::run::<R>)?;
    Turns::new(worker, poll, listener, std::convert::identity::<TcpSocket>, shared, &Arc::default())
        .and_then(|turns| Thread::drive(turns, waker))
        .map_err(|source| Error::System { what: "wait for events", source })
}

fn app(monitor: Monitor) -> App<impl Routes> {
    App::new((
        get("/metrics", async move |req: pivot_core::app::Request<'_>, res| {
            let accepts_open =
                req.header("accept").is_some_and(|accept| accept.contains("application/openmetrics-text"));
            let format = match req.query_value("format") {
                Some("json") => Format::Json,
                Some("statsd") => Format::StatsD,
                Some("openmetrics") => Format::OpenMetrics,
                _ if accepts_open => Format::OpenMetrics,
                _ => Format::Prometheus,
            };
            monitor.answer_metrics(format, res).await
        }),
        get("/health", async move |_req, res| monitor.answer_health(res).await),
        get("/livez", async move |_req, res| monitor.answer_live(res).await),
        get("/readyz", async move |_req, res| monitor.answer_ready(res).await),
    ))
}

/// Small, and with buffers that hold a line for each of a few hundred routes.
fn config() -> Result<Config, ConfigError> {
    let mut draft = Draft {
        connections_max: 64,
        connections_per_client: 64,
        concurrency_max: 16,
        concurrency_reserved: 0,
        queue_max: 64,
        requests_max: 64,
        responses_max: 64,
        streams_max: 2,
        uris_max: 8,
        clients_max: 256,
        response_size: 32 << 10,
        breaker: None,
        quota: Quota::new(1_000, Duration::from_secs(1), 1_000).unwrap_or(Quota::PRESET),
        ..Profile::Standard.draft()
    };
    draft.timeouts.drain = Duration::from_secs(1);
    draft.build()
}
