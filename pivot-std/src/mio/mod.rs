//! The server on mio: one loop for each worker, edge-triggered.

mod admin;
mod listen;
mod socket;
mod turns;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use mio::net::TcpListener;

use pivot_core::app::{App, ErrorStatus, Response, Routes, SendError, Sent};
use pivot_core::exec::Notify;
use pivot_core::http::Status;
use pivot_core::mode::Config;
use pivot_core::monitor::{Format, Totals};
use pivot_core::serve::{self, Offload, Shared, StartError, Station, Worker};
use pivot_core::storage::{Arena, Budget};

pub use socket::TcpSocket;

use crate::blocking::{self, Desk};
use crate::{Error, Heap, StdHost, random_seed};
use turns::PollWaker;

/// A server that is about to run.
#[derive(Debug)]
pub struct Server {
    config: Config,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    admin: Option<(TcpListener, SocketAddr)>,
    monitor: Monitor,
    on_start: Option<fn(&Budget)>,
    commits_memory: bool,
}

/// How a server has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that the end of the server cut off in the middle of something.
    pub cut_count: u64,
    /// What was counted.
    pub totals: Totals,
}

impl Server {
    /// Listens at an address, `config.workers` times.
    ///
    /// # Errors
    /// [`Error`] if the address cannot be had, or there are fewer descriptors than `connections_max` needs.
    pub fn bind(address: &str, config: Config) -> Result<Self, Error> {
        listen::reserve_descriptors(config.connections_max, config.workers)?;
        let listeners = listen::listen(address, config.workers)?;
        let address = address_of(&listeners[0], address)?;
        let monitor = Monitor { server: Box::leak(Box::default()) };
        Ok(Self { config, listeners, address, admin: None, monitor, on_start: None, commits_memory: false })
    }

    /// Listens at another address for `/metrics`, `/health`, `/livez` and `/readyz`, on a thread of its own: they answer
    /// while every worker is busy. The address should not be reachable from outside.
    ///
    /// # Errors
    /// [`Error`] if the address cannot be had.
    pub fn admin(mut self, address: &str) -> Result<Self, Error> {
        let Some(listener) = listen::listen(address, 1)?.pop() else { return Ok(self) };
        let at = address_of(&listener, address)?;
        self.admin = Some((listener, at));
        Ok(self)
    }

    /// Calls `report` with the memory budget, once everything was taken and before the first request.
    #[must_use]
    pub fn on_start(mut self, report: fn(&Budget)) -> Self {
        self.on_start = Some(report);
        self
    }

    /// Touches all memory at start, so that a machine without enough of it shows that then and not at the peak.
    #[must_use]
    pub fn commit_memory(mut self) -> Self {
        self.commits_memory = true;
        self
    }

