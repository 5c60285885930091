//! Several limits that one request has to keep: for each client, and for each route, and for each key of an API.

use core::fmt;

use heapless::Vec;

use super::{Decision, RateLimiter};
use crate::admission::ClientKey;
use crate::sync::{AtomicU32, Ordering};
use crate::time::Instant;

/// Most limits of a policy.
pub const LIMITS_MAX: usize = 4;

/// One limit of a policy.
#[derive(Debug)]
pub struct Limit<'s> {
    name: &'static str,
    limiter: &'s RateLimiter<'s>,
    is_shadow: bool,
    over_count: AtomicU32,
}

impl<'s> Limit<'s> {
    /// A limit that refuses. Clients see its name in the `RateLimit` field.
    pub fn new(name: &'static str, limiter: &'s RateLimiter<'s>) -> Self {
        Self { name, limiter, is_shadow: false, over_count: AtomicU32::new(0) }
    }

    /// A limit that only counts whom it would have refused: to see what a quota would do before it does it.
    pub fn shadow(name: &'static str, limiter: &'s RateLimiter<'s>) -> Self {
        Self { is_shadow: true, ..Self::new(name, limiter) }
    }

    /// Who counts for it.
    pub fn limiter(&self) -> &'s RateLimiter<'s> {
        self.limiter
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it only counts.
    pub fn is_shadow(&self) -> bool {
        self.is_shadow
    }

    /// How many requests were over it; wraps at 2³².
    pub fn over_count(&self) -> u32 {
        self.over_count.load(Ordering::Relaxed)
    }
}

/// Limits that are charged together.
///
/// All are looked at before one is charged, so a refusal by one costs nothing at the others. Only if another worker uses up a quota
/// between the look and the charge do the ones before it stay charged for a request that was refused: once, and against the client.
#[derive(Debug)]
pub struct Policy<'s> {
    limits: &'s [Limit<'s>],
}

/// A policy that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// No limit, or more than [`LIMITS_MAX`].
    Count {
        /// How many there were.
        count: usize,
    },
    /// A name that is empty, or has a character that is no printable ASCII, a quote or a backslash: it could not stand in a field.
    Name {
        /// The name.
        name: &'static str,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { count } => write!(f, "limits is {count}; it has to be in 1..={LIMITS_MAX}"),
            Self::Name { name } => {
                write!(f, "the name {name:?} has to be of printable ASCII without \" and \\")
            }
        }
    }
}

impl core::error::Error for PolicyError {}

/// What a policy says of a request.
#[derive(Debug)]
pub struct Verdict<'p> {
    pub(super) limits: &'p [Limit<'p>],
    pub(super) decisions: Vec<Decision, LIMITS_MAX>,
    tightest: usize,
}

impl Verdict<'_> {
    /// The decision that decides: the refusal that lasts longest, or else the limit with the fewest requests left.
    ///
    /// A shadow limit decides only where there is no other.
    pub fn decision(&self) -> Decision {
        self.decisions[self.tightest]
    }

    /// The name of the limit that decides.
    pub fn name(&self) -> &'static str {
        self.limits[self.tightest].name
    }

    /// Whether the request may go on: no limit but shadows refuses it.
    pub fn is_admitted(&self) -> bool {
        self.limits[self.tightest].is_shadow || self.decision().is_admitted()
    }

    /// Whether the client is to be told about the limit that decides: nobody is told about shadows.
    pub(super) fn is_public(&self) -> bool {
        !self.limits[self.tightest].is_shadow
    }
}

