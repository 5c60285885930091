//! How many requests a client may make, in memory that is fixed at start.
//!
//! # What it protects against
//!
//! One client that takes what others need: by mistake (a loop without a pause), by greed, or on purpose. It does not protect against
//! many clients that each keep to their quota (that is what load shedding is for), nor against connections that send nothing.
//!
//! A flood of new keys costs no memory, and does not make the limiter forget anybody that it knows: who owes something
//! keeps his cell, and who came within the last period does, too. Newcomers that find their set full share a [sketch]: it
//! can be too strict with them while the flood lasts, never too lenient.
//!
//! # How requests are counted
//!
//! | [`Algorithm`] | state of a key | at once | in any period | wrong by at most |
//! |---|---|---|---|---|
//! | `Gcra` (default) | 8 bytes: an arrival time | `burst` | `count + burst` | the rate is up to 2 % lower above 1,000,000 a second, less below |
//! | `FixedWindow` | 8 bytes: window and count | `count` | `2 × count` around a window's end | exact |
//! | `SlidingLog` | 8 bytes: up to 8 moments | `count` ≤ 8 | `count` | an entry lasts up to 1/14 of a period longer (of 8), 1/455 (of 4) |
//! | `SlidingCounter` | 8 bytes: window, two counts | `count` | mostly `count`, up to `2 × count` if crowded at a window's end | exact as an estimate |
//! | `TokenBucket` | 8 bytes: tokens and a moment | `burst` ≤ 512 | `count + burst` | the rate is up to 2 % lower; tokens are whole |
//! | `LeakyBucket` | 8 bytes: level and a moment | `burst` ≤ 512 | `count + burst` | the rate is up to 2 % lower |
//!
//! GCRA and both buckets admit the same; take GCRA, unless somebody has to be told about tokens. Take the log for few and dear
//! requests (five logins in a quarter of an hour), a window where a contract says "a day", the counter for "100 in any minute, about".
//!
//! # Knobs
//!
//! | | unit | default | range |
//! |---|---|---|---|
//! | [`Quota`] `count` | requests | 100 | see [`Quota::with`] |
//! | `per` | time | 60 s | 1 ms – 1 day; 1 s – 1 day for all but GCRA |
//! | `burst` | requests | 10 | 1 – what is earned in a day |
//! | `clients` of [`RateLimiter::sets_for`] | clients | by profile | any; 64 bytes for each seven, up to the next power of two, and a quarter more |
//! | limits of a [`Policy`] | limits | – | 1 – 4 |
//!
//! # What it costs
//!
//! A charge by GCRA is some seventy instructions and touches one cache line of the table; hashing an address is some ninety more, and
//! [`ClientKey`] can be kept with a connection. The other algorithms divide, and take longer. Clocks may be set: forwards it is as if time had
//! passed; back, clients get at most a burst each more, and nobody waits longer than his quota takes to forget two bursts.
//!
//! Two workers that let the same unknown client in at the same moment, while a third takes the cell that both had in view, may
//! count one request of it less.
//!
//! # When not to use it
//!
//! For requests that are known and few, a [`RateCell`] of one's own is a single word. For a quota that holds across machines
//! it takes a ledger that they share. For "at most so many at the same time", permits are what is meant.
//!
//! # Examples
//!
//! ```
//! use pivot_core::admission::{ClientKey, Quota, RateLimiter, RateSet, Seed};
//! use pivot_core::time::{Duration, Instant};
//!
//! let sets: Vec<RateSet> = (0..RateLimiter::sets_for(1_000)).map(|_| RateSet::new()).collect();
//! let limiter = RateLimiter::new(&sets, Quota::new(100, Duration::from_secs(60), 10)?);
//! let client = ClientKey::of_address("192.0.2.1".parse()?, Seed(1, 2));
//! let now = Instant::from_millis(1);
//! assert!((0..10).all(|_| limiter.charge(client, 1, now).is_ok()));
//! assert_eq!(limiter.charge(client, 1, now), Err(now.plus(Duration::from_millis(600))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [sketch]: https://en.wikipedia.org/wiki/Count%E2%80%93min_sketch

