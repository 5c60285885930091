//! One route: a method, a pattern, a handler.

use core::fmt;
use core::marker::PhantomData;

use super::answer::IntoResponse;
use super::future::{OneOf1, Respond};
use super::layer::{Layered, Middleware};
use super::request::Request;
use super::response::Response;
use super::routes::{Prefix, RouteSpec, Routes};
use crate::http::Method;

/// A method, a pattern, and what handles it: a [`Handler`] or an [`Action`].
pub struct Route<H> {
    method: Method,
    pattern: &'static str,
    cost: u16,
    is_blocking: bool,
    handler: H,
}

impl<H> fmt::Debug for Route<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl<H> Route<H> {
    fn spec<'p>(&self, prefix: &'p Prefix<'p>) -> RouteSpec<'p> {
        RouteSpec {
            method: self.method,
            prefix,
            pattern: self.pattern,
            cost: self.cost,
            is_blocking: self.is_blocking,
        }
    }

    /// Sets what a request for this route costs: so many of those that its client, or whoever a limit is counted for, may
    /// make. 1 unless it is set; more than the burst of a limit is never let through.
    #[must_use]
    pub const fn cost(mut self, cost: u16) -> Self {
        self.cost = cost;
        self
    }

    /// Says that the handler blocks or burns CPU, so that it runs on a thread of its own kind and not in the loop, which
    /// nothing could interrupt there.
    ///
    /// Middleware around it runs on that thread too, in that thread's own copy of the application. What differs for such a
    /// handler, and what is bounded by what:
    ///
    /// - Requests wait for a thread in a queue of `blocking_queue_max` places, by class and then by age, for
    ///   `timeouts.queue` at most: 503 when it is full or the wait is over.
    /// - `timeouts.handler` begins with the request's own start, so waiting for a thread counts. At the deadline the client
    ///   gets its 503, but nothing can stop a thread: permit and buffers stay taken until the handler returns,
    ///   and its answer is thrown away. One that is suspended in an `await` at that moment is dropped there.
    /// - Content has to come whole before the handler starts, and as it was sent it has to fit into `head_size_max`: else 413.
    /// - The whole answer has to fit into the output buffer, streamed content too:
    ///   [`SendError::Full`](super::SendError::Full) beyond. It is sent when the handler is through.
    /// - The request holds two of `responses_max`.
    ///
    /// Without threads (`blocking_threads` 0, or a backend that has none) the handler runs in the loop like any other.
    ///
    /// ```
    /// use pivot_core::app::{App, Request, Response, Routes, SendError, Sent, get};
    ///
    /// async fn report(_req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
    ///     res.text("took a while")
    /// }
    /// fn app() -> App<impl Routes> {
    ///     App::new(get("/report", report).blocking())
    /// }
    /// ```
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.is_blocking = true;
        self
    }

    /// Puts middleware around this route alone.
    pub fn layer<M>(self, middleware: M) -> Layered<Self, M>
    where
        M: for<'a> Middleware<'a, Self>,
        Self: Routes,
    {
        Layered::new(self, middleware)
    }
}

/// A handler that stands on its own: `async (req, res)`.
pub struct Handler<F, R> {
    run: F,
    returns: PhantomData<fn() -> R>,
}

/// A handler that is a method of its controller: `async (&controller, req, res)`.
pub struct Action<F, R> {
    run: F,
    returns: PhantomData<fn() -> R>,
}

/// A route for any method.
pub const fn route<F, R>(method: Method, pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    Route {
        method,
        pattern,
        cost: 1,
        is_blocking: false,
        handler: Handler { run: handler, returns: PhantomData },
    }
}

/// A route inside of a [`controller`](super::controller()): its handler gets the controller as well.
pub const fn action<C, F, R>(method: Method, pattern: &'static str, handler: F) -> Route<Action<F, R>>
where
    F: AsyncFn(&C, Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    Route {
        method,
        pattern,
        cost: 1,
        is_blocking: false,
        handler: Action { run: handler, returns: PhantomData },
    }
}

/// A route for `GET`; it answers `HEAD` too.
pub const fn get<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Get, pattern, handler)
}

/// A route for `HEAD`, where that should not be what `GET` answers.
pub const fn head<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Head, pattern, handler)
}

/// A route for `POST`.
pub const fn post<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Post, pattern, handler)
}

/// A route for `PUT`.
pub const fn put<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Put, pattern, handler)
}

/// A route for `DELETE`.
pub const fn delete<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Delete, pattern, handler)
}

/// A route for `PATCH`.
pub const fn patch<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Patch, pattern, handler)
}

/// A route for `OPTIONS`, where the automatic answer is not enough.
pub const fn options<F, R>(pattern: &'static str, handler: F) -> Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    route(Method::Options, pattern, handler)
}

impl<C, F, R> Routes<C> for Route<Handler<F, R>>
where
    F: AsyncFn(Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    const COUNT: usize = 1;

    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        add(&self.spec(prefix));
    }

    fn call<'r>(
        &'r self,
        _: &'r C,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()> {
        if index != 0 {
            return OneOf1::NoRoute { req };
        }
        OneOf1::A { future: Respond::new(req.exchange, (self.handler.run)(req, res)) }
    }
}

impl<C, F, R> Routes<C> for Route<Action<F, R>>
where
    F: AsyncFn(&C, Request<'_>, Response<'_>) -> R,
    R: IntoResponse,
{
    const COUNT: usize = 1;

    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        add(&self.spec(prefix));
    }

    fn call<'r>(
        &'r self,
        context: &'r C,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()> {
        if index != 0 {
            return OneOf1::NoRoute { req };
        }
        OneOf1::A { future: Respond::new(req.exchange, (self.handler.run)(context, req, res)) }
    }
}