    /// Where the server listens.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin listener is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address)| *address)
    }

    /// A handle to look at the server and to end it, from anywhere.
    pub fn monitor(&self) -> Monitor {
        self.monitor
    }

    /// Runs until [`Monitor::drain`] is called, or SIGTERM or SIGINT comes if [`drain_on_signals`] was called.
    ///
    /// Each worker calls `app` for an application of its own, so handlers may hold `Rc` and `Cell`. So does each of the
    /// `blocking_threads`, which are started if some route is [blocking](pivot_core::app::Route::blocking); a handler that one of
    /// them is in when the server ends is waited for.
    ///
    /// # Errors
    /// [`Error`] if routes conflict, or the system refuses a thread.
    pub fn run<R, A>(self, app: A) -> Result<Ended, Error>
    where
        R: Routes + 'static,
        A: Fn() -> App<R> + Sync,
    {
        let mut heap = if self.commits_memory { Heap::committed() } else { Heap::new() };
        let first = app();
        let thread_count = if first.has_blocking_routes() { self.config.blocking_threads } else { 0 };
        let desk: Option<&'static Desk> = match thread_count {
            0 => None,
            _ => Some(Desk::take_from(&mut heap, &self.config).map_err(StartError::from)?),
        };
        let offload = desk.map(|desk| desk as &dyn Offload);
        let shared = Shared::with_offload(&mut heap, self.config, &first, random_seed(), offload)?;
        drop(first);
        let heap = Mutex::new(heap);
        let cut_count = Arc::new(AtomicU64::new(0));
        let (heap, app, cut_count) = (&heap, &app, &cut_count);
        let mut pollers = Vec::new();
        for _ in &self.listeners {
            pollers.push(turns::poller()?);
        }
        let admin =
            self.admin.map(|(listener, _)| turns::poller().map(|poller| (listener, poller))).transpose()?;
        let wakers = pollers.iter().map(|(_, waker)| *waker).collect();
        let running = Running { shared, wakers, admin_waker: admin.as_ref().map(|(_, (_, waker))| *waker) };
        // Nobody but this function sets it, and a server runs once.
        let _ = self.monitor.server.running.set(running);
        if self.monitor.server.is_to_drain.load(Ordering::SeqCst) {
            self.monitor.drain();
        }
        let report = std::sync::Barrier::new(self.listeners.len() + thread_count + 1);
        let report = &report;
        let monitor = self.monitor;
        let result = thread::scope(|scope| {
            let workers: Vec<_> = (0..)
                .zip(self.listeners.into_iter().zip(pollers))
                .map(|(index, (listener, (poll, waker)))| {
                    scope.spawn(move || {
                        let worker = heap.lock().map_err(|_| poisoned()).and_then(|mut heap| {
                            let host = StdHost::new();
                            let app = app();
                            let spawn = serve::run_or_offload::<R>;
                            Worker::new(&mut *heap, shared, index, app, host, waker, spawn)
                                .map_err(Error::from)
                        });
                        report.wait();
                        turns::run(worker?, poll, listener, shared, cut_count)
                            .map_err(|source| Error::System { what: "wait for events", source })
                    })
                })
                .collect();
            let threads: Vec<_> = (0..thread_count)
                .map(|_| {
                    scope.spawn(move || {
                        let station = heap.lock().map_err(|_| poisoned()).and_then(|mut heap| {
                            Station::new(&mut *heap, shared, app())
                                .map_err(|full| StartError::from(full).into())
                        });
                        report.wait();
                        // Without its threads the server ends, rather than to keep clients waiting for none.
                        let station: Station<R> = station.inspect_err(|_| monitor.drain())?;
                        if let Some(desk) = desk {
                            blocking::run(desk, &station);
                        }
                        Ok(())
                    })
                })
                .collect();
            report.wait();
            if let (Some(on_start), Ok(heap)) = (self.on_start, heap.lock()) {
                on_start(heap.budget());
            }
            let admin =
                admin.map(|(listener, poller)| scope.spawn(move || admin::run(listener, poller, monitor)));
            let mut result = Ok(());
            for worker in workers {
                let ended = worker.join().unwrap_or_else(|_| Err(poisoned()));
                if ended.is_err() {
                    // One worker is gone: the server ends rather than to serve a part of its clients.
                    monitor.drain();
                    result = ended;
                }
            }
            if let Some(desk) = desk {
                desk.close();
            }
            for thread in threads {
                result = result.and(thread.join().unwrap_or_else(|_| Err(poisoned())));
            }
            monitor.end_admin();
            if let Some(admin) = admin {
                let ended = admin.join().unwrap_or_else(|_| Err(poisoned()));
                result = result.and(ended);
            }
            result
        });
        result?;
        Ok(Ended { cut_count: cut_count.load(Ordering::Relaxed), totals: shared.totals() })
    }
}

/// A handle to a server: what it has counted, how it is, and its end.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    server: &'static Cellar,
}

#[derive(Default)]
struct Cellar {
    running: OnceLock<Running>,
    admin: OnceLock<&'static Shared>,
    /// Set before `running` is looked at, which is set before this is looked at: an end that is asked for while the
    /// server starts is not lost.
    is_to_drain: AtomicBool,
    /// The same for `admin`.
    admin_is_to_end: AtomicBool,
}

struct Running {
    shared: &'static Shared,
    wakers: Vec<&'static PollWaker>,
    admin_waker: Option<&'static PollWaker>,
}

impl std::fmt::Debug for Cellar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("is_running", &self.running.get().is_some()).finish()
    }
}

