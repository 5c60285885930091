//! A circuit breaker around a service.

use std::task::{Context, Poll};

use pivot_core::admission::{Breaker, BreakerConfig, Refusal, Ticket};
use pivot_core::mode::{ConfigError, check_breaker};
use pivot_core::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Answer, Answered, HttpAnswer, Refused};
use crate::clock::{keep, now};
use crate::future::{Guard, Guarded};

/// Refuses requests while the service inside fails: [`pivot_core::admission::breaker`] as a layer.
///
/// An error of the service and a 5xx are failures. A refusal by a layer of this crate is none, and neither is a request
/// that is dropped: it counts for nothing, and if it was a probe, the next one passes. One layer is one breaker: make one for
/// each route or service that fails by itself.
///
/// ```
/// use pivot_core::admission::{BreakerConfig, BreakerState};
/// use pivot_tower::BreakerLayer;
/// let layer = BreakerLayer::new(BreakerConfig { failures_max: 10, ..BreakerConfig::PRESET })?;
/// assert_eq!(layer.breaker().state(), BreakerState::Closed);
/// # Ok::<(), pivot_core::mode::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BreakerLayer<A = HttpAnswer> {
    shared: &'static (Breaker<'static>, BreakerConfig),
    answer: A,
}

impl BreakerLayer {
    /// A closed breaker.
    ///
    /// # Errors
    /// The first field of `config` that is out of its range.
    pub fn new(config: BreakerConfig) -> Result<Self, ConfigError> {
        check_breaker(&config)?;
        Ok(Self { shared: keep((Breaker::new(), config)), answer: HttpAnswer })
    }
}

impl<A> BreakerLayer<A> {
    /// Answers in another way.
    #[must_use]
    pub fn answer<O>(self, answer: O) -> BreakerLayer<O> {
        BreakerLayer { shared: self.shared, answer }
    }

    /// The breaker, to look at it.
    pub fn breaker(&self) -> &'static Breaker<'static> {
        &self.shared.0
    }
}

impl<S, A: Clone> Layer<S> for BreakerLayer<A> {
    type Service = BreakerService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, layer: self.clone() }
    }
}

/// The service of [`BreakerLayer`].
#[derive(Clone, Copy, Debug)]
pub struct BreakerService<S, A = HttpAnswer> {
    inner: S,
    layer: BreakerLayer<A>,
}

/// A request that the breaker let through, until its result is known.
#[derive(Debug)]
pub struct Probe {
    ticket: Ticket<'static>,
    since: Instant,
}

impl<R: Answered, E> Guard<R, E> for Probe {
    fn end(self, result: &Result<R, E>) {
        let is_failure = match result {
            // Its ticket is dropped: nothing was learnt about the service.
            Ok(answer) if answer.refusal().is_some() => return,
            Ok(answer) => answer.status_code() >= 500,
            Err(_) => true,
        };
        let now = now();
        self.ticket.report(is_failure, now.since(self.since), now);
    }
}

impl<S, Req, A> Service<Req> for BreakerService<S, A>
where
    S: Service<Req, Response: Answered>,
    A: Answer<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Guarded<S::Future, S::Response, Probe>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (breaker, config) = self.layer.shared;
        let now = now();
        match breaker.admit(config, now) {
            Ok(ticket) => Guarded::running(self.inner.call(request), Probe { ticket, since: now }),
            Err(retry_at) => {
                let refused = Refused::new(Refusal::BreakerOpen { retry_at }, None, now);
                Guarded::refused(self.layer.answer.answer(&refused))
            }
        }
    }
}
