//! Load shedding: who is refused while the queue is too long, so that the others are served in time.
//!
//! A worker has a [`Shedder`], which judges each request before it joins the worker's [`Queue`]. What it acts on is the
//! queue alone: how full it is, and how long a newcomer is about to wait. The strategies differ in what counts as too
//! much and in whom they refuse:
//!
//! | strategy | signal | refuses |
//! |---|---|---|
//! | [`priority`] | fullness, on at 90 %, off at 70 % | the least important classes, and within one whole cohorts of clients |
//! | [`random`] | the same | a fixed share |
//! | [`oldest`] | for how long the queue was not empty | who has waited too long; the newest go first |
//! | [`adaptive`] | the expected wait | as `priority`, as many as keep the wait under a target; with [`model`], also who would be late |
//!
//! With each of them two rules hold. The *hard cap*: a full queue takes nobody, but a request gives way to one of a more
//! important class ([`Verdict::Displace`]). And *doomed* requests, whose expected wait ends after their deadline, are
//! refused at once, while the client can still go elsewhere. The system class is never refused by share or fullness.
//!
//! Workers share one [`Cursor`] word, so that N of them shed as one. All arithmetic is in integers.
//!
//! ```
//! use pivot_core::admission::shed::Verdict;
//! use pivot_core::admission::{Arrival, Class, ClientKey, Cursor, Queue, QueueNode, Seed, ShedConfig, Shedder};
//! use pivot_core::time::{Duration, Instant};
//! let nodes = Box::leak(Box::new([QueueNode::FREE; 64]));
//! let (mut queue, now) = (Queue::new(nodes, Duration::from_millis(100)), Instant::ZERO);
//! let cursor = Cursor::new();
//! let mut shedder = Shedder::new(ShedConfig::PRESET, &cursor, 1, now);
//! let client = ClientKey::of_address([10, 0, 0, 1].into(), Seed(1, 2));
//! let arrival = Arrival { class: Class::Normal, client, deadline: Instant::NEVER, service_us: 0, body_len: 0 };
//! let dice = 0x1234_5678;
//! shedder.tick(&mut queue, now);
//! assert_eq!(shedder.admit(&arrival, &queue, dice, now), Verdict::Admit);
//! let deadline = shedder.start_by(arrival.deadline, now);
//! queue.push_by(7, arrival.class, deadline, now).unwrap();
//! let first = queue.pop().unwrap();
//! assert_eq!(first.item, 7);
//! shedder.observe_start();
//! ```

pub mod adaptive;
mod arrivals;
mod calibration;
mod config;
mod cursor;
mod level;
pub mod model;
pub mod oldest;
mod pace;
pub mod priority;
pub mod random;
mod sigmoid;

use self::adaptive::Controller;
use self::arrivals::Arrivals;
use self::model::{EXPLORED, Model, Outlook};
use self::pace::Pace;
use super::{Class, ClientKey, Queue, Refusal};
use crate::time::{Duration, Instant, micros};

pub use self::calibration::{Calibration, ReliabilityBin};
pub use self::config::{Fullness, ShedConfig, Strategy};
pub use self::cursor::Cursor;
pub use self::level::{COHORTS, LEVELS};
pub use self::model::{Load, Sample};

/// A request, as the shedder sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its class.
    pub class: Class,
    /// Whose it is; decides the cohort.
    pub client: ClientKey,
    /// By when its answer is of use; [`Instant::NEVER`] if its client did not say.
    pub deadline: Instant,
    /// How long handlers of its route take, as a moving average; for the model alone.
    pub service_us: u32,
    /// The announced length of its content; for the model alone.
    pub body_len: u64,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It joins the queue.
    Admit,
    /// It joins the queue in place of the request that [`Queue::displace`] takes out, which is refused
    /// as [`ShedReason::Full`].
    Displace,
    /// It is refused.
    Refuse(ShedReason),
}

/// Why the shedder refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedReason {
    /// Its class and cohort are not admitted now.
    Level,
    /// It is of the share that is refused by chance.
    Chance,
    /// It would start after its deadline.
    Doomed,
    /// The model expects its answer after its deadline.
    Predicted,
    /// The queue is full of requests that are at least as important.
    Full,
}

