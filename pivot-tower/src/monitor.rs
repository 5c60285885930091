//! How every request ended, and how long it took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use pivot_core::monitor::{Outcome, Totals, WorkerStats};
use pivot_core::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Answered;
use crate::clock::{keep, now};
use crate::future::{Guard, Guarded};

/// Counts requests by outcome and their durations: [`pivot_core::monitor`] as a layer. The outermost of all, so that it
/// sees refusals too.
///
/// A request that is dropped counts as cancelled, or as panicked if that is why. Threads count in tables of their own
/// (15 KB each, four for each core); beyond that many threads, some share one.
///
/// ```
/// use pivot_core::monitor::Outcome;
/// let monitor = pivot_tower::MonitorLayer::new();
/// assert_eq!(monitor.totals().outcome(Outcome::Success), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MonitorLayer {
    tables: &'static Tables,
}

#[derive(Debug)]
struct Tables {
    stats: Vec<WorkerStats>,
    /// A table has one writer at a time.
    writers: Vec<Mutex<()>>,
}

impl Default for MonitorLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl MonitorLayer {
    /// A monitor that has counted nothing.
    pub fn new() -> Self {
        let count = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        let stats = (0..count).map(|_| WorkerStats::new()).collect();
        Self { tables: keep(Tables { stats, writers: (0..count).map(|_| Mutex::new(())).collect() }) }
    }

    /// What was counted by now.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.tables.stats)
    }

    /// The tables: for [`Export`](pivot_core::monitor::Export), and for histograms.
    pub fn stats(&self) -> &'static [WorkerStats] {
        &self.tables.stats
    }
}

impl Tables {
    fn count(&self, count: impl FnOnce(&WorkerStats)) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            // Relaxed: the number only has to be another for each thread.
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        let index = THREAD.try_with(|thread| *thread).unwrap_or(0) % self.stats.len();
        let _writer = self.writers[index].lock().unwrap_or_else(PoisonError::into_inner);
        count(&self.stats[index]);
    }
}

impl<S> Layer<S> for MonitorLayer {
    type Service = MonitorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MonitorService { inner, tables: self.tables }
    }
}

/// The service of [`MonitorLayer`].
#[derive(Clone, Copy, Debug)]
pub struct MonitorService<S> {
    inner: S,
    tables: &'static Tables,
}

/// A request that was counted and has not ended.
#[derive(Debug)]
pub struct Counting {
    /// `None` once its end is counted.
    tables: Option<&'static Tables>,
    since: Instant,
}

impl<R: Answered, E> Guard<R, E> for Counting {
    fn end(mut self, result: &Result<R, E>) {
        let Some(tables) = self.tables.take() else { return };
        let refusal = result.as_ref().ok().and_then(Answered::refusal);
        let outcome = match result {
            _ if refusal.is_some() => Outcome::Refused,
            Ok(answer) if answer.status_code() < 400 => Outcome::Success,
            Ok(answer) if answer.status_code() < 500 => Outcome::ClientError,
            _ => Outcome::ServerError,
        };
        let took_us = now().micros_since(self.since);
        tables.count(|stats| {
            if let Some(refusal) = refusal {
                stats.refuse(refusal);
            }
            stats.end_request(outcome);
            stats.request_duration.record(took_us);
        });
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Some(tables) = self.tables.take() {
            let outcome = if std::thread::panicking() { Outcome::Panicked } else { Outcome::Cancelled };
            tables.count(|stats| stats.end_request(outcome));
        }
    }
}

impl<S, Req> Service<Req> for MonitorService<S>
where
    S: Service<Req, Response: Answered>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Guarded<S::Future, S::Response, Counting>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.tables.count(|stats| stats.requests.add(1));
        let counting = Counting { tables: Some(self.tables), since: now() };
        Guarded::running(self.inner.call(request), counting)
    }
}