use super::key::ClientKey;
use crate::sync::{AtomicU64, Ordering, is_mutant};
use crate::time::Instant;

mod fields;
mod fixed_window;
mod gcra;
mod key_table;
mod leaky_bucket;
mod live;
mod policy;
mod quota;
mod sketch;
mod sliding_counter;
mod sliding_log;
mod spec;
mod token_bucket;

pub use fields::FIELD_LEN_MAX;
pub use gcra::RateCell;
pub use key_table::RateSet;
pub use policy::{LIMITS_MAX, Limit, Policy, PolicyError, Verdict};
pub use quota::{Algorithm, Quota, QuotaError};
pub use sliding_log::LOG_MAX;
pub use spec::{LimitBy, LimitSpec};

use key_table::{Place, WAYS};
use live::LiveQuota;
use quota::{FRACTION, fine};
use sketch::Sketch;

/// Quotas of many clients, in memory that was fixed at start. Shared by all workers.
#[derive(Debug)]
pub struct RateLimiter<'s> {
    sets: &'s [RateSet],
    sketch: Sketch<'s>,
    quota: LiveQuota,
}

/// How a client stands to its quota after a charge or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The quota that was in force.
    pub quota: Quota,
    /// Requests that would pass at once.
    pub remaining: u32,
    /// When the whole quota will be there again.
    pub reset: Instant,
    /// `None` if the charge passed, otherwise the moment from which it would; [`Instant::NEVER`] for a cost above the burst.
    pub retry_at: Option<Instant>,
}

impl Decision {
    /// Whether the charge passed.
    pub const fn is_admitted(&self) -> bool {
        self.retry_at.is_none()
    }
}

impl<'s> RateLimiter<'s> {
    /// A limiter that gives each client `quota`.
    ///
    /// # Panics
    /// If the number of sets is not one that [`RateLimiter::sets_for`] gives.
    pub fn new(sets: &'s [RateSet], quota: Quota) -> Self {
        // The sketch has a quarter of the table's sets, and at least one.
        let table_len = if sets.is_empty() { 0 } else { 1 << sets.len().ilog2() };
        assert!(
            table_len >= 2 && sets.len() == table_len + sketch_sets(table_len),
            "sets_for tells the count"
        );
        let (table, sketch) = sets.split_at(table_len);
        Self { sets: table, sketch: Sketch::new(sketch), quota: LiveQuota::new(quota) }
    }

    /// The number of sets for about `clients` clients, sketch included.
    ///
    /// Clients fall into sets by chance. With a few times as many cells as clients at a time, hardly a set is ever full.
    pub const fn sets_for(clients: usize) -> usize {
        let table = clients.div_ceil(WAYS).next_power_of_two();
        let table = if table < 2 { 2 } else { table };
        table + sketch_sets(table)
    }

    /// What each client may do now.
    pub fn quota(&self) -> Quota {
        self.quota.read()
    }

    /// Puts another quota in force, for all workers and from the next charge on.
    ///
    /// GCRA clients keep what they owe, unless it is more than the new quota's burst or one of the two periods is over four minutes and
    /// the other is not. In these cases, and when the algorithm or the numbers of another algorithm change, clients
    /// begin anew, each with a burst. Returns `false`, and does nothing, if another change is under way.
    #[must_use]
    pub fn set_quota(&self, quota: Quota) -> bool {
        self.quota.change(quota)
    }

