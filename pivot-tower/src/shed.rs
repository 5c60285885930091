//! A bounded queue with classes and deadlines before a number of permits, and who is refused while it is too long.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use pivot_core::admission::concurrency::{LimitConfig, LimitLoop, Sample, SampleOutcome, Samples};
use pivot_core::admission::shed::Verdict;
use pivot_core::admission::{
    Arrival, Class, Cursor, Permit, Permits, Queue, QueueNode, Refusal, Seed, ShedConfig, Shedder,
};
use pivot_core::mode::ConfigError;
use pivot_core::time::{Duration, Instant};
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Answer, Answered, HttpAnswer, Refused};
use crate::clock::{dice, keep, now};
use crate::request::{Describe, HttpRequests, random_seed};

/// The numbers of a [`ShedLayer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShedOptions {
    /// How many requests run at once, and by which law that changes.
    pub limit: LimitConfig,
    /// Permits for the system class alone. From 0 to `limit.min` − 1. Default: 0.
    pub reserved: u32,
    /// Most requests that wait. 1–1,000,000, about 150 bytes each. Default: 1,000.
    pub queue_max: usize,
    /// The longest wait, whatever the strategy grants. 1 ms – 5 min. Default: 1 s.
    pub wait_max: Duration,
    /// Who is refused, by which signal: priority, random, oldest or adaptive. Default: priority.
    pub shed: ShedConfig,
}

impl ShedOptions {
    /// The presets of limit and shedder, and a queue of 1,000 requests that wait for a second at most.
    pub const PRESET: Self = Self {
        limit: LimitConfig::PRESET,
        reserved: 0,
        queue_max: 1_000,
        wait_max: Duration::from_secs(1),
        shed: ShedConfig::PRESET,
    };

    fn check(&self) -> Result<(), ConfigError> {
        let in_range = |field, value, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError { field, value, min, max }) }
        };
        let wait_max_ms = u64::try_from(self.wait_max.as_millis()).unwrap_or(u64::MAX);
        self.shed.check()?;
        in_range("queue_max", self.queue_max as u64, 1, 1_000_000)?;
        in_range("wait_max", wait_max_ms, 1, 300_000)?;
        in_range("reserved", self.reserved.into(), 0, u64::from(self.limit.min.saturating_sub(1)))
    }
}

/// Lets as many requests run as there are permits, lets others wait by class and deadline, and refuses whom the strategy
/// says: [`Shedder`], [`Queue`], [`Permits`] and [`LimitLoop`] as a layer.
///
/// One short lock is taken when a request comes and when it ends. Waits end by tokio's timer; the runtime needs one.
///
/// ```
/// use pivot_core::admission::ShedConfig;
/// use pivot_core::admission::shed::Strategy;
/// use pivot_tower::{ShedLayer, ShedOptions};
/// let shed = ShedConfig { strategy: Strategy::ADAPTIVE, ..ShedConfig::PRESET };
/// let layer = ShedLayer::new(ShedOptions { shed, ..ShedOptions::PRESET })?;
/// assert_eq!(layer.waiting_count(), 0);
/// assert!(ShedLayer::new(ShedOptions { queue_max: 0, ..ShedOptions::PRESET }).is_err());
/// # Ok::<(), pivot_core::mode::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ShedLayer<D = HttpRequests, A = HttpAnswer> {
    gate: &'static Gate,
    describe: D,
    answer: A,
}

impl ShedLayer {
    /// A layer at its initial limit.
    ///
    /// # Errors
    /// The first number that is out of its range.
    pub fn new(options: ShedOptions) -> Result<Self, ConfigError> {
        options.check()?;
        let limit_loop = LimitLoop::new(options.limit)?;
        let nodes = vec![QueueNode::FREE; options.queue_max].leak();
        // Those that wait, those that have a permit and do not know it yet, and as many that were refused and do not know.
        let waiters_max = 2 * options.queue_max + options.limit.max as usize;
        let gate = Gate {
            permits: Permits::new(limit_loop.limit(), options.reserved),
            seed: random_seed(),
            wait_max: options.wait_max,
            state: Mutex::new(State {
                queue: Queue::new(nodes, options.wait_max),
                shedder: Shedder::new(options.shed, keep(Cursor::new()), 1, now()),
                waiters: (0..waiters_max).map(|_| Waiter::Free).collect(),
                free: (0..waiters_max as u32).rev().collect(),
                samples: [limit_loop.samples()],
                limit_loop,
            }),
        };
        Ok(Self { gate: keep(gate), describe: HttpRequests::default(), answer: HttpAnswer })
    }
}

