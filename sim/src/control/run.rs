//! The events of a run, one after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pivot_core::admission::concurrency::{Sample, SampleOutcome};
use pivot_core::admission::{Class, Permit, Permits, Queue, QueueNode};
use pivot_core::storage::Arena;
use pivot_core::time::{Duration, Instant};

use super::controller::{Controller, Gate, Open, QueueState};
use super::report::{Bin, Ended, Report};
use crate::Leaked;
use crate::plant::{Dice, Plant};

/// How clients behave. Arrivals are an open loop: they do not wait for one another.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// A client leaves so long after it came, whether it waits in the queue or for its answer.
    pub patience: Option<Duration>,
    /// After an attempt that did not end well, it comes back up to so many times,
    pub retries: u32,
    /// after a pause that doubles each time, with up to a half taken off by chance.
    pub backoff: Duration,
    /// Reading the answer takes so long; the permit is held meanwhile.
    pub reading: Duration,
}

/// Everything that a run depends on.
pub struct Setup {
    /// Behind the permits.
    pub plant: Box<dyn Plant>,
    /// Moves the limit.
    pub controller: Box<dyn Controller>,
    /// Before the queue.
    pub gate: Box<dyn Gate>,
    /// Arrivals a second, from each moment on; Poisson.
    pub load: Vec<(Instant, f64)>,
    /// How much slower the plant becomes, at which moments.
    pub slowness: Vec<(Instant, f64)>,
    /// How clients behave.
    pub clients: Clients,
    /// How likely each class is, relative to the others.
    pub classes: [f64; Class::COUNT],
    /// Places in the queue.
    pub queue_max: usize,
    /// Longest wait in the queue.
    pub queue_wait: Duration,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Setup {
    /// A plant under a controller; everybody is of the normal class, waits for 2 s, and does not come back.
    pub fn new(plant: Box<dyn Plant>, controller: Box<dyn Controller>, seed: u64) -> Self {
        let mut classes = [0.0; Class::COUNT];
        classes[Class::Normal.index()] = 1.0;
        Self {
            plant,
            controller,
            gate: Box::new(Open),
            load: Vec::new(),
            slowness: Vec::new(),
            clients: Clients {
                patience: Some(Duration::from_secs(2)),
                retries: 0,
                backoff: Duration::from_millis(100),
                reading: Duration::ZERO,
            },
            classes,
            queue_max: 256,
            queue_wait: Duration::from_millis(500),
            seed,
        }
    }

    /// Lets clients come until `end`, then waits until the last one is gone.
    pub fn run(self, end: Instant) -> Report {
        let permits = Permits::new(self.controller.limit(), 0);
        let nodes = Leaked::default().take("queue", self.queue_max, |_| QueueNode::FREE);
        let queue = Queue::new(nodes.expect("leaked memory has no bound"), self.queue_wait);
        let dice = Dice::new(self.seed);
        let report = Report {
            seed: self.seed,
            attempts: 0,
            ended: [0; Ended::COUNT],
            permits_out: 0,
            bins: Vec::new(),
            answered: Vec::new(),
        };
        let mut run = Run {
            setup: self,
            permits: &permits,
            queue,
            dice,
            attempts: Vec::new(),
            events: BinaryHeap::new(),
            scheduled: 0,
            report,
        };
        run.go(end);
        let mut report = run.report;
        report.permits_out = permits.taken_count();
        report
    }
}

/// One request, from its arrival to its one outcome.
struct Attempt<'p> {
    class: Class,
    cohort: u8,
    try_index: u32,
    born: Instant,
    state: State<'p>,
}

enum State<'p> {
    Queued { place: u32 },
    Running { permit: Permit<'p>, began: Instant, inflight: u32, has_left: bool },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Retry { class: Class, cohort: u8, try_index: u32 },
    Leave { attempt: u32 },
    Read { attempt: u32, is_ok: bool },
    Slow { index: usize },
}

struct Run<'p> {
    setup: Setup,
    permits: &'p Permits,
    queue: Queue,
    dice: Dice,
    attempts: Vec<Attempt<'p>>,
    /// The second number keeps the order of events at one moment.
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    scheduled: u64,
    report: Report,
}

