//! How many requests run at once, without a queue.

use std::task::{Context, Poll};

use pivot_core::admission::{Class, Permit, Permits, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Answer, HttpAnswer, Refused};
use crate::clock::{keep, now};
use crate::future::{Guard, Guarded};

/// Refuses requests while as many run as may: [`Permits`] as a layer. For a bounded wait instead, and for a limit that
/// finds itself, take [`ShedLayer`](crate::ShedLayer).
///
/// All services that one layer (or a clone of it) makes share the limit.
///
/// ```
/// use pivot_tower::ConcurrencyLimitLayer;
/// let layer = ConcurrencyLimitLayer::new(512);
/// layer.permits().set_limit(256);
/// assert_eq!(layer.permits().taken_count(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConcurrencyLimitLayer<A = HttpAnswer> {
    permits: &'static Permits,
    answer: A,
}

impl ConcurrencyLimitLayer {
    /// At most `limit` requests at once.
    pub fn new(limit: u32) -> Self {
        Self { permits: keep(Permits::new(limit, 0)), answer: HttpAnswer }
    }
}

impl<A> ConcurrencyLimitLayer<A> {
    /// Answers in another way.
    #[must_use]
    pub fn answer<O>(self, answer: O) -> ConcurrencyLimitLayer<O> {
        ConcurrencyLimitLayer { permits: self.permits, answer }
    }

    /// The permits: to look at them, or to change how many there are.
    pub fn permits(&self) -> &'static Permits {
        self.permits
    }
}

impl<S, A: Clone> Layer<S> for ConcurrencyLimitLayer<A> {
    type Service = ConcurrencyLimitService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimitService { inner, layer: self.clone() }
    }
}

/// The service of [`ConcurrencyLimitLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ConcurrencyLimitService<S, A = HttpAnswer> {
    inner: S,
    layer: ConcurrencyLimitLayer<A>,
}

/// A permit that is given back when the request ends or is dropped.
#[derive(Debug)]
pub struct HeldPermit {
    _permit: Permit<'static>,
}

impl<R, E> Guard<R, E> for HeldPermit {
    fn end(self, _: &Result<R, E>) {}
}

impl<S, Req, A> Service<Req> for ConcurrencyLimitService<S, A>
where
    S: Service<Req>,
    A: Answer<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Guarded<S::Future, S::Response, HeldPermit>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.layer.permits.try_take(Class::Normal) {
            Some(permit) => Guarded::running(self.inner.call(request), HeldPermit { _permit: permit }),
            None => {
                let refused = Refused::new(Refusal::QueueFull, None, now());
                Guarded::refused(self.layer.answer.answer(&refused))
            }
        }
    }
}
