//! A quota for each client.

use std::task::{Context, Poll};

use pivot_core::admission::{Limit, Policy, Quota, RateLimiter, RateSet, Refusal, Seed};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Answer, HttpAnswer, Refused};
use crate::clock::{keep, now};
use crate::future::{Guard, Guarded};
use crate::request::{Describe, HttpRequests, random_seed};

/// Refuses clients that have used up their quota: [`pivot_core::admission::rate_limit`] as a layer.
///
/// A charge is made in `call`. A refused client costs a look at two tables and an answer.
///
/// ```
/// use pivot_core::admission::Quota;
/// use pivot_core::time::Duration;
/// use pivot_tower::RateLimitLayer;
/// // 100 requests a minute, 10 at once, for about 50,000 clients: 0.6 MB.
/// let layer = RateLimitLayer::new(Quota::new(100, Duration::from_secs(60), 10)?, 50_000);
/// # let _ = layer;
/// # Ok::<(), pivot_core::admission::QuotaError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RateLimitLayer<D = HttpRequests, A = HttpAnswer> {
    limit: &'static Shared,
    describe: D,
    answer: A,
}

#[derive(Debug)]
struct Shared {
    limiter: &'static RateLimiter<'static>,
    policy: Policy<'static>,
    seed: Seed,
}

impl RateLimitLayer {
    /// Gives each client `quota`, in memory for about `clients` clients.
    pub fn new(quota: Quota, clients: usize) -> Self {
        let sets: Vec<RateSet> = (0..RateLimiter::sets_for(clients)).map(|_| RateSet::new()).collect();
        let limiter = keep(RateLimiter::new(sets.leak(), quota));
        let policy = Policy::new(keep([Limit::new("client", limiter)])).expect("one limit with a plain name");
        let limit = keep(Shared { limiter, policy, seed: random_seed() });
        Self { limit, describe: HttpRequests::default(), answer: HttpAnswer }
    }
}

impl<D, A> RateLimitLayer<D, A> {
    /// Tells clients apart in another way.
    #[must_use]
    pub fn describe<O>(self, describe: O) -> RateLimitLayer<O, A> {
        RateLimitLayer { limit: self.limit, describe, answer: self.answer }
    }

    /// Answers in another way.
    #[must_use]
    pub fn answer<O>(self, answer: O) -> RateLimitLayer<D, O> {
        RateLimitLayer { limit: self.limit, describe: self.describe, answer }
    }

    /// The limiter: to look at it, or to change the quota while the server runs.
    pub fn limiter(&self) -> &'static RateLimiter<'static> {
        self.limit.limiter
    }
}

impl<S, D: Clone, A: Clone> Layer<S> for RateLimitLayer<D, A> {
    type Service = RateLimitService<S, D, A>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService { inner, layer: self.clone() }
    }
}

/// The service of [`RateLimitLayer`].
#[derive(Clone, Copy, Debug)]
pub struct RateLimitService<S, D = HttpRequests, A = HttpAnswer> {
    inner: S,
    layer: RateLimitLayer<D, A>,
}

/// Nothing is held while a request is served.
#[derive(Clone, Copy, Debug)]
pub struct Unguarded;

impl<R, E> Guard<R, E> for Unguarded {
    fn end(self, _: &Result<R, E>) {}
}

impl<S, Req, D, A> Service<Req> for RateLimitService<S, D, A>
where
    S: Service<Req>,
    D: Describe<Req>,
    A: Answer<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Guarded<S::Future, S::Response, Unguarded>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let RateLimitLayer { limit, describe, answer } = &self.layer;
        let (client, now) = (describe.client(&request, limit.seed), now());
        if limit.limiter.charge(client, 1, now).is_err() {
            // Asked again for what the client is told; if a quota has come back meanwhile, it counts.
            let verdict = limit.policy.charge(&[(client, 1)], now);
            if let Some(retry_at) = verdict.decision().retry_at {
                let refused = Refused::new(Refusal::RateLimited { retry_at }, Some(&verdict), now);
                return Guarded::refused(answer.answer(&refused));
            }
        }
        Guarded::running(self.inner.call(request), Unguarded)
    }
}
