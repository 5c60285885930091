//! Everything that can be set, checked once.

use core::fmt;

use crate::admission::classify::{Classifier, ClientIdentity};
use crate::admission::concurrency::LimitConfig;
use crate::admission::{AccessList, BreakerConfig, LIMITS_MAX, LimitSpec, Quota, ShedConfig, UpstreamConfig};
use crate::http::h1::decode::HEADERS_CAP;
use crate::time::Duration;

/// How long a client, a handler and the server itself may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A connection may be silent between requests for this long. 1 s – 1 h.
    pub idle: Duration,
    /// A head has to be complete this long after its first byte, however fast it comes. 100 ms – 5 min.
    pub head: Duration,
    /// Content has to be complete this long after the handler asked for it first, however fast it comes. 100 ms – 1 day.
    pub body: Duration,
    /// A client may fall this far behind the minimum rates below before it is cut off. 100 ms – 5 min.
    pub grace: Duration,
    /// A handler has to be done after this long, waiting for its client not counted. 10 ms – 1 h.
    pub handler: Duration,
    /// A request may wait for its turn for this long, and one of a blocking route once more for a thread. 1 ms – 5 min.
    pub queue: Duration,
    /// After a refusal with content still to come, the server listens for this long before it closes. 0 – 1 min.
    pub linger: Duration,
    /// What is in flight when the server ends has this long to finish. 0 – 1 h.
    pub drain: Duration,
}

/// A configuration under construction: every field may be set, [`Draft::build`] checks them all.
///
/// Sizes are in bytes. What a field costs in memory is counted where it is taken and printed at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Loops, each a thread. 1–64; on a board 1.
    pub workers: usize,
    /// Most connections open at one time; a new peer beyond them is closed at once and counted. 1–1,000,000.
    pub connections_max: usize,
    /// Most connections from one client address (IPv6: one /64); off if not less than `connections_max`.
    pub connections_per_client: usize,
    /// Most requests whose handler runs or is suspended, over all workers. 1–100,000. Each worker has a slot for each.
    pub concurrency_max: usize,
    /// How many of these are kept for the system class. Less than `concurrency_max`.
    pub concurrency_reserved: usize,
    /// Most requests that wait for their turn, over all workers. From `workers` to 1,000,000. Beyond: 503.
    pub queue_max: usize,
    /// Threads for the handlers of blocking routes, over all workers; started only if there is such a route. 0–64; with 0, and
    /// on a board, such handlers run in the loop. Each has an application of its own and a stack of the system's size.
    pub blocking_threads: usize,
    /// Most requests that wait for one of these threads, over all workers. 1–65,535. Beyond: 503. Each holds a permit, so
    /// both together should be well below `concurrency_max`, or blocking requests keep out all others.
    pub blocking_queue_max: usize,
    /// Longest head, with all header fields. 256–65,535. Beyond: 431. Each head in progress holds a buffer of this size,
    /// and each request with content another one to read ahead into.
    pub head_size_max: usize,
    /// Longest request target. 16 up to `head_size_max`. Beyond: 414.
    pub target_size_max: usize,
    /// Most header fields in a head. 4–64 (4–32 on 32-bit machines). Beyond: 431.
    pub headers_max: usize,
    /// Longest content, of any length. Beyond: 413.
    pub body_size_max: u64,
    /// An answer of this length, head and content, can always be given in one piece; one of more than twice this is a 500.
    /// Stream what is longer. 256–16,777,216.
    pub response_size: usize,
    /// Most heads in memory at one time: being read, queued, or with their handler. 1–1,000,000.
    pub requests_max: usize,
    /// Most answers in memory at one time, not yet sent. 1–1,000,000.
    pub responses_max: usize,
    /// Most requests with content at one time. 1–1,000,000.
    pub streams_max: usize,
    /// Most requests at one time whose path has escapes. 1–1,000,000.
    pub uris_max: usize,
    /// Slowest pace for a head, after the grace. Bytes a second, 1–1,000,000.
    pub head_rate_min: u32,
    /// Slowest pace for content, in and out, after the grace. Bytes a second, 1–1,000,000.
    pub body_rate_min: u32,
    /// What each client may do. Requests of the system class are not counted.
    pub quota: Quota,
    /// Whether the quota only counts whom it would refuse.
    pub quota_is_shadow: bool,
    /// How many clients the limiter remembers; rounded up to a power of two. 1–16,777,216.
    pub clients_max: usize,
    /// Limits beside that of each client: for an API key, a route, both. At most three.
    pub limits: &'static [LimitSpec],
    /// Clients that no limit is for, and clients that get a 403.
    pub access: AccessList<'static>,
    /// The breaker of each route; `None` for none.
    pub breaker: Option<BreakerConfig>,
    /// Whom to refuse while more comes than can be served in time.
    pub shed: ShedConfig,
    /// Moves the number of requests that run at once; `None` leaves it at `concurrency_max`. Permits kept for the system class
    /// are beside it, and what is above `concurrency_max` counts as that.
    pub limit: Option<LimitConfig>,
    /// Tells the class of a request.
    pub classifier: &'static Classifier,
    /// Who counts as the client where proxies stand between. At most 16 of them.
    pub client: ClientIdentity,
    /// Whether every peer is trusted to set a request's class by `X-Pivot-Class`: for tests, or behind a proxy that sets it.
    pub trust_class_header: bool,
    /// Room for the router's tree. 16–65,534; three or four for each route suffice.
    pub router_nodes_max: usize,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// A configuration that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config(Draft);

