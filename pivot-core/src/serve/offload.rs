//! The requests of blocking routes: from the loop to a thread and back.
//!
//! The future in the exchange's slot stays the request's owner. It waits for the content, hands a [`Job`] over, and waits for
//! its end; so deadlines, a client that goes away and the end of the server reach it as they reach every handler, by
//! dropping the future, and dropping it withdraws the job. What a thread may still hold then, permit included, is the
//! job's, and comes home when the thread is through.
//!
//! The backend has the threads and the queue before them ([`Offload`]); a thread works at a [`Station`].

use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use super::exchange::Admitted;
use super::shared::Shared;
use crate::admission::{Class, Permit, Refusal};
use crate::app::buffer::RequestHead;
use crate::app::{About, App, Clockface, Exchange, Failure, Gathering, Routes, Windows};
use crate::monitor::JobCounts;
use crate::pool::Guard;
use crate::storage::{Arena, SpaceFull, take_one};
use crate::time::Instant;

/// Threads for handlers that block, and the queue before them.
pub trait Offload: Sync + fmt::Debug {
    /// Takes a job into the queue, or says why not. `waker` is woken once the job has ended.
    ///
    /// # Errors
    /// The job, and the reason.
    fn submit(&self, job: Job, waker: &Waker, now: Instant) -> Result<Place, (Job, Refusal)>;

    /// How a job is getting on. One that has waited for too long ends here.
    fn poll(&self, place: &Place, now: Instant) -> Progress;

    /// Takes what became of a job that has ended, and frees its place; `None` if it has not ended.
    fn collect(&self, place: &Place) -> Option<Ended>;

    /// Gives a job up, wherever it stands, and frees its place at once or when its thread is through.
    fn leave(&self, place: &Place);

    /// What is known of the jobs.
    fn counts(&self) -> &JobCounts;
}

/// Where a job is; who has it collects or leaves the job once.
#[derive(Debug)]
pub struct Place {
    /// The place's number.
    pub slot: u32,
    /// Its place in the queue.
    pub node: u32,
    /// By when it has to start.
    pub until: Instant,
}

/// How a job is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for a thread, until then at most.
    Queued(Instant),
    /// A thread has it.
    Running,
    /// It can be collected.
    Ended,
}

/// What became of a job.
#[derive(Debug)]
pub enum Ended {
    /// Its handler is through.
    Answered(Job),
    /// It never ran.
    Refused(Job, Refusal),
    /// Its handler panicked; what it held has come home.
    Panicked,
}

/// A request on its way to a thread, or back from it: all that it holds.
#[derive(Debug)]
pub struct Job {
    about: About,
    head: Guard<'static, RequestHead>,
    windows: Windows,
    permit: Option<Permit<'static>>,
}

impl Job {
    /// The class that it was admitted in.
    pub fn class(&self) -> Class {
        self.about.class
    }

    /// Gives the exchange back what was taken from it, and answers the head. The handler did not run.
    fn return_unanswered(self, exchange: &Exchange) -> Guard<'static, RequestHead> {
        exchange.attach_content(self.windows, self.permit);
        self.head
    }

    /// As [`Job::return_unanswered`], with the answer that the handler gave.
    fn return_answered(self, exchange: &Exchange) -> Guard<'static, RequestHead> {
        exchange.attach(self.windows, self.permit);
        self.head
    }
}

/// Lets a thread answer. The head comes back unless a handler that panicked had it.
pub(super) async fn detour(
    offload: &'static dyn Offload,
    shared: &'static Shared,
    exchange: &'static Exchange,
    request: Guard<'static, RequestHead>,
) -> Option<Guard<'static, RequestHead>> {
    let mut gathering = Gathering::new();
    if let Err(error) = poll_fn(|context| exchange.poll_whole_content(context, &mut gathering)).await {
        exchange.answer_status(error.status(), error.status().reason());
        return Some(request);
    }
    // The answer comes in a buffer of its own, which takes the place of the one with the answers before. A client that does not
    // read those has to be waited for before there is a job, which would keep its place from others.
    poll_fn(|context| exchange.poll_earlier_sent(context)).await;
    match submit(offload, shared, exchange, request).await {
        Ok(place) => Waiting { offload, place, is_over: false }.end(exchange).await,
        Err(request) => Some(request),
    }
}

