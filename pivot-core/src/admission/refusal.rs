//! Why somebody is not served.

use crate::time::Instant;

/// Why a request or a connection is refused, and when it is worth coming back where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client has used up its quota.
    RateLimited {
        /// When the next request would pass.
        retry_at: Instant,
    },
    /// The client is on the deny list.
    Denied,
    /// More comes than can be served in time, and requests of this class and cohort are turned away.
    Shed,
    /// It would start, or be answered, after its deadline.
    Doomed,
    /// The route fails so often that nobody is let through to it for a while.
    BreakerOpen {
        /// When the next probe is let through.
        retry_at: Instant,
    },
    /// The queue is full.
    QueueFull,
    /// The request waited in the queue for too long.
    QueueExpired,
    /// A pool has no object left.
    PoolExhausted,
}

impl Refusal {
    /// The label of each reason, in the order of [`Refusal::index`].
    pub const REASONS: [&'static str; 8] = [
        "rate_limited",
        "shed",
        "breaker_open",
        "queue_full",
        "queue_expired",
        "pool_exhausted",
        "denied",
        "doomed",
    ];

    /// The place of its label in [`Refusal::REASONS`].
    pub const fn index(self) -> usize {
        match self {
            Self::RateLimited { .. } => 0,
            Self::Shed => 1,
            Self::BreakerOpen { .. } => 2,
            Self::QueueFull => 3,
            Self::QueueExpired => 4,
            Self::PoolExhausted => 5,
            Self::Denied => 6,
            Self::Doomed => 7,
        }
    }

    /// Its label.
    pub const fn reason(self) -> &'static str {
        Self::REASONS[self.index()]
    }
}