impl<D, A> ShedLayer<D, A> {
    /// Tells clients, classes and deadlines in another way.
    #[must_use]
    pub fn describe<O>(self, describe: O) -> ShedLayer<O, A> {
        ShedLayer { gate: self.gate, describe, answer: self.answer }
    }

    /// Answers in another way.
    #[must_use]
    pub fn answer<O>(self, answer: O) -> ShedLayer<D, O> {
        ShedLayer { gate: self.gate, describe: self.describe, answer }
    }

    /// The permits, to look at them.
    pub fn permits(&self) -> &'static Permits {
        &self.gate.permits
    }

    /// How many requests wait.
    pub fn waiting_count(&self) -> usize {
        self.gate.lock().queue.len()
    }
}

impl<S, D: Clone, A: Clone> Layer<S> for ShedLayer<D, A> {
    type Service = ShedService<S, D, A>;

    fn layer(&self, inner: S) -> Self::Service {
        ShedService { inner, layer: self.clone() }
    }
}

/// The service of [`ShedLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ShedService<S, D = HttpRequests, A = HttpAnswer> {
    inner: S,
    layer: ShedLayer<D, A>,
}

impl<S, Req, D, A> Service<Req> for ShedService<S, D, A>
where
    S: Service<Req, Response: Answered> + Clone,
    D: Describe<Req>,
    A: Answer<S::Response> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ShedFuture<S, Req, A>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let ShedLayer { gate, describe, answer } = &self.layer;
        let now = now();
        let arrival = Arrival {
            class: describe.class(&request),
            client: describe.client(&request, gate.seed),
            deadline: now.plus(describe.deadline(&request, now).left(now)),
            service_us: 0,
            body_len: 0,
        };
        let stage = match gate.enter(&arrival, now) {
            Entered::Started(started) => {
                Stage::Running { future: self.inner.call(request), started: Some(started) }
            }
            Entered::Waits(place, left) => {
                // The service that was ready is the one to call; the clone asks for itself.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                Stage::Waiting {
                    place: Some(place),
                    sleep: tokio::time::sleep(left),
                    service: Some((ready, request)),
                    answer: answer.clone(),
                }
            }
            Entered::Refused(refusal) => {
                Stage::Refused { answer: Some(answer.answer(&Refused::new(refusal, None, now))) }
            }
        };
        ShedFuture { stage }
    }
}

pin_project! {
    /// A request that waits, runs, or is refused.
    #[must_use = "futures do nothing unless polled"]
    pub struct ShedFuture<S, Req, A>
    where
        S: Service<Req>,
    {
        #[pin]
        stage: Stage<S, Req, A>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, Req, A>
    where
        S: Service<Req>,
    {
        // Dropping the place gives it up.
        Waiting { place: Option<Place>, #[pin] sleep: Sleep, service: Option<(S, Req)>, answer: A },
        Running { #[pin] future: S::Future, started: Option<Started> },
        // The answer, until it was given.
        Refused { answer: Option<S::Response> },
    }
}

impl<S: Service<Req>, Req, A> std::fmt::Debug for ShedFuture<S, Req, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.stage {
            Stage::Waiting { .. } => "Waiting",
            Stage::Running { .. } => "Running",
            Stage::Refused { .. } => "Refused",
        })
    }
}

