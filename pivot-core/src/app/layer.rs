//! Middleware.

use core::fmt;

use super::answer::IntoResponse;
use super::future::{Inner, Respond};
use super::request::Request;
use super::response::{Answered, Response};
use super::routes::{Prefix, RouteSpec, Routes};

/// An `async (req, res, next)` function: it may answer by itself, or run what lies further in and change the answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not middleware for these routes",
    label = "not middleware",
    note = "middleware is `async fn(req: Request<'_>, res: Response<'_>, next: Next<'_, impl Routes>) -> R`, where `R` is `Sent` or a `Result<Sent, _>`"
)]
pub trait Middleware<'a, R: 'a> {
    /// Runs the middleware.
    fn run(&'a self, req: Request<'a>, res: Response<'a>, next: Next<'a, R>) -> impl Future<Output = ()>;
}

impl<'a, R: 'a, M, T> Middleware<'a, R> for M
where
    M: AsyncFn(Request<'a>, Response<'a>, Next<'a, R>) -> T + 'a,
    T: IntoResponse,
{
    fn run(&'a self, req: Request<'a>, res: Response<'a>, next: Next<'a, R>) -> impl Future<Output = ()> {
        Respond::new(req.exchange, self(req, res, next))
    }
}

/// What lies further in.
pub struct Next<'r, R> {
    routes: &'r R,
    index: usize,
}

impl<R> fmt::Debug for Next<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("index", &self.index).finish_non_exhaustive()
    }
}

impl<'r, R: Routes> Next<'r, R> {
    /// Runs it, and answers with what can still be done about its answer.
    pub fn run<'a>(self, req: Request<'a>, res: Response<'a>) -> impl Future<Output = Answered<'a>>
    where
        'r: 'a,
    {
        Inner::new(req.exchange, self.routes.call(&(), self.index, req, res))
    }
}

/// Routes with middleware around them.
#[derive(Clone, Debug)]
pub struct Layered<R, M> {
    routes: R,
    middleware: M,
}

impl<R, M> Layered<R, M> {
    pub(super) const fn new(routes: R, middleware: M) -> Self {
        Self { routes, middleware }
    }
}

impl<R: Routes, M: for<'a> Middleware<'a, R>> Layered<R, M> {
    /// Puts further middleware around: it runs before this.
    pub fn layer<N>(self, middleware: N) -> Layered<Self, N>
    where
        N: for<'a> Middleware<'a, Self>,
    {
        Layered::new(self, middleware)
    }
}

impl<C, R: Routes, M: for<'a> Middleware<'a, R>> Routes<C> for Layered<R, M> {
    const COUNT: usize = R::COUNT;

    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        self.routes.visit(prefix, add);
    }

    fn call<'r>(
        &'r self,
        _: &'r C,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()> {
        self.middleware.run(req, res, Next { routes: &self.routes, index })
    }
}
