//! A value whose methods are handlers.

use super::layer::{Layered, Middleware};
use super::request::Request;
use super::response::Response;
use super::routes::{Prefix, RouteSpec, Routes};

/// A value and the routes that its methods handle; made by [`controller()`].
#[derive(Clone, Debug)]
pub struct Controller<C, R> {
    value: C,
    routes: R,
}

/// Gives `value` to the handlers of `routes`: the methods of a type, or any function that takes it first.
///
/// That is also how handlers share state. A worker has an application of its own, so the value may hold `Cell`s;
/// what all workers share goes in by reference.
///
/// ```
/// use pivot_core::app::{App, Request, Response, Routes, SendError, Sent, action, controller};
/// use pivot_core::http::Method;
///
/// struct Users {
///     motto: &'static str,
/// }
/// impl Users {
///     async fn show(&self, _req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
///         res.text(self.motto)
///     }
/// }
/// fn app() -> App<impl Routes> {
///     App::new(controller(Users { motto: "all equal" }, (action(Method::Get, "/users", Users::show),)))
/// }
/// assert_eq!(app().route_count(), 1);
/// ```
pub const fn controller<C, R: Routes<C>>(value: C, routes: R) -> Controller<C, R> {
    Controller { value, routes }
}

impl<C, R: Routes<C>> Controller<C, R> {
    /// Puts middleware around the routes of this controller.
    pub fn layer<M>(self, middleware: M) -> Layered<Self, M>
    where
        M: for<'a> Middleware<'a, Self>,
    {
        Layered::new(self, middleware)
    }
}

impl<O, C, R: Routes<C>> Routes<O> for Controller<C, R> {
    const COUNT: usize = R::COUNT;

    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        self.routes.visit(prefix, add);
    }

    fn call<'r>(
        &'r self,
        _: &'r O,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()> {
        self.routes.call(&self.value, index, req, res)
    }
}