impl Config {
    /// The fields, where [`Deref`](core::ops::Deref) cannot be used: in constants.
    pub const fn get(&self) -> &Draft {
        &self.0
    }
}

impl core::ops::Deref for Config {
    type Target = Draft;
    fn deref(&self) -> &Draft {
        &self.0
    }
}

/// A field that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field.
    pub field: &'static str,
    /// Its value; milliseconds for a duration.
    pub value: u64,
    /// The least value that is allowed.
    pub min: u64,
    /// The greatest value that is allowed.
    pub max: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, min, max } = self;
        write!(f, "{field} is {value}, but has to be in {min}-{max}")
    }
}

impl core::error::Error for ConfigError {}

impl Draft {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range, with its value and the range.
    pub const fn build(self) -> Result<Config, ConfigError> {
        const MAX: u64 = u32::MAX as u64;
        let Timeouts { idle, head, body, grace, handler, queue, linger, drain } = self.timeouts;
        let checks = [
            ("workers", self.workers as u64, 1, 64),
            ("connections_max", self.connections_max as u64, 1, 1_000_000),
            ("connections_per_client", self.connections_per_client as u64, 1, MAX),
            ("concurrency_max", self.concurrency_max as u64, 1, 100_000),
            (
                "concurrency_reserved",
                self.concurrency_reserved as u64,
                0,
                (self.concurrency_max as u64).saturating_sub(1),
            ),
            ("queue_max", self.queue_max as u64, self.workers as u64, 1_000_000),
            ("blocking_threads", self.blocking_threads as u64, 0, 64),
            ("blocking_queue_max", self.blocking_queue_max as u64, 1, 65_535),
            ("head_size_max", self.head_size_max as u64, 256, 65_535),
            ("target_size_max", self.target_size_max as u64, 16, self.head_size_max as u64),
            ("headers_max", self.headers_max as u64, 4, HEADERS_CAP as u64),
            ("response_size", self.response_size as u64, 256, 16 << 20),
            ("requests_max", self.requests_max as u64, 1, 1_000_000),
            ("responses_max", self.responses_max as u64, 1, 1_000_000),
            ("streams_max", self.streams_max as u64, 1, 1_000_000),
            ("uris_max", self.uris_max as u64, 1, 1_000_000),
            ("head_rate_min", self.head_rate_min as u64, 1, 1_000_000),
            ("body_rate_min", self.body_rate_min as u64, 1, 1_000_000),
            ("clients_max", self.clients_max as u64, 1, 1 << 24),
            ("client.hops", self.client.hops() as u64, 0, 16),
            ("limits", self.limits.len() as u64, 0, LIMITS_MAX as u64 - 1),
            ("router_nodes_max", self.router_nodes_max as u64, 16, 65_534),
            ("timeouts.idle", millis(idle), 1_000, 3_600_000),
            ("timeouts.head", millis(head), 100, 300_000),
            ("timeouts.body", millis(body), 100, 86_400_000),
            ("timeouts.grace", millis(grace), 100, 300_000),
            ("timeouts.handler", millis(handler), 10, 3_600_000),
            ("timeouts.queue", millis(queue), 1, 300_000),
            ("timeouts.linger", millis(linger), 0, 60_000),
            ("timeouts.drain", millis(drain), 0, 3_600_000),
        ];
        if let Err(error) = check(&checks) {
            return Err(error);
        }
        let mut index = 0;
        while index < self.limits.len() {
            if let Err(error) = check(&[("limits.keys_max", self.limits[index].keys_max as u64, 1, 1 << 24)])
            {
                return Err(error);
            }
            index += 1;
        }
        if let Some(breaker) = &self.breaker
            && let Err(error) = check_breaker(breaker)
        {
            return Err(error);
        }
        if let Err(error) = self.shed.check() {
            return Err(error);
        }
        if let Some(limit) = &self.limit
            && let Err(error) = limit.check()
        {
            return Err(error);
        }
        Ok(Config(self))
    }
}