impl Monitor {
    /// What the workers share; `None` before the server runs.
    pub fn shared(&self) -> Option<&'static Shared> {
        self.server.running.get().map(|running| running.shared)
    }

    /// Ends the server: what is in flight finishes, within `timeouts.drain`. A server that does not run yet ends when it does.
    pub fn drain(&self) {
        self.server.is_to_drain.store(true, Ordering::SeqCst);
        if let Some(running) = self.server.running.get() {
            running.shared.drain();
            running.wakers.iter().for_each(|waker| waker.notify());
        }
    }

    fn end_admin(&self) {
        self.server.admin_is_to_end.store(true, Ordering::SeqCst);
        if let (Some(admin), Some(running)) = (self.server.admin.get(), self.server.running.get()) {
            admin.drain();
            if let Some(waker) = running.admin_waker {
                waker.notify();
            }
        }
    }

    /// Answers with the metrics: the handler of `/metrics`.
    ///
    /// # Errors
    /// 503 before the server runs; otherwise those of any answer.
    pub async fn answer_metrics(&self, format: Format, res: Response<'_>) -> Result<Sent, NotRunning> {
        let shared = self.shared().ok_or(NotRunning::Yet)?;
        shared.answer_metrics(format, res).await.map_err(NotRunning::Send)
    }

    /// Answers with the state of the server: the handler of `/health`. 200 when all is well, else 503 with the reasons.
    ///
    /// # Errors
    /// 503 before the server runs; otherwise those of any answer.
    pub async fn answer_health(&self, res: Response<'_>) -> Result<Sent, NotRunning> {
        let shared = self.shared().ok_or(NotRunning::Yet)?;
        let config = shared.config();
        let permits_are_gone = u64::from(shared.running_count()) >= config.concurrency_max as u64;
        let reasons = [
            (shared.is_draining(), "draining"),
            (permits_are_gone, "every permit is taken"),
            (u64::from(shared.open_count()) >= config.connections_max as u64, "every connection is taken"),
        ];
        let reasons: Vec<&str> =
            reasons.iter().filter(|(holds, _)| *holds).map(|(_, reason)| *reason).collect();
        let status = if reasons.is_empty() { "ok" } else { "degraded" };
        let code = if reasons.is_empty() { 200 } else { 503 };
        let totals = shared.totals();
        res.status(code)
            .format(
                "application/json",
                format_args!(
                    "{{\"status\":\"{status}\",\"reasons\":{reasons:?},\"connections\":{},\"running\":{},\
                     \"requests\":{},\"in_flight\":{}}}\n",
                    shared.open_count(),
                    shared.running_count(),
                    totals.requests,
                    totals.in_flight(),
                ),
            )
            .map_err(NotRunning::Send)
    }

    /// Answers 200 as long as the process runs: the handler of `/livez`.
    ///
    /// # Errors
    /// Those of any answer.
    pub async fn answer_live(&self, res: Response<'_>) -> Result<Sent, NotRunning> {
        res.text("ok\n").map_err(NotRunning::Send)
    }

    /// Answers 200 while new requests are welcome, and 503 from the moment the server drains: the handler of `/readyz`.
    ///
    /// # Errors
    /// Those of any answer.
    pub async fn answer_ready(&self, res: Response<'_>) -> Result<Sent, NotRunning> {
        let is_ready = self.shared().is_some_and(|shared| !shared.is_draining());
        let (code, text) = if is_ready { (200, "ready\n") } else { (503, "not ready\n") };
        res.status(code).text(text).map_err(NotRunning::Send)
    }
}

/// A question about a server could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRunning {
    /// The server does not run yet.
    Yet,
    /// The answer could not be given.
    Send(SendError),
}

impl ErrorStatus for NotRunning {
    fn status(&self) -> Status {
        match self {
            Self::Yet => Status::SERVICE_UNAVAILABLE,
            Self::Send(error) => error.status(),
        }
    }
}

/// Drains the server when SIGTERM or SIGINT comes.
///
/// # Errors
/// [`Error::System`] if the signals cannot be watched.
pub fn drain_on_signals(monitor: Monitor) -> Result<(), Error> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let failed = |source| Error::System { what: "watch for signals", source };
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                monitor.drain();
            }
        })
        .map_err(failed)?;
    Ok(())
}

fn address_of(listener: &TcpListener, wanted: &str) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|source| Error::Listen { address: wanted.to_owned(), source })
}

fn poisoned() -> Error {
    Error::System {
        what: "run a worker",
        source: std::io::Error::other("a worker panicked; this is a bug in Pivot"),
    }
}
