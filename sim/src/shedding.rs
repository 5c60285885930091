//! A small plant for controllers of load: requests in, a queue, a number of handlers, answers out; in steps of 50 µs of
//! virtual time. One seed, one run.

use std::net::Ipv4Addr;

use pivot_core::admission::shed::Verdict;
use pivot_core::admission::{
    Arrival, Class, ClientKey, Entry, Load, Queue, QueueNode, Sample, Seed, ShedReason, Shedder,
};
use pivot_core::time::{Duration, Instant, micros};

const STEP: Duration = Duration::from_micros(50);
const CLIENTS: u64 = 1_000;

/// What decides about the plant's queue.
pub trait Judge {
    /// Looks at the queue; once in every step.
    fn tick(&mut self, queue: &mut Queue, now: Instant);
    /// Judges a request, and says by when it has to start.
    fn admit(&mut self, request: &Request, queue: &Queue, dice: u32, now: Instant) -> (Verdict, Instant);
    /// A request starts.
    fn handle_start(&mut self, waited: Duration);
    /// What it wants to be told of the outcome of the request that was judged last.
    fn take_sample(&mut self) -> Option<Sample> {
        None
    }
    /// A request that it has a sample of ended.
    fn learn(&mut self, _: &Sample, _missed: bool) {}
    /// What it may know beside the queue.
    fn set_load(&mut self, _: Load) {}
}

impl Judge for Shedder<'_> {
    fn tick(&mut self, queue: &mut Queue, now: Instant) {
        Shedder::tick(self, queue, now);
    }

    fn admit(&mut self, request: &Request, queue: &Queue, dice: u32, now: Instant) -> (Verdict, Instant) {
        let Request { class, client, deadline, .. } = *request;
        let service_us = micros(request.usual_service) as u32;
        let arrival = Arrival { class, client, deadline, service_us, body_len: 0 };
        (Shedder::admit(self, &arrival, queue, dice, now), self.start_by(request.deadline, now))
    }

    fn handle_start(&mut self, _: Duration) {
        self.observe_start();
    }

    fn take_sample(&mut self) -> Option<Sample> {
        Shedder::take_sample(self)
    }

    fn learn(&mut self, sample: &Sample, missed: bool) {
        Shedder::learn(self, sample, missed);
    }

    fn set_load(&mut self, load: Load) {
        Shedder::set_load(self, load);
    }
}

/// Handlers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// How many of its requests there are, beside those of other routes.
    pub weight: u64,
    /// How long its handler takes at a moment.
    pub service: fn(Instant) -> Duration,
}

/// The plant's numbers.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Handlers that run at once.
    pub handlers: usize,
    /// Places in the queue.
    pub places: usize,
    /// Longest wait in the queue.
    pub wait_max: Duration,
    /// A client wants its answer within this time.
    pub patience: Duration,
    /// What handlers do.
    pub routes: Vec<Route>,
    /// How many requests of each class there are, beside those of other classes.
    pub classes: [u64; Class::COUNT],
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// When it came.
    pub came: Instant,
    /// Its class.
    pub class: Class,
    /// Whose it is.
    pub client: ClientKey,
    /// When its client gives up.
    pub deadline: Instant,
    /// Its route.
    pub route: usize,
    /// How long handlers of its route took lately: a moving average.
    pub usual_service: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Answered while its client waited.
    Good,
    /// Answered, but too late.
    Late,
    /// Waited in the queue until its time was over.
    Expired,
    /// Refused when it came.
    Refused(ShedReason),
    /// Gave way to a more important one.
    Displaced,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The request.
    pub request: Request,
    /// How long it was in the queue; of those that started.
    pub waited: Option<Duration>,
    /// From its coming to its end.
    pub took: Duration,
    /// How it ended.
    pub end: End,
}

/// A plant in motion.
pub struct Plant<J> {
    /// What decides.
    pub judge: J,
    /// Everything that has ended, in the order of ends.
    pub records: Vec<Record>,
    setup: Setup,
    queue: Queue,
    requests: Vec<(Request, Option<Sample>)>,
    /// A moving average for each route.
    usual: Vec<Duration>,
    running: Vec<(Instant, usize, Duration)>,
    now: Instant,
    next: f64,
    random: u64,
}

impl<J: Judge> Plant<J> {
    /// A plant at rest.
    pub fn new(setup: Setup, judge: J, seed: u64) -> Self {
        let queue = Queue::new(vec![QueueNode::FREE; setup.places].leak(), setup.wait_max);
        let usual = setup.routes.iter().map(|route| (route.service)(Instant::ZERO)).collect();
        let (requests, running, records) = (Vec::new(), Vec::new(), Vec::new());
        let random = seed.wrapping_mul(2).wrapping_add(1);
        Self { judge, records, setup, queue, requests, usual, running, now: Instant::ZERO, next: 0.0, random }
    }

    /// The moment that the plant has come to.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Requests a second that all handlers together can answer at the moment.
    pub fn capacity(&self) -> f64 {
        let weights: u64 = self.setup.routes.iter().map(|route| route.weight).sum();
        let work = |route: &Route| route.weight as f64 * (route.service)(self.now).as_secs_f64();
        let mean = self.setup.routes.iter().map(work).sum::<f64>() / weights as f64;
        self.setup.handlers as f64 / mean
    }

