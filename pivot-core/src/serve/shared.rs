//! What all workers of a server have in common.

use core::fmt;

use super::offload::Offload;
use crate::admission::concurrency::{LimitConfig, Samples};
use crate::admission::{
    Breaker, BreakerConfig, BreakerState, Connections, Cursor as ShedCursor, LIMITS_MAX, Lane, Limit,
    LimitSpec, Permits, Policy, PolicyError, Quota, RateLimiter, RateSet, Seed,
};
use crate::app::buffer::{Buffer, RequestHead};
use crate::app::{App, Cursor, Response, Routes, SendError, Sent};
use crate::http::h1::decode::{HeadLimits, HeaderSpan};
use crate::mode::{Config, ConfigError, Draft};
use crate::monitor::{Export, Format, Gauges, JobCounts, Totals, WorkerStats};
use crate::pool::{Object, Pool, Slot};
use crate::router::{Entry, Node, Pattern, RouteError, RouteIndex, Router};
use crate::storage::{Arena, Budget, Plan, SpaceFull, take_one};
use crate::sync::{AtomicBool, AtomicU32, Ordering};
use crate::time::micros;

/// Limits, pools, routes and counts that every worker uses: N workers admit no more than one would.
pub struct Shared {
    pub(super) config: Config,
    pub(super) breaker_config: BreakerConfig,
    pub(super) head_limits: HeadLimits,
    pub(super) waits: Waits,
    pub(super) router: Router<'static>,
    /// The limit of each client, the first of the policy.
    pub(super) limiter: &'static RateLimiter<'static>,
    pub(super) policy: Policy<'static>,
    /// There is that limit alone, it refuses, and nobody is on a list.
    pub(super) is_limit_plain: bool,
    /// By route.
    pub(super) costs: &'static [u16],
    pub(super) breakers: &'static [Breaker<'static>],
    pub(super) permits: Permits,
    /// By worker; none if the limit does not move.
    pub(super) samples: &'static [Samples],
    pub(super) shed_cursor: ShedCursor,
    pub(super) connections: Connections<'static>,
    pub(super) requests: Pool<'static, RequestHead>,
    pub(super) responses: Pool<'static, Buffer>,
    pub(super) streams: Pool<'static, Buffer>,
    pub(super) uris: Pool<'static, Buffer>,
    pub(super) stats: &'static [WorkerStats],
    /// Threads for the handlers of blocking routes, where there are some.
    pub(super) offload: Option<&'static dyn Offload>,
    /// A bit for each route.
    blocking: &'static [u32],
    pub(super) seed: Seed,
    is_draining: AtomicBool,
    budget: Budget,
}

/// The time-outs that every request needs, in microseconds: a `Duration` would be converted each time.
pub(super) struct Waits {
    pub(super) idle_us: u64,
    pub(super) handler_us: u64,
    pub(super) grace_us: u64,
}