/// Checks when a breaker opens, and for how long.
///
/// # Errors
/// The first field that is out of its range, with its value and the range.
pub const fn check_breaker(breaker: &BreakerConfig) -> Result<(), ConfigError> {
    let checks = [
        ("breaker.window", millis(breaker.window), 1_000, 3_600_000),
        ("breaker.results_max", breaker.results_max as u64, 1, BreakerConfig::PRESET.results_max as u64),
        ("breaker.volume_min", breaker.volume_min as u64, 1, 1_000),
        ("breaker.failures_max", breaker.failures_max as u64, 1, 1_000),
        ("breaker.failure_percent_max", breaker.failure_percent_max as u64, 1, 100),
        ("breaker.slow", millis(breaker.slow), 1, 3_600_000),
        ("breaker.slow_percent_max", breaker.slow_percent_max as u64, 1, 100),
        ("breaker.open", millis(breaker.open), 100, 3_600_000),
        ("breaker.probes_max", breaker.probes_max as u64, 1, 100),
    ];
    check(&checks)
}

/// Checks how calls to a service are guarded.
///
/// # Errors
/// The first field that is out of its range, with its value and the range.
pub const fn check_upstream(upstream: &UpstreamConfig) -> Result<(), ConfigError> {
    if let Err(error) = check_breaker(&upstream.breaker) {
        return Err(error);
    }
    check(&[
        ("retries.percent", upstream.retries.percent as u64, 0, 1_000),
        ("retries.reserve_per_s", upstream.retries.reserve_per_s as u64, 0, 10_000),
        ("margin", millis(upstream.margin), 0, 60_000),
    ])
}

/// Checks that values lie in their ranges: field, value, least, greatest.
pub(crate) const fn check(checks: &[(&'static str, u64, u64, u64)]) -> Result<(), ConfigError> {
    let mut index = 0;
    while index < checks.len() {
        let (field, value, min, max) = checks[index];
        if value < min || value > max {
            return Err(ConfigError { field, value, min, max });
        }
        index += 1;
    }
    Ok(())
}

/// A duration as [`ConfigError`] tells it.
pub(crate) const fn millis(duration: Duration) -> u64 {
    let ms = duration.as_millis();
    if ms > u64::MAX as u128 { u64::MAX } else { ms as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Profile;
    use std::string::ToString;

    #[test]
    fn every_profile_is_valid() {
        for profile in Profile::ALL {
            profile.draft().build().unwrap();
        }
    }

    #[test]
    fn an_error_names_field_value_and_range() {
        let draft = Draft { concurrency_max: 0, ..Profile::High.draft() };
        assert_eq!(draft.build().unwrap_err().field, "concurrency_max");
        let draft = Draft { connections_max: 0, ..Profile::High.draft() };
        assert_eq!(
            draft.build().unwrap_err().to_string(),
            "connections_max is 0, but has to be in 1-1000000"
        );
        let draft = Draft { target_size_max: 9_000, head_size_max: 8_192, ..Profile::High.draft() };
        assert_eq!(draft.build().unwrap_err().field, "target_size_max");
        let mut draft = Profile::High.draft();
        draft.timeouts.idle = Duration::ZERO;
        assert_eq!(draft.build().unwrap_err().field, "timeouts.idle");
        draft = Profile::High.draft();
        draft.breaker = Some(BreakerConfig { probes_max: 101, ..BreakerConfig::PRESET });
        assert_eq!(draft.build().unwrap_err().field, "breaker.probes_max");
    }

    #[test]
    fn every_field_of_a_guarded_service_has_a_range() {
        let preset = UpstreamConfig::PRESET;
        assert_eq!(check_upstream(&preset), Ok(()));
        let breaker = BreakerConfig::PRESET;
        let wrong = [
            ("breaker.window", BreakerConfig { window: Duration::ZERO, ..breaker }),
            ("breaker.results_max", BreakerConfig { results_max: 1 << 24, ..breaker }),
            ("breaker.volume_min", BreakerConfig { volume_min: 0, ..breaker }),
            ("breaker.failures_max", BreakerConfig { failures_max: 0, ..breaker }),
            ("breaker.failure_percent_max", BreakerConfig { failure_percent_max: 101, ..breaker }),
            ("breaker.slow", BreakerConfig { slow: Duration::ZERO, ..breaker }),
            ("breaker.slow_percent_max", BreakerConfig { slow_percent_max: 0, ..breaker }),
            ("breaker.open", BreakerConfig { open: Duration::from_secs(3_601), ..breaker }),
            ("breaker.probes_max", BreakerConfig { probes_max: 0, ..breaker }),
        ];
        for (field, breaker) in wrong {
            let error = check_upstream(&UpstreamConfig { breaker, ..preset }).unwrap_err();
            assert_eq!(error.field, field);
        }
        let mut retries = preset.retries;
        retries.percent = 1_001;
        let error = check_upstream(&UpstreamConfig { retries, ..preset }).unwrap_err();
        assert_eq!((error.field, error.max), ("retries.percent", 1_000));
        let margin = Duration::from_secs(61);
        assert_eq!(check_upstream(&UpstreamConfig { margin, ..preset }).unwrap_err().field, "margin");
    }
}