impl<S, Req, A> Future for ShedFuture<S, Req, A>
where
    S: Service<Req, Response: Answered>,
    A: Answer<S::Response>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project().stage.project() {
                StageProjection::Waiting { place, sleep, service, answer } => {
                    let waiting = place.as_mut().expect("polled after its end");
                    // The permit first: whoever has one is not late, whatever the timer says.
                    let started = match waiting.poll_start(context) {
                        Poll::Ready(result) => result,
                        Poll::Pending => {
                            ready!(sleep.poll(context));
                            waiting.expire()
                        }
                    };
                    *place = None;
                    match (started, service.take()) {
                        (Ok(started), Some((mut service, request))) => {
                            let future = service.call(request);
                            self.set(Self { stage: Stage::Running { future, started: Some(started) } });
                        }
                        (Ok(_), None) => unreachable!("it is taken once, and the state left behind"),
                        (Err(refusal), _) => {
                            let answer = answer.answer(&Refused::new(refusal, None, now()));
                            return Poll::Ready(Ok(answer));
                        }
                    }
                }
                StageProjection::Running { future, started } => {
                    let result = ready!(future.poll(context));
                    if let Some(started) = started.take() {
                        let is_dropped = match &result {
                            Ok(answer) => matches!(answer.status_code(), 503 | 504),
                            Err(_) => false,
                        };
                        let is_refused = result.as_ref().is_ok_and(|answer| answer.refusal().is_some());
                        started.end(match (is_refused, is_dropped) {
                            (true, _) => SampleOutcome::Refused,
                            (false, true) => SampleOutcome::Dropped,
                            (false, false) => SampleOutcome::Served,
                        });
                    }
                    return Poll::Ready(result);
                }
                StageProjection::Refused { answer } => {
                    return Poll::Ready(Ok(answer.take().expect("polled after its end")));
                }
            }
        }
    }
}

/// What all services of a layer share.
#[derive(Debug)]
struct Gate {
    permits: Permits,
    seed: Seed,
    wait_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    shedder: Shedder<'static>,
    waiters: Vec<Waiter>,
    /// Indices of waiters that are nobody's.
    free: Vec<u32>,
    limit_loop: LimitLoop,
    samples: [Samples; 1],
}

/// What became of a request that did not start at once.
#[derive(Debug)]
enum Waiter {
    Free,
    /// In the queue, at this place.
    Waiting {
        place: u32,
        waker: Option<Waker>,
    },
    /// Out of the queue; its future does not know yet.
    Granted(Permit<'static>),
    Refused(Refusal),
}

enum Entered {
    Started(Started),
    /// And how long at most.
    Waits(Place, Duration),
    Refused(Refusal),
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&'static self, arrival: &Arrival, now: Instant) -> Entered {
        let mut displaced = None;
        let entered = {
            let mut state = self.lock();
            let state = &mut *state;
            state.shedder.tick(&mut state.queue, now);
            match state.shedder.admit(arrival, &state.queue, dice(now), now) {
                Verdict::Refuse(reason) => return Entered::Refused(reason.into()),
                Verdict::Displace => {
                    if let Some(victim) = state.queue.displace(arrival.class) {
                        displaced = state.settle(victim.item, Waiter::Refused(Refusal::QueueFull));
                    }
                }
                Verdict::Admit => {}
            }
            self.start_or_wait(state, arrival, now)
        };
        if let Some(waker) = displaced {
            waker.wake();
        }
        entered
    }

    fn start_or_wait(&'static self, state: &mut State, arrival: &Arrival, now: Instant) -> Entered {
        if state.queue.len_ahead(arrival.class) == 0
            && let Some(permit) = self.permits.try_take(arrival.class)
        {
            state.shedder.observe_start();
            return Entered::Started(Started::new(self, permit, now, 0));
        }
        let Some(index) = state.free.pop() else { return Entered::Refused(Refusal::QueueFull) };
        let start_by = state.shedder.start_by(arrival.deadline, now).min(now.plus(self.wait_max));
        match state.queue.push_by(index, arrival.class, start_by, now) {
            Ok(place) => {
                state.waiters[index as usize] = Waiter::Waiting { place, waker: None };
                Entered::Waits(Place { gate: self, index, since: now }, start_by.since(now))
            }
            Err(index) => {
                state.free.push(index);
                Entered::Refused(Refusal::QueueFull)
            }
        }
    }

    /// Gives free permits to those whose turn it is, and tells those that are late. Wakers are called without the lock: a
    /// task that ends by it may come back here.
    fn dispatch(&'static self, mut state: MutexGuard<'static, State>) {
        let now = now();
        // Ends: each round takes one out of the queue.
        while let Some((index, waiter)) = self.next(&mut state, now) {
            let waker = state.settle(index, waiter);
            if let Some(waker) = waker {
                drop(state);
                waker.wake();
                state = self.lock();
            }
        }
    }