impl Shared {
    /// Takes everything that workers share from `arena`, and builds the router of `app`.
    ///
    /// `seed` keys the hashes of client addresses: it has to be unpredictable.
    ///
    /// # Errors
    /// [`StartError`] if the arena is too small, or routes conflict.
    pub fn new<R: Routes>(
        arena: &mut impl Arena,
        config: Config,
        app: &App<R>,
        seed: Seed,
    ) -> Result<&'static Self, StartError> {
        Self::with_offload(arena, config, app, seed, None)
    }

    /// As [`Shared::new`], with threads for the handlers of blocking routes; for workers that spawn [`super::run_or_offload`].
    ///
    /// # Errors
    /// As for [`Shared::new`].
    pub fn with_offload<R: Routes>(
        arena: &mut impl Arena,
        config: Config,
        app: &App<R>,
        seed: Seed,
        offload: Option<&'static dyn Offload>,
    ) -> Result<&'static Self, StartError> {
        let nodes = arena.take("router nodes", config.router_nodes_max, |_| Node::EMPTY)?;
        let entries = arena.take("routes", R::COUNT.max(1), |_| Entry::EMPTY)?;
        let costs = arena.take("route costs", R::COUNT, |_| 1_u16)?;
        let blocking = arena.take("blocking routes", R::COUNT.div_ceil(32), |_| 0_u32)?;
        let mut router = Router::new(nodes, entries);
        let mut result = Ok(());
        let mut index = 0;
        app.visit(&mut |spec| {
            if let Some(cost) = costs.get_mut(index) {
                *cost = spec.cost;
            }
            if let Some(word) = blocking.get_mut(index / 32) {
                *word |= u32::from(spec.is_blocking) << (index % 32);
            }
            index += 1;
            if result.is_ok() {
                let mut pattern = Pattern::EMPTY;
                spec.prefix.for_each(&mut |part| pattern = core::mem::take(&mut pattern).with(part));
                result = router.add(spec.method, pattern.with(spec.pattern)).map(drop);
            }
        });
        result.map_err(StartError::Route)?;
        let limits = limits(arena, &config)?;
        let policy = Policy::new(limits).map_err(StartError::Limit)?;
        let samples = arena.take("limit samples", samples_for(&config), |_| {
            let limit = config.limit.unwrap_or(LimitConfig::PRESET);
            Samples::new(limit.latency_objective, limit.wait_objective)
        })?;
        let breaker_count = if config.breaker.is_some() { R::COUNT } else { 0 };
        let lanes: &[Lane] =
            arena.take("breaker counts", Lane::count_for(config.workers, breaker_count), |_| Lane::new())?;
        let breakers = arena
            .take("breakers", breaker_count, |index| Breaker::with_lanes(lanes, index, breaker_count))?;
        let clients = Connections::clients_for(config.connections_max, config.connections_per_client);
        let clients = arena.take("client counts", clients, |_| AtomicU32::new(0))?;
        let stats = arena.take("worker counts", config.workers, |_| WorkerStats::new())?;
        let mut shared = Self {
            config,
            breaker_config: config.breaker.unwrap_or(BreakerConfig::PRESET),
            head_limits: HeadLimits {
                head_size_max: config.head_size_max as u16,
                target_size_max: config.target_size_max as u16,
                headers_max: config.headers_max as u16,
            },
            waits: Waits {
                idle_us: micros(config.timeouts.idle),
                handler_us: micros(config.timeouts.handler),
                grace_us: micros(config.timeouts.grace),
            },
            router,
            limiter: limits[0].limiter(),
            policy,
            is_limit_plain: config.limits.is_empty() && !config.quota_is_shadow && config.access.is_empty(),
            costs,
            breakers,
            permits: Permits::new(
                limit_config(&config).map_or(config.concurrency_max as u32, |limit| {
                    limit.initial + config.concurrency_reserved as u32
                }),
                config.concurrency_reserved as u32,
            ),
            samples,
            shed_cursor: ShedCursor::new(),
            connections: Connections::new(
                config.connections_max as u32,
                config.connections_per_client as u32,
                clients,
            ),
            requests: Pool::new(heads(arena, &config)?),
            responses: Pool::new(buffers(
                arena,
                ["responses", "response slots"],
                config.responses_max,
                2 * config.response_size,
            )?),
            streams: Pool::new(buffers(
                arena,
                ["streams", "stream slots"],
                config.streams_max,
                config.head_size_max,
            )?),
            uris: Pool::new(buffers(arena, ["uris", "uri slots"], config.uris_max, config.target_size_max)?),
            stats,
            offload,
            blocking,
            seed,
            is_draining: AtomicBool::new(false),
            budget: Budget::new(),
        };
        shared.budget = arena.budget().clone();
        Ok(take_one(arena, "shared", shared)?)
    }

    /// What [`Shared::new`] takes.
    pub const fn plan<R: Routes>(plan: Plan, config: &Config) -> Plan {
        let config = config.get();
        let breaker_count = if config.breaker.is_some() { R::COUNT } else { 0 };
        let plan = plan_limits(plan, config)
            .with::<Node>(config.router_nodes_max)
            .with::<Entry>(if R::COUNT == 0 { 1 } else { R::COUNT })
            .with::<u16>(R::COUNT)
            .with::<Samples>(samples_for(config))
            .with::<u32>(R::COUNT.div_ceil(32))
            .with::<Lane>(Lane::count_for(config.workers, breaker_count))
            .with::<Breaker<'static>>(breaker_count)
            .with::<AtomicU32>(Connections::clients_for(
                config.connections_max,
                config.connections_per_client,
            ))
            .with::<WorkerStats>(config.workers)
            .with::<u8>(config.requests_max * config.head_size_max)
            .with::<HeaderSpan>(config.requests_max * config.headers_max)
            .with::<Slot<RequestHead>>(config.requests_max);
        let plan = plan_buffers(plan, config.responses_max, 2 * config.response_size);
        let plan = plan_buffers(plan, config.streams_max, config.head_size_max);
        plan_buffers(plan, config.uris_max, config.target_size_max).with_one::<Self>()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was counted so far.
    pub fn totals(&self) -> Totals {
        Totals::of(self.stats)
    }

    /// The counts of each worker.
    pub fn stats(&self) -> &'static [WorkerStats] {
        self.stats
    }

    /// What each client may do now.
    pub fn quota(&self) -> Quota {
        self.limiter.quota()
    }

    /// Gives each client another quota, from the next request on and for all workers; see [`RateLimiter::set_quota`]. `false`:
    /// another change is under way, and nothing was done.
    #[must_use]
    pub fn set_quota(&self, quota: Quota) -> bool {
        self.limiter.set_quota(quota)
    }

    /// How many requests may run at once now, over all workers.
    pub fn concurrency_limit(&self) -> u32 {
        self.permits.limit()
    }

    /// What is known of the handlers of blocking routes, if threads run them.
    pub fn jobs(&self) -> Option<&JobCounts> {
        self.offload.map(|offload| offload.counts())
    }

    /// Whether a request's route is one whose handler blocks.
    #[inline(always)]
    pub(super) fn is_blocking(&self, request: &RequestHead) -> bool {
        let Some(RouteIndex(index)) = request.route() else { return false };
        let word = self.blocking.get(usize::from(index) / 32);
        word.is_some_and(|word| word >> (index % 32) & 1 != 0)
    }

    /// Ends the server: idle connections are closed, answers say `connection: close`, new requests still pass.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Whether [`Shared::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Connections that are open, over all workers.
    pub fn open_count(&self) -> u32 {
        self.connections.open_count()
    }

    /// Requests that run or are suspended, over all workers.
    pub fn running_count(&self) -> u32 {
        self.permits.taken_count()
    }

    /// Whether every permit and every pooled object is home: so it is once a server is quiet.
    pub fn is_everything_home(&self) -> bool {
        self.permits.taken_count() == 0
            && self.requests.lent_count() as u64 == self.cached_counts().0
            && self.responses.lent_count() as u64 == self.cached_counts().1
            && self.streams.lent_count() == 0
            && self.uris.lent_count() == 0
    }

    /// How many buffers workers keep to themselves: for heads, and for answers.
    fn cached_counts(&self) -> (u64, u64) {
        self.stats.iter().fold((0, 0), |(heads, answers), stats| {
            (heads + stats.heads_cached.get(), answers + stats.answers_cached.get())
        })
    }

    /// Writes the metrics into `into`; a whole export at once, for sinks that take it.
    ///
    /// # Errors
    /// Those of `into`.
    pub fn export(&self, format: Format, into: &mut dyn fmt::Write) -> fmt::Result {
        let mut export = Export::new(format, self.stats);
        while export.write_next(into, self)? {}
        Ok(())
    }

    /// Answers with the metrics, family by family, through a buffer of fixed size: the handler of `/metrics`.
    ///
    /// # Errors
    /// Those of any answer; [`SendError::Full`] if one family is longer than the output buffer.
    pub async fn answer_metrics(&self, format: Format, res: Response<'_>) -> Result<Sent, SendError> {
        let mut body = res.stream(format.content_type())?;
        let mut export = Export::new(format, self.stats);
        let mut is_more = true;
        while is_more {
            body.fill(|space| {
                let mut cursor = Cursor::new(space);
                is_more = export.write_next(&mut cursor, self).ok()?;
                Some(cursor.len())
            })
            .await?;
        }
        body.finish()
    }
}