    /// How long those that wait now will take to start, if nobody more comes.
    pub fn backlog(&self) -> Duration {
        Duration::from_secs_f64(self.queue.len() as f64 / self.capacity())
    }

    /// Runs for `time`, with this many requests a second that come by chance (a Poisson process).
    pub fn run(&mut self, rate: f64, time: Duration) {
        let until = self.now.plus(time);
        self.next = self.next.max(self.now.as_micros() as f64);
        while self.now < until {
            self.step(rate);
            self.now = self.now.plus(STEP);
        }
    }

    /// The records of requests that came in a span of time.
    pub fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Record> + Clone {
        self.records.iter().filter(move |record| record.request.came >= from && record.request.came < to)
    }

    fn step(&mut self, rate: f64) {
        let now = self.now;
        while let Some(index) = self.running.iter().position(|(end, ..)| *end <= now) {
            let (end, item, waited) = self.running.swap_remove(index);
            let is_late = end > self.requests[item].0.deadline;
            self.finish(item, Some(waited), end, if is_late { End::Late } else { End::Good });
        }
        self.judge.tick(&mut self.queue, now);
        while let Some(entry) = self.queue.pop_expired(now) {
            self.finish(entry.item as usize, None, now, End::Expired);
        }
        self.start();
        while self.next <= now.as_micros() as f64 {
            self.arrive();
            self.start();
            self.next -= (1.0 - self.fraction()).ln() / rate * 1e6;
        }
    }

    fn start(&mut self) {
        while self.running.len() < self.setup.handlers
            && let Some(Entry { item, since, .. }) = self.queue.pop()
        {
            let waited = self.now.since(since);
            self.judge.handle_start(waited);
            let service = (self.setup.routes[self.requests[item as usize].0.route].service)(self.now);
            self.running.push((self.now.plus(service), item as usize, waited));
        }
    }

    fn arrive(&mut self) {
        let class = Class::ALL[self.pick(&self.setup.classes.clone())];
        let weights: Vec<u64> = self.setup.routes.iter().map(|route| route.weight).collect();
        let route = self.pick(&weights);
        let address = Ipv4Addr::from((self.dice() % CLIENTS) as u32);
        let client = ClientKey::of_address(address.into(), Seed(1, 2));
        let deadline = self.now.plus(self.setup.patience);
        let usual_service = self.usual[route];
        let request = Request { came: self.now, class, client, deadline, route, usual_service };
        let item = self.requests.len();
        let dice = self.dice() as u32;
        let handlers = self.setup.handlers as u32;
        let running = self.running.len() as u32;
        let load =
            Load { running, running_max: handlers, pool_free: handlers - running, pool_size: handlers };
        self.judge.set_load(load);
        let (verdict, start_by) = self.judge.admit(&request, &self.queue, dice, self.now);
        self.requests.push((request, self.judge.take_sample()));
        match verdict {
            Verdict::Refuse(reason) => return self.finish(item, None, self.now, End::Refused(reason)),
            Verdict::Displace => {
                let victim = self.queue.displace(class).expect("somebody less important waits");
                self.finish(victim.item as usize, None, self.now, End::Displaced);
            }
            Verdict::Admit => {}
        }
        self.queue.push_by(item as u32, class, start_by, self.now).expect("the hard cap has looked");
    }

    fn finish(&mut self, item: usize, waited: Option<Duration>, at: Instant, end: End) {
        let (request, sample) = self.requests[item];
        let took = at.since(request.came);
        if let Some(waited) = waited {
            let usual = &mut self.usual[request.route];
            *usual = (*usual * 15 + (took - waited)) / 16;
        }
        if let (Some(sample), End::Good | End::Late | End::Expired) = (sample, end) {
            self.judge.learn(&sample, end != End::Good);
        }
        self.records.push(Record { request, waited, took, end });
    }

    fn pick(&mut self, weights: &[u64]) -> usize {
        let mut dice = self.dice() % weights.iter().sum::<u64>();
        for (index, weight) in weights.iter().enumerate() {
            if dice < *weight {
                return index;
            }
            dice -= weight;
        }
        unreachable!("the dice is less than the sum of all weights")
    }

    fn fraction(&mut self) -> f64 {
        (self.dice() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn dice(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// The share of these that ended well; 1 if there are none.
pub fn goodput<'r>(records: impl Iterator<Item = &'r Record>) -> f64 {
    let (mut good, mut all) = (0.0, 0.0);
    for record in records {
        all += 1.0;
        good += f64::from(u8::from(record.end == End::Good));
    }
    if all == 0.0 { 1.0 } else { good / all }
}

/// The time that a share `quantile` of these did not exceed, in milliseconds; 0 if there are none.
pub fn quantile_ms(times: impl Iterator<Item = Duration>, quantile: f64) -> f64 {
    let mut sorted: Vec<u64> = times.map(micros).collect();
    sorted.sort_unstable();
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(0.0, |us| *us as f64 / 1e3)
}