impl From<ShedReason> for Refusal {
    fn from(reason: ShedReason) -> Self {
        match reason {
            ShedReason::Level | ShedReason::Chance => Self::Shed,
            ShedReason::Doomed | ShedReason::Predicted => Self::Doomed,
            ShedReason::Full => Self::QueueFull,
        }
    }
}

/// The load shedder of one worker. 2 KiB.
#[derive(Debug)]
pub struct Shedder<'c> {
    /// Below this length of the queue everybody is admitted and nothing is counted; 0 while there is anything to judge.
    calm_len: usize,
    /// The longest wait that the strategy grants at the moment, in microseconds.
    budget_us: u64,
    config: ShedConfig,
    cursor: &'c Cursor,
    workers: i32,
    controller: Controller,
    model: Option<Model>,
    load: Load,
    sample: Option<Sample>,
    /// Whether the queue counts as nearly full.
    is_on: bool,
    arrivals: Arrivals,
    pace: Pace,
    starts: u32,
    wait_us: u64,
    slope: i64,
    salt: u64,
    ticked_at: Instant,
    interval_us: u64,
}

/// While it is not known how fast the queue moves, longer ones than this are looked at more closely.
const CALM_LEN_UNKNOWN: usize = 32;
/// Longer waits are alike to the model.
const MINUTE_US: u64 = 60_000_000;

impl<'c> Shedder<'c> {
    /// The shedder of one of `workers` that share `cursor`. `config` has passed [`ShedConfig::check`].
    pub fn new(config: ShedConfig, cursor: &'c Cursor, workers: usize, now: Instant) -> Self {
        let (target, budget) = match config.strategy {
            Strategy::Adaptive { target, .. } => (target, Duration::MAX),
            Strategy::Oldest { budget, .. } => (budget, budget),
            Strategy::Priority { .. } | Strategy::Random { .. } => (config.interval, Duration::MAX),
        };
        Self {
            calm_len: 0,
            budget_us: micros(budget),
            config,
            cursor,
            workers: workers.max(1) as i32,
            controller: Controller::new(target, config.interval),
            model: matches!(config.strategy, Strategy::Adaptive { predict: true, .. }).then(Model::default),
            load: Load::default(),
            sample: None,
            is_on: false,
            arrivals: Arrivals::new(),
            pace: Pace::default(),
            starts: 0,
            wait_us: 0,
            slope: 0,
            salt: level::salt_at(now),
            ticked_at: now,
            interval_us: micros(config.interval),
        }
    }

    /// Judges a request that is about to join the queue. `dice` is evenly spread over all 32-bit numbers.
    #[inline]
    pub fn admit(&mut self, arrival: &Arrival, queue: &Queue, dice: u32, now: Instant) -> Verdict {
        if queue.len() < self.calm_len {
            return Verdict::Admit;
        }
        self.judge(arrival, queue, dice, now)
    }

    /// By when an admitted request has to start: its own deadline, or what the strategy grants if that is earlier.
    #[inline]
    pub fn start_by(&self, deadline: Instant, now: Instant) -> Instant {
        deadline.min(Instant::from_micros(now.as_micros().saturating_add(self.budget_us)))
    }

    /// Counts a request that leaves the queue to be served.
    #[inline]
    pub fn observe_start(&mut self) {
        self.starts += 1;
    }

    /// What the model saw of the request that was judged last, if it was admitted and there is something to learn from it. To be
    /// kept with the request and given to [`Shedder::learn`]; to be dropped if the request was displaced.
    #[inline]
    pub fn take_sample(&mut self) -> Option<Sample> {
        self.sample.take()
    }

    /// Reports how a request ended: `missed` if it expired in the queue or was answered after its deadline.
    pub fn learn(&mut self, sample: &Sample, missed: bool) {
        if let Some(model) = &mut self.model {
            model.learn(sample, missed);
        }
    }

    /// What the model has to know beside the queue; once a turn.
    pub fn set_load(&mut self, load: Load) {
        self.load = load;
    }