impl Gauges for Shared {
    fn pools(&self, each: &mut dyn FnMut(&str, &str, u64) -> fmt::Result) -> fmt::Result {
        let (heads_cached, answers_cached) = self.cached_counts();
        let pools = [
            ("request", self.requests.metrics(), heads_cached),
            ("response", self.responses.metrics(), answers_cached),
            // Few requests need these, so no worker keeps any to itself.
            ("stream", self.streams.metrics(), 0),
            ("uri", self.uris.metrics(), 0),
        ];
        for (name, metrics, cached) in pools {
            each(name, "free", u64::from(metrics.capacity.saturating_sub(metrics.lent)))?;
            each(name, "cached", cached)?;
            each(name, "lent", u64::from(metrics.lent).saturating_sub(cached))?;
        }
        Ok(())
    }

    fn breakers(&self, each: &mut dyn FnMut(&dyn fmt::Display, u64) -> fmt::Result) -> fmt::Result {
        for (index, breaker) in (0..).zip(self.breakers) {
            let route = RouteIndex(index);
            if let (Some(pattern), Some(method)) = (self.router.pattern(route), self.router.method(route)) {
                let state: BreakerState = breaker.state();
                each(&format_args!("{method} {pattern}"), state as u64)?;
            }
        }
        Ok(())
    }

    fn limits(&self, each: &mut dyn FnMut(&str, bool, u64) -> fmt::Result) -> fmt::Result {
        self.policy
            .limits()
            .iter()
            .try_for_each(|limit| each(limit.name(), limit.is_shadow(), limit.over_count().into()))
    }

    fn concurrency_limit(&self) -> u64 {
        self.permits.limit().into()
    }

    fn admitted_ppm(&self) -> u64 {
        self.shed_cursor.admitted_ppm().into()
    }