    fn next(&'static self, state: &mut State, now: Instant) -> Option<(u32, Waiter)> {
        if let Some(late) = state.queue.pop_expired(now) {
            return Some((late.item, Waiter::Refused(Refusal::QueueExpired)));
        }
        let class: Class = state.queue.first_class()?;
        let permit = self.permits.try_take(class)?;
        let entry = state.queue.pop()?;
        state.shedder.observe_start();
        Some((entry.item, Waiter::Granted(permit)))
    }
}

impl State {
    /// Ends the wait of one that has left the queue; whom to wake for it.
    fn settle(&mut self, index: u32, waiter: Waiter) -> Option<Waker> {
        match std::mem::replace(&mut self.waiters[index as usize], waiter) {
            Waiter::Waiting { waker, .. } => waker,
            _ => None,
        }
    }

    fn release(&mut self, index: u32) -> Waiter {
        self.free.push(index);
        std::mem::replace(&mut self.waiters[index as usize], Waiter::Free)
    }
}

/// A place in the queue. Dropping it leaves the queue, and passes a permit that came meanwhile on.
#[derive(Debug)]
struct Place {
    gate: &'static Gate,
    index: u32,
    since: Instant,
}

impl Place {
    fn poll_start(&mut self, context: &Context<'_>) -> Poll<Result<Started, Refusal>> {
        let gate = self.gate;
        let mut state = gate.lock();
        let waiter = &mut state.waiters[self.index as usize];
        if let Waiter::Waiting { waker, .. } = waiter {
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        // The index is given back when the place is dropped.
        match std::mem::replace(waiter, Waiter::Free) {
            Waiter::Granted(permit) => {
                let now = now();
                Poll::Ready(Ok(Started::new(gate, permit, now, now.micros_since(self.since))))
            }
            Waiter::Refused(refusal) => Poll::Ready(Err(refusal)),
            Waiter::Free | Waiter::Waiting { .. } => Poll::Ready(Err(Refusal::QueueExpired)),
        }
    }

    /// The longest wait is over.
    fn expire(&mut self) -> Result<Started, Refusal> {
        let waker = Waker::noop();
        match self.poll_start(&Context::from_waker(waker)) {
            Poll::Ready(result) => result,
            // Dropping the place takes it out of the queue.
            Poll::Pending => Err(Refusal::QueueExpired),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        match state.release(self.index) {
            Waiter::Waiting { place, waker } => {
                state.queue.remove(place);
                drop(state);
                drop(waker);
            }
            Waiter::Granted(permit) => {
                drop(permit);
                self.gate.dispatch(state);
            }
            Waiter::Free | Waiter::Refused(_) => {}
        }
    }
}

/// A permit, and what the limit learns when it comes back.
#[derive(Debug)]
struct Started {
    gate: &'static Gate,
    permit: Option<Permit<'static>>,
    since: Instant,
    wait_us: u32,
    inflight: u32,
    outcome: SampleOutcome,
}

impl Started {
    fn new(gate: &'static Gate, permit: Permit<'static>, now: Instant, wait_us: u64) -> Self {
        Self {
            gate,
            permit: Some(permit),
            since: now,
            wait_us: u32::try_from(wait_us).unwrap_or(u32::MAX),
            inflight: gate.permits.taken_count(),
            outcome: SampleOutcome::Abandoned,
        }
    }

    fn end(mut self, outcome: SampleOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let now = now();
        let rtt_us = u32::try_from(now.micros_since(self.since)).unwrap_or(u32::MAX);
        let (wait_us, inflight, outcome) = (self.wait_us, self.inflight, self.outcome);
        self.permit = None;
        let mut locked = self.gate.lock();
        let state = &mut *locked;
        let sample = Sample { rtt_us, wait_us, inflight, outcome };
        state.samples[0].record(sample, state.limit_loop.limit());
        if let Some(limit) = state.limit_loop.handle_timeout(state.samples.iter(), now) {
            self.gate.permits.set_limit(limit);
        }
        state.shedder.tick(&mut state.queue, now);
        if !state.queue.is_empty() {
            self.gate.dispatch(locked);
        }
    }
}