    /// Charges `cost` requests to a client.
    ///
    /// # Errors
    /// The moment from which the same charge would pass, if nobody charges the client meanwhile; never for a cost above the burst.
    #[inline]
    pub fn charge(&self, key: ClientKey, cost: u32, now: Instant) -> Result<(), Instant> {
        // The common case: GCRA, a set of this era, a client where it was put. Everything else is a call away.
        let (quota, moment) = (self.quota.read_hot(), fine(now));
        let (set, tag, first) = self.place(key);
        let cell = &set.words[first];
        let word = cell.load(Ordering::Relaxed);
        if quota.algorithm_is_gcra() && set.is_of(quota.era(moment)) && word >> STATE_BITS == tag {
            match gcra::next(quota.pace, quota.shift(), word & STATE_MASK, cost, moment) {
                Ok(state) if swap(cell, word, tag << STATE_BITS | state) => return Ok(()),
                Ok(_) => {}
                Err(wait) if quota.pace.can_ever(cost) => return Err(after(now, wait)),
                Err(_) => return Err(Instant::NEVER),
            }
        }
        self.charge_elsewhere(key, cost, now)
    }

    #[cold]
    fn charge_elsewhere(&self, key: ClientKey, cost: u32, now: Instant) -> Result<(), Instant> {
        let quota = self.quota.read();
        self.step(&quota, key, cost, fine(now)).map_err(|wait| retry_at(&quota, cost, wait, now))
    }

    /// Charges like [`RateLimiter::charge`], and says how the client stands afterwards.
    pub fn decide(&self, key: ClientKey, cost: u32, now: Instant) -> Decision {
        let quota = self.quota.read();
        let charged = self.step(&quota, key, cost, fine(now));
        decision(&quota, cost, charged.err(), &self.standing(&quota, key, fine(now)), now)
    }

    /// What [`RateLimiter::decide`] would say, without charging.
    pub fn check(&self, key: ClientKey, cost: u32, now: Instant) -> Decision {
        let quota = self.quota.read();
        let moment = fine(now);
        let (set, tag, first) = self.place(key);
        set.turn(&quota, moment);
        let next = |state| quota.next(state, cost, moment).err();
        let of_sketch = || self.sketch.standing(key.bits(), &quota, moment);
        let (wait, standing) = match set.look(&quota, tag, first, moment) {
            Place::Known(_, word) => (next(word & STATE_MASK), quota.standing(word & STATE_MASK, moment)),
            Place::Free(..) if self.sketch.is_idle(key.bits(), &quota, moment) => {
                (next(quota.fresh(moment)), of_sketch())
            }
            _ => (self.sketch.check(key.bits(), &quota, cost, moment).err(), of_sketch()),
        };
        decision(&quota, cost, wait, &standing, now)
    }

    /// How a client stands after a charge.
    fn standing(&self, quota: &Quota, key: ClientKey, moment: u64) -> Standing {
        let (set, tag, first) = self.place(key);
        match set.look(quota, tag, first, moment) {
            Place::Known(_, word) => quota.standing(word & STATE_MASK, moment),
            _ => self.sketch.standing(key.bits(), quota, moment),
        }
    }

    /// A client's set, its tag there, and where in the set to look first.
    #[inline]
    fn place(&self, key: ClientKey) -> (&'s RateSet, u64, usize) {
        let bits = key.bits();
        let first = (bits >> 32) as usize & WAYS;
        (&self.sets[bits as usize & (self.sets.len() - 1)], (bits >> STATE_BITS).max(1), first.max(1))
    }

    /// One charge; an error is how long to wait, in fine units.
    fn step(&self, quota: &Quota, key: ClientKey, cost: u32, now: u64) -> Result<(), u64> {
        let (set, tag, first) = self.place(key);
        set.turn(quota, now);
        loop {
            let (cell, word, state) = match set.look(quota, tag, first, now) {
                Place::Known(cell, word) => (cell, word, word & STATE_MASK),
                // Who owes the sketch something stays there until that is settled: moving does not make debts go away.
                Place::Free(cell, word) if self.sketch.is_idle(key.bits(), quota, now) => {
                    (cell, word, quota.fresh(now))
                }
                _ => return self.sketch.charge(key.bits(), quota, cost, now),
            };
            if swap(cell, word, tag << STATE_BITS | quota.next(state, cost, now)?) {
                return Ok(());
            }
        }
    }
}