impl<'s> Policy<'s> {
    /// A policy of one to four limits.
    ///
    /// # Errors
    /// [`PolicyError`] if there are none or too many, or if a name cannot stand in a field.
    pub fn new(limits: &'s [Limit<'s>]) -> Result<Self, PolicyError> {
        if limits.is_empty() || limits.len() > LIMITS_MAX {
            return Err(PolicyError::Count { count: limits.len() });
        }
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        match limits.iter().find(|limit| limit.name.is_empty() || !limit.name.bytes().all(is_plain)) {
            Some(limit) => Err(PolicyError::Name { name: limit.name }),
            None => Ok(Self { limits }),
        }
    }

    /// Its limits.
    pub fn limits(&self) -> &'s [Limit<'s>] {
        self.limits
    }

    /// What the only limit says of a request that it has just refused; counted as [`Policy::charge`] would.
    pub(crate) fn refused_by_first(&self, key: ClientKey, cost: u32, now: Instant) -> Verdict<'s> {
        let mut decisions = Vec::new();
        if let Some(limit) = self.limits.first() {
            // Relaxed: a count publishes nothing but itself.
            limit.over_count.fetch_add(1, Ordering::Relaxed);
            // The first finds room.
            let _ = decisions.push(limit.limiter.check(key, cost, now));
        }
        Verdict { limits: self.limits, decisions, tightest: 0 }
    }

    /// Charges a request to all limits, or to none: to each the key and the cost at its place in `charges`.
    ///
    /// A shadow limit that is over is counted and not charged, as it would not be if it refused.
    ///
    /// # Panics
    /// If there are not as many charges as limits.
    pub fn charge(&self, charges: &[(ClientKey, u32)], now: Instant) -> Verdict<'s> {
        assert_eq!(charges.len(), self.limits.len(), "a key and a cost for each limit");
        let mut decisions = Vec::new();
        for (limit, &(key, cost)) in self.limits.iter().zip(charges) {
            // There are at most as many limits as there is room for.
            let _ = decisions.push(limit.limiter.check(key, cost, now));
        }
        let is_refused =
            |index: usize, decision: &Decision| !decision.is_admitted() && !self.limits[index].is_shadow;
        if !decisions.iter().enumerate().any(|(index, decision)| is_refused(index, decision)) {
            for (index, &(key, cost)) in charges.iter().enumerate() {
                if decisions[index].is_admitted() {
                    decisions[index] = self.limits[index].limiter.decide(key, cost, now);
                    if is_refused(index, &decisions[index]) {
                        break;
                    }
                }
            }
        }
        for (limit, decision) in self.limits.iter().zip(&decisions) {
            if !decision.is_admitted() {
                // Relaxed: a count publishes nothing but itself.
                limit.over_count.fetch_add(1, Ordering::Relaxed);
            }
        }
        let tightness = |index: &usize| {
            let decision = &decisions[*index];
            let retry_at = decision.retry_at.map_or(Instant::ZERO, |at| at.max(Instant::from_micros(1)));
            (!self.limits[*index].is_shadow, retry_at, u32::MAX - decision.remaining)
        };
        // Of equals, the first.
        let tightest = (0..decisions.len()).rev().max_by_key(tightness).unwrap_or(0);
        Verdict { limits: self.limits, decisions, tightest }
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::super::tests::{key, sets};
    use super::*;
    use crate::admission::Quota;
    use crate::time::Duration;

    fn quota(count: u32) -> Quota {
        Quota::new(count, Duration::from_secs(60), count).unwrap()
    }

    #[test]
    fn a_refusal_by_a_later_limit_leaves_the_earlier_ones_uncharged_and_the_tightest_is_reported() {
        let (one, two) = (sets(1), sets(1));
        let (client, route) = (RateLimiter::new(&one, quota(5)), RateLimiter::new(&two, quota(3)));
        let limits = [Limit::new("client", &client), Limit::new("route", &route)];
        let policy = Policy::new(&limits).unwrap();
        let now = Instant::from_millis(1);
        let charges = [(key(1), 1), (key(2), 1)];
        for left in (0..3).rev() {
            let verdict = policy.charge(&charges, now);
            assert!(verdict.is_admitted());
            assert_eq!((verdict.name(), verdict.decision().remaining), ("route", left));
        }
        for _ in 0..10 {
            let verdict = policy.charge(&charges, now);
            assert!(!verdict.is_admitted());
            assert_eq!(verdict.name(), "route");
        }
        assert_eq!(client.check(key(1), 1, now).remaining, 2);
        assert_eq!((limits[0].over_count(), limits[1].over_count()), (0, 10));
        let dear = policy.charge(&[(key(1), 3), (key(3), 1)], now);
        assert_eq!((dear.is_admitted(), dear.name()), (false, "client"), "each limit has a cost of its own");
    }

    #[test]
    fn a_shadow_counts_and_does_not_refuse() {
        let (one, two) = (sets(1), sets(1));
        let (client, route) = (RateLimiter::new(&one, quota(2)), RateLimiter::new(&two, quota(9)));
        let limits = [Limit::shadow("client", &client), Limit::new("route", &route)];
        let policy = Policy::new(&limits).unwrap();
        let charge = || policy.charge(&[(key(1), 1), (key(2), 1)], Instant::from_millis(1));
        for left in (0..9).rev() {
            let verdict = charge();
            assert!(verdict.is_admitted());
            assert_eq!((verdict.name(), verdict.decision().remaining), ("route", left));
        }
        assert!(!charge().is_admitted());
        assert_eq!((limits[0].over_count(), limits[1].over_count()), (8, 1));
    }

    #[test]
    fn policies_that_cannot_be_are_refused() {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, quota(1));
        assert_eq!(Policy::new(&[]).unwrap_err(), PolicyError::Count { count: 0 });
        let five = [(); 5].map(|()| Limit::new("five", &limiter));
        assert_eq!(Policy::new(&five).unwrap_err(), PolicyError::Count { count: 5 });
        for name in ["", "a\"b", "a\\b", "a\r\n", "ä"] {
            let limits = [Limit::new(name, &limiter)];
            assert_eq!(Policy::new(&limits).unwrap_err(), PolicyError::Name { name });
        }
    }
}