impl Run<'_> {
    fn go(&mut self, end: Instant) {
        for index in 0..self.setup.slowness.len() {
            self.schedule(self.setup.slowness[index].0, Event::Slow { index });
        }
        self.schedule_arrival(Instant::ZERO);
        let mut bin_end = BIN;
        loop {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let work = [event, self.setup.plant.poll_timeout(), self.queue.poll_timeout()];
            let Some(work) = work.into_iter().flatten().min() else { break };
            let now = [Some(work), self.setup.controller.poll_timeout()]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(work);
            while bin_end.as_micros() <= now.as_micros().min(end.as_micros()) {
                self.bin(bin_end.as_micros() - 1).limit = self.setup.controller.limit();
                bin_end = bin_end.plus(Duration::from_micros(BIN.as_micros()));
            }
            if self.setup.controller.poll_timeout().is_some_and(|at| at <= now) {
                self.setup.controller.handle_timeout(now);
                self.permits.set_limit(self.setup.controller.limit());
            } else if self.setup.plant.poll_timeout().is_some_and(|at| at <= now) {
                while let Some((job, is_ok)) = self.setup.plant.pop_ended(now) {
                    let reading = self.setup.clients.reading;
                    if reading > Duration::ZERO {
                        self.schedule(now.plus(reading), Event::Read { attempt: job, is_ok });
                    } else {
                        self.finish(job, is_ok, now);
                    }
                }
            } else if event == Some(now)
                && let Some(Reverse((_, _, event))) = self.events.pop()
            {
                self.handle(event, end, now);
            }
            self.pump(now);
        }
    }

    fn handle(&mut self, event: Event, end: Instant, now: Instant) {
        match event {
            Event::Arrive => {
                if now < end {
                    let class = self.draw_class();
                    let cohort = (self.dice.number() % 128) as u8;
                    self.arrive(class, cohort, 0, now);
                    self.schedule_arrival(now);
                }
            }
            Event::Retry { class, cohort, try_index } => self.arrive(class, cohort, try_index, now),
            Event::Leave { attempt } => match &mut self.attempts[attempt as usize].state {
                State::Queued { place } => {
                    let place = *place;
                    self.queue.remove(place).expect("a queued attempt is in the queue");
                    self.end(attempt, Ended::Left, now);
                    self.maybe_retry(attempt, now);
                }
                State::Running { has_left, .. } => {
                    *has_left = true;
                    self.maybe_retry(attempt, now);
                }
                State::Over => {}
            },
            Event::Read { attempt, is_ok } => self.finish(attempt, is_ok, now),
            Event::Slow { index } => self.setup.plant.set_slowness(self.setup.slowness[index].1),
        }
    }

    fn arrive(&mut self, class: Class, cohort: u8, try_index: u32, now: Instant) {
        let attempt = self.attempts.len() as u32;
        self.report.attempts += 1;
        self.bin(now.as_micros()).offered += 1;
        self.attempts.push(Attempt { class, cohort, try_index, born: now, state: State::Over });
        let queue = QueueState {
            len: self.queue.len(),
            capacity: self.queue.capacity(),
            running: self.permits.taken_count(),
            limit: self.permits.limit(),
        };
        if !self.setup.gate.admit(class, cohort, &queue, now) {
            return self.refuse(attempt, Ended::Shed, now);
        }
        match self.queue.push(attempt, class, now) {
            Ok(place) => {
                self.attempts[attempt as usize].state = State::Queued { place };
                if let Some(patience) = self.setup.clients.patience {
                    self.schedule(now.plus(patience), Event::Leave { attempt });
                }
            }
            Err(_) => self.refuse(attempt, Ended::QueueFull, now),
        }
    }

    /// Starts who may start, after those have gone who waited for too long.
    fn pump(&mut self, now: Instant) {
        while let Some(entry) = self.queue.pop_expired(now) {
            self.refuse(entry.item, Ended::QueueExpired, now);
        }
        while let Some(class) = self.queue.first_class()
            && let Some(permit) = self.permits.try_take(class)
        {
            let entry = self.queue.pop().expect("somebody waits");
            let inflight = self.permits.taken_count();
            self.attempts[entry.item as usize].state =
                State::Running { permit, began: now, inflight, has_left: false };
            self.setup.plant.start(entry.item, &mut self.dice, now);
        }
    }

    fn finish(&mut self, attempt: u32, is_ok: bool, now: Instant) {
        let of = &mut self.attempts[attempt as usize];
        let State::Running { permit, began, inflight, has_left } =
            std::mem::replace(&mut of.state, State::Over)
        else {
            unreachable!("only a running attempt ends in the plant");
        };
        drop(permit);
        let (ended, outcome) = match (is_ok, has_left) {
            (false, _) => (Ended::Failed, SampleOutcome::Dropped),
            (true, true) => (Ended::Late, SampleOutcome::Abandoned),
            (true, false) => (Ended::Good, SampleOutcome::Served),
        };
        let us = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        let wait = began.since(of.born);
        let sample = Sample {
            rtt_us: us(now.micros_since(began)),
            wait_us: us(began.micros_since(of.born)),
            inflight,
            outcome,
        };
        if is_ok {
            self.report.answered.push((now.as_micros(), now.micros_since(of.born)));
        }
        self.setup.controller.record(sample, now);
        self.permits.set_limit(self.setup.controller.limit());
        self.count(attempt, ended, wait, now);
        if ended == Ended::Failed && !has_left {
            self.maybe_retry(attempt, now);
        }
    }

    fn refuse(&mut self, attempt: u32, ended: Ended, now: Instant) {
        self.end(attempt, ended, now);
        self.maybe_retry(attempt, now);
    }

    /// Ends an attempt that never ran.
    fn end(&mut self, attempt: u32, ended: Ended, now: Instant) {
        let of = &mut self.attempts[attempt as usize];
        of.state = State::Over;
        let wait = now.since(of.born);
        let outcome = if ended == Ended::Left { SampleOutcome::Abandoned } else { SampleOutcome::Refused };
        let sample = Sample { rtt_us: 0, wait_us: 0, inflight: self.permits.taken_count(), outcome };
        self.setup.controller.record(sample, now);
        self.permits.set_limit(self.setup.controller.limit());
        self.count(attempt, ended, wait, now);
    }

    fn count(&mut self, attempt: u32, ended: Ended, wait: Duration, now: Instant) {
        self.report.ended[ended as usize] += 1;
        if ended == Ended::Good {
            self.bin(now.as_micros()).good += 1;
        }
        let class = self.attempts[attempt as usize].class;
        self.setup.gate.completed(class, ended, wait, now);
    }

    fn maybe_retry(&mut self, attempt: u32, now: Instant) {
        let Attempt { class, cohort, try_index, .. } = self.attempts[attempt as usize];
        if try_index < self.setup.clients.retries {
            let backoff = self.setup.clients.backoff * (1 << try_index.min(16));
            let backoff = backoff.mul_f64(1.0 - self.dice.share() / 2.0);
            self.schedule(now.plus(backoff), Event::Retry { class, cohort, try_index: try_index + 1 });
        }
    }

    /// The next arrival at the rate in force; where the rate changes first, it is drawn anew from there.
    fn schedule_arrival(&mut self, mut from: Instant) {
        loop {
            let load = &self.setup.load;
            let rate = load.iter().rev().find(|(since, _)| *since <= from).map_or(0.0, |(_, rate)| *rate);
            let change = load.iter().map(|(since, _)| *since).find(|since| *since > from);
            let gap = if rate > 0.0 { self.dice.exponential_us(1e6 / rate) } else { u64::MAX };
            let at = from.plus(Duration::from_micros(gap));
            match change {
                Some(change) if change <= at => from = change,
                _ if at < Instant::NEVER => return self.schedule(at, Event::Arrive),
                _ => return,
            }
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    fn draw_class(&mut self) -> Class {
        let classes = &self.setup.classes;
        let mut left = self.dice.share() * classes.iter().sum::<f64>();
        for (class, weight) in Class::ALL.into_iter().zip(classes) {
            if left < *weight {
                return class;
            }
            left -= weight;
        }
        Class::Normal
    }

    fn bin(&mut self, at_us: u64) -> &mut Bin {
        let index = (at_us / BIN.as_micros()) as usize;
        if self.report.bins.len() <= index {
            self.report.bins.resize(index + 1, Bin::default());
        }
        &mut self.report.bins[index]
    }
}

const BIN: Instant = Instant::from_millis(500);

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("load", &self.load).field("seed", &self.seed).finish_non_exhaustive()
    }
}