/// Hands the request over. The head comes back if it is refused.
async fn submit(
    offload: &'static dyn Offload,
    shared: &'static Shared,
    exchange: &'static Exchange,
    request: Guard<'static, RequestHead>,
) -> Result<Place, Guard<'static, RequestHead>> {
    let mut request = Some(request);
    // Nothing is waited for here: this is where a waker is to be had.
    poll_fn(|context| {
        let Some(head) = request.take() else { return Poll::Pending };
        // Not the exchange's own buffer: that one answers if the thread does not do so in time.
        let (Ok(buffer), Some(index)) = (shared.responses.borrow(), &head.head) else {
            exchange.fail(Failure::Refused(Refusal::PoolExhausted));
            return Poll::Ready(Err(head));
        };
        let (windows, permit) = exchange.detach(index, buffer);
        let job = Job { about: exchange.about(), head, windows, permit };
        let submitted = offload.submit(job, context.waker(), exchange.clock().now());
        Poll::Ready(submitted.map_err(|(job, refusal)| {
            exchange.fail(Failure::Refused(refusal));
            job.return_unanswered(exchange)
        }))
    })
    .await
}

/// A job that is elsewhere. Dropping it gives the job up.
struct Waiting {
    offload: &'static dyn Offload,
    place: Place,
    is_over: bool,
}

impl Waiting {
    async fn end(mut self, exchange: &'static Exchange) -> Option<Guard<'static, RequestHead>> {
        let ended = poll_fn(|context| match self.offload.poll(&self.place, exchange.clock().now()) {
            Progress::Queued(until) => {
                let _ = exchange.poll_sleep(until, context);
                Poll::Pending
            }
            Progress::Running => Poll::Pending,
            Progress::Ended => match self.offload.collect(&self.place) {
                Some(ended) => Poll::Ready(ended),
                None => Poll::Pending,
            },
        })
        .await;
        self.is_over = true;
        match ended {
            Ended::Answered(job) => Some(job.return_answered(exchange)),
            Ended::Refused(job, refusal) => {
                exchange.fail(Failure::Refused(refusal));
                Some(job.return_unanswered(exchange))
            }
            Ended::Panicked => {
                exchange.fail(Failure::Panicked);
                None
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.offload.leave(&self.place);
        }
    }
}

/// Where one thread works: an application, an exchange and a clock of its own, so handlers may hold `Rc` and `Cell`.
pub struct Station<R: 'static> {
    app: &'static App<R>,
    shared: &'static Shared,
    exchange: &'static Exchange,
    clock: &'static Clockface,
}

impl<R: Routes> Station<R> {
    /// Takes a station from `arena`.
    ///
    /// # Errors
    /// [`SpaceFull`] if the arena is too small.
    pub fn new(arena: &mut impl Arena, shared: &'static Shared, app: App<R>) -> Result<Self, SpaceFull> {
        let app = take_one(arena, "application", app)?;
        let clock: &'static Clockface = take_one(arena, "clock", Clockface::new())?;
        let exchange = take_one(arena, "exchanges", Exchange::new(clock))?;
        Ok(Self { app, shared, exchange, clock })
    }

    /// Begins with a job: what [`super::run_or_offload`] makes a future of.
    pub fn begin(&self, job: Job) -> Admitted<R> {
        let Job { about, head, windows, permit } = job;
        self.exchange.begin_detached(about, windows, permit);
        Admitted { app: self.app, shared: self.shared, exchange: self.exchange, head }
    }

    /// Sets the clock that the handler sees, and wakes those of its sleepers whose time has come.
    pub fn set_clock(&self, now: Instant, unix_s: Option<u64>) {
        self.clock.set(now, unix_s);
        self.exchange.handle_timers(now);
    }

    /// When the handler's first sleeper has to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.exchange.timer()
    }

    /// Ends a job, whose future was dropped. `None` if that had not come to its end: what it held is home then.
    pub fn end(&self) -> Option<Job> {
        let (windows, permit) = self.exchange.end_detached();
        let head = self.exchange.take_head()?;
        Some(Job { about: self.exchange.about(), head, windows, permit })
    }
}

impl<R> fmt::Debug for Station<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