/// Changes a cell's word if it is still the same.
#[inline]
fn swap(cell: &AtomicU64, word: u64, next: u64) -> bool {
    if is_mutant("rate_blind_store") {
        cell.store(next, Ordering::Relaxed);
        return true;
    }
    // Relaxed: a cell publishes nothing but itself.
    cell.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// The transitions of all algorithms, as one: pure functions of 40 bits of state. Times are in fine units.
impl Quota {
    /// The state after a charge, or how long to wait.
    #[inline]
    fn next(&self, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
        match self.algorithm {
            Algorithm::Gcra => gcra::next(self.pace(), self.shift, state, cost, now),
            Algorithm::FixedWindow => fixed_window::next(self, state, cost, now),
            Algorithm::SlidingLog => sliding_log::next(self, state, cost, now),
            Algorithm::SlidingCounter => sliding_counter::next(self, state, cost, now),
            Algorithm::TokenBucket => token_bucket::next(self, state, cost, now),
            Algorithm::LeakyBucket => leaky_bucket::next(self, state, cost, now),
        }
    }

    /// The state of a client that was never seen.
    fn fresh(&self, now: u64) -> u64 {
        if let Algorithm::Gcra = self.algorithm { gcra::fresh(self, now) } else { 0 }
    }

    /// For how long a state has been like that of a client that was never seen; `None` if it is not.
    fn idle_for(&self, state: u64, now: u64) -> Option<u64> {
        match self.algorithm {
            Algorithm::Gcra => gcra::idle_for(self, state, now),
            Algorithm::FixedWindow => fixed_window::idle_for(self, state, now),
            Algorithm::SlidingLog => sliding_log::idle_for(self, state, now),
            Algorithm::SlidingCounter => sliding_counter::idle_for(self, state, now),
            Algorithm::TokenBucket => token_bucket::idle_for(self, state, now),
            Algorithm::LeakyBucket => leaky_bucket::idle_for(self, state, now),
        }
    }

    /// What a client with that state may still do.
    fn standing(&self, state: u64, now: u64) -> Standing {
        match self.algorithm {
            Algorithm::Gcra => gcra::standing(self, state, now),
            Algorithm::FixedWindow => fixed_window::standing(self, state, now),
            Algorithm::SlidingLog => sliding_log::standing(self, state, now),
            Algorithm::SlidingCounter => sliding_counter::standing(self, state, now),
            Algorithm::TokenBucket => token_bucket::standing(self, state, now),
            Algorithm::LeakyBucket => leaky_bucket::standing(self, state, now),
        }
    }
}

/// What a state leaves to its client.
struct Standing {
    remaining: u32,
    /// In how long nothing of it will be left; in fine units.
    reset: u64,
}

const STATE_BITS: u32 = 40;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

const fn sketch_sets(table: usize) -> usize {
    if table < 4 { 1 } else { table / 4 }
}

/// The moment a number of fine units after now, rounded up.
const fn after(now: Instant, wait: u64) -> Instant {
    Instant::from_micros(now.as_micros().saturating_add(wait.div_ceil(FRACTION)))
}

fn decision(quota: &Quota, cost: u32, wait: Option<u64>, standing: &Standing, now: Instant) -> Decision {
    Decision {
        quota: *quota,
        remaining: standing.remaining,
        reset: after(now, standing.reset),
        retry_at: wait.map(|wait| retry_at(quota, cost, wait, now)),
    }
}

/// When to come back after a refusal.
#[cold]
fn retry_at(quota: &Quota, cost: u32, wait: u64, now: Instant) -> Instant {
    if cost > quota.burst { Instant::NEVER } else { after(now, wait) }
}

#[cfg(all(test, not(pivot_loom)))]
mod model_tests;
#[cfg(all(test, not(pivot_loom)))]
mod tests;