    /// How well the model does; `None` without one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.model.as_ref().map(|model| &model.calibration)
    }

    /// Looks at the queue, if an interval is over and there is something to see. For each turn of the worker's loop.
    /// Says whether it was.
    #[inline]
    pub fn tick(&mut self, queue: &mut Queue, now: Instant) -> bool {
        if now.micros_since(self.ticked_at) < self.interval_us {
            return false;
        }
        if queue.is_empty() && self.wait_us == 0 && self.calm_len > 0 {
            // As calm as it can be, and as it was.
            (self.ticked_at, self.starts) = (now, 0);
            return false;
        }
        self.look(queue, now);
        true
    }

    /// Whether outcomes are of use to it: see [`Shedder::learn`].
    pub fn learns(&self) -> bool {
        self.model.is_some()
    }

    /// When [`Shedder::tick`] has to be called at the latest; `None` while there is nothing to judge.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.calm_len == 0).then(|| self.ticked_at.plus(self.config.interval))
    }

    /// What a newcomer would have had to wait at the last look, in microseconds.
    pub fn wait_us(&self) -> u64 {
        self.wait_us
    }

    /// Whether requests may be refused for another reason than a full queue.
    pub fn is_shedding(&self) -> bool {
        self.is_on || !self.cursor.is_open()
    }

    #[inline(never)]
    fn judge(&mut self, arrival: &Arrival, queue: &Queue, dice: u32, now: Instant) -> Verdict {
        let (len, capacity) = (queue.len(), queue.capacity());
        let level = level::level_of(arrival.class, arrival.client, self.salt);
        self.arrivals.record(level);
        let refused = match self.config.strategy {
            Strategy::Priority { fullness, class_percent } => {
                self.is_on = fullness.next(self.is_on, len, capacity);
                let is_refused =
                    self.is_on && priority::is_refused(arrival.class, &class_percent, len, capacity);
                (is_refused || !self.cursor.cut().admits(level, dice as u16)).then_some(ShedReason::Level)
            }
            Strategy::Random { fullness, refuse_percent } => {
                self.is_on = fullness.next(self.is_on, len, capacity);
                let is_refused = self.is_on
                    && arrival.class != Class::System
                    && random::is_refused(refuse_percent, dice as u16);
                is_refused.then_some(ShedReason::Chance)
            }
            Strategy::Oldest { .. } => None,
            Strategy::Adaptive { target, queue_min, .. } => {
                let len_ahead = queue.len_ahead(arrival.class);
                let is_refused = !self.cursor.cut().admits(level, dice as u16)
                    && len_ahead >= usize::from(queue_min)
                    && !adaptive::is_free(self.pace.wait_us(len_ahead), target);
                is_refused.then_some(ShedReason::Level)
            }
        };
        let wait = self.wait_ahead(arrival.class, queue);
        let is_doomed = now.plus(wait) > self.start_by(arrival.deadline, now);
        let refused = refused.or(is_doomed.then_some(ShedReason::Doomed));
        let refused = match self.model.is_some() {
            true => self.predict(arrival, wait, refused, dice, now),
            false => refused,
        };
        if let Some(reason) = refused {
            return Verdict::Refuse(reason);
        }
        if len < capacity {
            return Verdict::Admit;
        }
        if queue.len_ahead(arrival.class) < len {
            return Verdict::Displace;
        }
        self.sample = None;
        Verdict::Refuse(ShedReason::Full)
    }

    /// Asks the model too, and lets some of those pass that would be refused; their sample is kept for [`Shedder::take_sample`].
    fn predict(
        &mut self,
        arrival: &Arrival,
        wait: Duration,
        refused: Option<ShedReason>,
        dice: u32,
        now: Instant,
    ) -> Option<ShedReason> {
        self.sample = None;
        // Without a deadline there is nothing to miss.
        let Some(model) = self.model.as_ref().filter(|_| arrival.deadline < Instant::NEVER) else {
            return refused;
        };
        let outlook = Outlook {
            wait_us: micros(wait),
            slope: self.slope,
            class: arrival.class.index() as i64,
            service_us: arrival.service_us.into(),
            body_len: arrival.body_len,
            deadline: arrival.deadline,
            load: self.load,
        };
        let sample = model.sample(&outlook, now);
        let is_late = arrival.class != Class::System && model.refuses(&sample);
        let refused = refused.or(is_late.then_some(ShedReason::Predicted));
        if refused.is_some() && !(dice >> 16).is_multiple_of(EXPLORED) {
            return refused;
        }
        self.sample = Some(if refused.is_some() { sample.explored() } else { sample });
        None
    }

    /// How long a newcomer of a class is about to wait: for all of its class and above, or for none while the newest go first.
    fn wait_ahead(&self, class: Class, queue: &Queue) -> Duration {
        match queue.order() {
            super::Order::Fifo => Duration::from_micros(self.pace.wait_us(queue.len_ahead(class))),
            super::Order::Lifo => Duration::ZERO,
        }
    }

    #[inline(never)]
    fn look(&mut self, queue: &mut Queue, now: Instant) {
        let elapsed = now.since(self.ticked_at);
        if queue.standing_since().is_some_and(|since| since <= self.ticked_at) {
            self.pace.record(self.starts, elapsed);
        }
        self.starts = 0;
        self.ticked_at = now;
        self.salt = level::salt_at(now);
        let last = core::mem::replace(&mut self.wait_us, self.pace.wait_us(queue.len()));
        if let Strategy::Adaptive { target, .. } = self.config.strategy {
            let grown = self.wait_us.min(MINUTE_US) as i64 - last.min(MINUTE_US) as i64;
            self.slope = grown * 256 / adaptive::set_point_us(target) as i64;
        }
        let (len, capacity) = (queue.len(), queue.capacity());
        let change = match self.config.strategy {
            Strategy::Priority { fullness, .. } => {
                self.is_on = fullness.next(self.is_on, len, capacity);
                priority::change(self.is_on)
            }
            Strategy::Random { fullness, .. } => {
                self.is_on = fullness.next(self.is_on, len, capacity);
                0
            }
            Strategy::Oldest { standing, budget, budget_standing } => {
                let is_standing = oldest::is_standing(queue, standing, now);
                queue.set_order(oldest::order(is_standing));
                self.budget_us = micros(if is_standing { budget_standing } else { budget });
                0
            }
            Strategy::Adaptive { .. } => self.controller.change(self.wait_us, elapsed),
        };
        let change = change / self.workers;
        if change > 0 || change < 0 && !self.cursor.is_open() {
            self.cursor.update(change, &self.arrivals);
        }
        self.calm_len = if self.is_shedding() { 0 } else { self.calm_len_of(capacity) };
        if len < self.calm_len {
            self.arrivals.clear();
        }
    }

    /// Up to which length the queue need not be looked at, while nobody is shed.
    fn calm_len_of(&self, capacity: usize) -> usize {
        match self.config.strategy {
            Strategy::Priority { fullness, .. } | Strategy::Random { fullness, .. } => {
                config::len_at(fullness.on_percent, capacity)
            }
            Strategy::Oldest { .. } => capacity,
            Strategy::Adaptive { target, .. } => {
                let known = self.pace.starts_within(adaptive::set_point_us(target) / 2);
                // At least one: who comes to an empty queue waits for nobody.
                capacity.min(known.map_or(CALM_LEN_UNKNOWN, |starts| starts.max(1) as usize))
            }
        }
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::admission::{QueueNode, Seed};
    use std::vec::Vec;

    const TICK: Duration = Duration::from_millis(10);

    fn queue(capacity: usize) -> Queue {
        Queue::new(std::vec![QueueNode::FREE; capacity].leak(), Duration::from_secs(10))
    }

    fn shedder(strategy: Strategy, cursor: &Cursor) -> Shedder<'_> {
        Shedder::new(ShedConfig { strategy, ..ShedConfig::PRESET }, cursor, 1, Instant::ZERO)
    }

    fn arrival(class: Class, client: u32) -> Arrival {
        let client = ClientKey::of_address(core::net::Ipv4Addr::from(client).into(), Seed(1, 2));
        Arrival { class, client, deadline: Instant::NEVER, service_us: 0, body_len: 0 }
    }

    /// Of a hundred clients that send one request of each class: how many of each are admitted.
    fn admitted(shedder: &mut Shedder, queue: &Queue, now: Instant) -> [usize; Class::COUNT] {
        let mut counts = [0; Class::COUNT];
        for client in 0..100 {
            for class in Class::ALL {
                let verdict = shedder.admit(&arrival(class, client), queue, client << 9, now);
                counts[class.index()] += usize::from(!matches!(verdict, Verdict::Refuse(_)));
            }
        }
        counts
    }

    fn fill(queue: &mut Queue, class: Class, len: usize, now: Instant) {
        while queue.len() < len {
            queue.push(0, class, now).unwrap();
        }
    }

    #[test]
    fn priority_refuses_by_class_from_90_percent_until_70() {
        let (cursor, mut queue, now) = (Cursor::new(), queue(100), Instant::from_millis(500));
        let mut shedder = shedder(Strategy::PRIORITY, &cursor);
        let mut table = Vec::new();
        for len in [0, 80, 89, 90, 95] {
            fill(&mut queue, Class::Normal, len, now);
            table.push(admitted(&mut shedder, &queue, now));
        }
        for len in [80, 70, 69] {
            while queue.len() > len {
                queue.pop();
            }
            table.push(admitted(&mut shedder, &queue, now));
        }
        let all = [100; 6];
        assert_eq!(
            table,
            [
                all,
                all,
                all,
                [100, 100, 0, 0, 0, 0],
                [100, 0, 0, 0, 0, 0],
                [100, 100, 100, 0, 0, 0],
                [100, 100, 100, 100, 0, 0],
                all,
            ]
        );
    }

    #[test]
    fn priority_moves_its_cursor_down_while_it_is_on_and_up_when_it_is_off() {
        let (cursor, mut queue, mut now) = (Cursor::new(), queue(100), Instant::from_millis(500));
        let mut shedder = shedder(Strategy::PRIORITY, &cursor);
        fill(&mut queue, Class::Normal, 90, now);
        shedder.tick(&mut queue, now);
        assert_eq!(cursor.admitted_ppm(), 952_391, "5 % fewer");
        assert!(shedder.poll_timeout().is_some(), "it has to be looked at again");
        for _ in 0..9 {
            admitted(&mut shedder, &queue, now);
            now = now.plus(TICK);
            shedder.tick(&mut queue, now);
        }
        assert!((610_000..618_000).contains(&cursor.admitted_ppm()), "{}", cursor.admitted_ppm());
        while queue.len() > 10 {
            queue.pop();
        }
        // Each class came equally often: a share of 62 % is the first three, and three quarters of normal.
        let now_admitted = admitted(&mut shedder, &queue, now);
        assert_eq!(now_admitted[..3], [100; 3]);
        assert!((55..85).contains(&now_admitted[3]), "some cohorts of the normal class: {now_admitted:?}");
        assert_eq!(now_admitted[4..], [0; 2]);
        assert_eq!(now_admitted, admitted(&mut shedder, &queue, now), "the same clients again");
        let mut looks = 0;
        while shedder.is_shedding() {
            now = now.plus(TICK);
            shedder.tick(&mut queue, now);
            looks += 1;
        }
        assert!((40..60).contains(&looks), "1 % each: {looks}");
        assert_eq!((admitted(&mut shedder, &queue, now), shedder.poll_timeout()), ([100; 6], None));
    }

    #[test]
    fn random_refuses_its_share_of_all_classes_but_system() {
        let (cursor, mut queue, now) = (Cursor::new(), queue(100), Instant::from_millis(500));
        let mut shedder = shedder(Strategy::RANDOM, &cursor);
        fill(&mut queue, Class::Batch, 89, now);
        assert_eq!(admitted(&mut shedder, &queue, now), [100; 6]);
        fill(&mut queue, Class::Batch, 90, now);
        // The dice of `admitted` are 0, 512, 1024…: 64 of a hundred lie below half of 65,536.
        assert_eq!(admitted(&mut shedder, &queue, now), [100, 36, 36, 36, 36, 36]);
        let verdict = shedder.admit(&arrival(Class::Critical, 1), &queue, 0, now);
        assert_eq!(verdict, Verdict::Refuse(ShedReason::Chance));
    }

    #[test]
    fn oldest_shortens_the_wait_and_turns_the_order_while_the_queue_stands() {
        use crate::admission::Order;
        let (cursor, mut queue, start) = (Cursor::new(), queue(100), Instant::from_millis(500));
        let mut shedder = shedder(Strategy::OLDEST, &cursor);
        let mut table = Vec::new();
        let mut look = |queue: &mut Queue, ms| {
            let now = start.plus(Duration::from_millis(ms));
            shedder.tick(queue, now);
            table.push((ms, queue.order(), shedder.start_by(Instant::NEVER, now).since(now).as_millis()));
        };
        look(&mut queue, 0);
        fill(&mut queue, Class::Low, 3, start);
        look(&mut queue, 100);
        look(&mut queue, 110);
        queue.pop();
        look(&mut queue, 120);
        while queue.pop().is_some() {}
        look(&mut queue, 130);
        fill(&mut queue, Class::Low, 3, start.plus(Duration::from_millis(135)));
        look(&mut queue, 200);
        look(&mut queue, 240);
        assert_eq!(
            table,
            [
                (0, Order::Fifo, 100),
                (100, Order::Fifo, 100),
                (110, Order::Lifo, 5),
                (120, Order::Lifo, 5),
                (130, Order::Fifo, 100),
                (200, Order::Fifo, 100),
                (240, Order::Lifo, 5),
            ]
        );
    }

    #[test]
    fn a_full_queue_takes_nobody_unless_somebody_less_important_gives_way() {
        for strategy in [Strategy::PRIORITY, Strategy::RANDOM, Strategy::OLDEST, Strategy::ADAPTIVE] {
            let (cursor, mut queue, now) = (Cursor::new(), queue(4), Instant::from_millis(500));
            let mut shedder = shedder(strategy, &cursor);
            shedder.tick(&mut queue, now);
            fill(&mut queue, Class::High, 3, now);
            fill(&mut queue, Class::Normal, 4, now);
            let verdict = shedder.admit(&arrival(Class::System, 1), &queue, u32::MAX, now);
            assert_eq!(verdict, Verdict::Displace, "{strategy:?}");
            assert_eq!(queue.displace(Class::System).map(|victim| victim.class), Some(Class::Normal));
            fill(&mut queue, Class::System, 4, now);
            while queue.displace(Class::System).is_some() {
                queue.push(0, Class::System, now).unwrap();
            }
            let verdict = shedder.admit(&arrival(Class::System, 1), &queue, u32::MAX, now);
            assert_eq!(verdict, Verdict::Refuse(ShedReason::Full), "{strategy:?}");
        }
    }

    #[test]
    fn who_would_start_after_its_deadline_is_refused_at_once() {
        let (cursor, mut queue, start) = (Cursor::new(), queue(100), Instant::from_millis(500));
        let mut shedder = shedder(Strategy::OLDEST, &cursor);
        fill(&mut queue, Class::Normal, 80, start);
        // Ten starts in 10 ms: a millisecond each.
        shedder.tick(&mut queue, start);
        for _ in 0..10 {
            shedder.observe_start();
        }
        let now = start.plus(TICK);
        shedder.tick(&mut queue, now);
        assert_eq!(shedder.wait_us(), 80_000);
        let within = |ms| now.plus(Duration::from_millis(ms));
        let mut judge =
            |class, deadline| shedder.judge(&Arrival { deadline, ..arrival(class, 1) }, &queue, 0, now);
        assert_eq!(judge(Class::Normal, within(79)), Verdict::Refuse(ShedReason::Doomed));
        assert_eq!(judge(Class::Normal, within(80)), Verdict::Admit);
        assert_eq!(judge(Class::High, within(1)), Verdict::Admit, "nobody is before it");
        fill(&mut queue, Class::Normal, 100, now);
        let verdict = shedder.judge(&arrival(Class::Low, 1), &queue, 0, now);
        assert_eq!(verdict, Verdict::Refuse(ShedReason::Full), "100 ms is just what the strategy grants");
    }

    #[test]
    fn workers_together_do_what_one_would() {
        let (cursor, now) = (Cursor::new(), Instant::from_millis(500));
        let config = ShedConfig { strategy: Strategy::PRIORITY, ..ShedConfig::PRESET };
        for _ in 0..4 {
            let mut queue = queue(10);
            fill(&mut queue, Class::Normal, 10, now);
            Shedder::new(config, &cursor, 4, Instant::ZERO).tick(&mut queue, now);
        }
        assert!((951_000..953_000).contains(&cursor.admitted_ppm()), "{}", cursor.admitted_ppm());
    }
}