    fn jobs(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result {
        let Some(jobs) = self.jobs() else { return Ok(()) };
        each("queued", u64::from(jobs.queued_count()))?;
        each("running", u64::from(jobs.running_count()))?;
        each("abandoned", u64::from(jobs.abandoned_count()))
    }

    fn abandoned_jobs(&self) -> u64 {
        self.jobs().map_or(0, JobCounts::abandoned_in_all)
    }

    fn memory(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result {
        self.budget.parts().iter().try_for_each(|part| each(part.name, part.bytes as u64))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A server cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The memory does not suffice.
    Space(SpaceFull),
    /// Two routes conflict, or one has a pattern that cannot be.
    Route(RouteError),
    /// A limit has a name that cannot stand in a field.
    Limit(PolicyError),
    /// A part of the configuration that was made after it was checked.
    Config(ConfigError),
    /// The process has no room for another worker.
    Domains(crate::exec::DomainsFull),
}

impl From<SpaceFull> for StartError {
    fn from(error: SpaceFull) -> Self {
        Self::Space(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(error) => error.fmt(f),
            Self::Route(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Domains(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

/// The limit of each client, and those beside it.
fn limits(arena: &mut impl Arena, config: &Config) -> Result<&'static [Limit<'static>], SpaceFull> {
    let of_client = LimitSpec {
        name: "client",
        by: crate::admission::LimitBy::CLIENT,
        quota: config.quota,
        keys_max: config.clients_max,
        is_shadow: config.quota_is_shadow,
    };
    let mut limits = heapless::Vec::<Limit<'static>, LIMITS_MAX>::new();
    for spec in core::iter::once(&of_client).chain(config.limits) {
        let sets = arena.take("limiter sets", RateLimiter::sets_for(spec.keys_max), |_| RateSet::new())?;
        let limiter = take_one(arena, "limiters", RateLimiter::new(sets, spec.quota))?;
        let make = if spec.is_shadow { Limit::shadow } else { Limit::new };
        // The configuration was checked: there are not more than there is room for.
        let _ = limits.push(make(spec.name, limiter));
    }
    let (count, mut limits) = (limits.len(), limits.into_iter());
    Ok(arena.take("limits", count, |_| limits.next().expect("as many limits as were counted"))?)
}

/// What [`limits`] takes.
const fn plan_limits(plan: Plan, config: &Draft) -> Plan {
    let mut plan = plan.with::<RateSet>(RateLimiter::sets_for(config.clients_max));
    let mut index = 0;
    while index < config.limits.len() {
        plan = plan.with_one::<RateLimiter<'static>>();
        plan = plan.with::<RateSet>(RateLimiter::sets_for(config.limits[index].keys_max));
        index += 1;
    }
    plan.with_one::<RateLimiter<'static>>().with::<Limit<'static>>(1 + config.limits.len())
}

/// How the limit moves, if it does. What is above the number of slots counts as that.
pub(super) fn limit_config(config: &Draft) -> Option<LimitConfig> {
    let most = (config.concurrency_max - config.concurrency_reserved) as u32;
    config.limit.map(|limit| LimitConfig {
        min: limit.min.min(most),
        initial: limit.initial.min(most),
        max: limit.max.min(most),
        ..limit
    })
}

const fn samples_for(config: &Draft) -> usize {
    if config.limit.is_some() { config.workers } else { 0 }
}

fn heads(arena: &mut impl Arena, config: &Config) -> Result<&'static [Slot<RequestHead>], SpaceFull> {
    let count = config.requests_max;
    let mut bytes =
        arena.take_bytes("heads", count, config.head_size_max)?.chunks_exact_mut(config.head_size_max);
    let mut spans = arena
        .take("header tables", count * config.headers_max, |_| HeaderSpan::default())?
        .chunks_exact_mut(config.headers_max);
    let slots = arena.take("head slots", count, |_| {
        Slot::new((bytes.next().unwrap_or_default(), spans.next().unwrap_or_default()))
    })?;
    Ok(slots)
}

fn buffers(
    arena: &mut impl Arena,
    [bytes, slots]: [&'static str; 2],
    count: usize,
    size: usize,
) -> Result<&'static [Slot<Buffer>], SpaceFull>
where
    Buffer: Object<Seed = &'static mut [u8]>,
{
    let mut bytes = arena.take_bytes(bytes, count, size)?.chunks_exact_mut(size);
    Ok(arena.take(slots, count, |_| Slot::new(bytes.next().unwrap_or_default()))?)
}

const fn plan_buffers(plan: Plan, count: usize, size: usize) -> Plan {
    plan.with::<u8>(count * size).with::<Slot<Buffer>>(count)
}
