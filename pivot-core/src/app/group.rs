//! Routes under a common prefix.

use super::layer::{Layered, Middleware};
use super::request::Request;
use super::response::Response;
use super::routes::{Prefix, RouteSpec, Routes};

/// Routes whose patterns begin with the same prefix; made by [`group()`].
#[derive(Clone, Debug)]
pub struct Group<R> {
    prefix: &'static str,
    is_blocking: bool,
    routes: R,
}

/// Puts routes under a prefix: `group("/api", (get("/orders", …),))` has the route `/api/orders`.
///
/// A prefix begins with a slash and does not end with one; it covers whole segments.
pub const fn group<R>(prefix: &'static str, routes: R) -> Group<R> {
    Group { prefix, is_blocking: false, routes }
}

impl<R> Group<R> {
    /// Marks every route of this group as one whose handler blocks; see [`Route::blocking`](super::Route::blocking).
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.is_blocking = true;
        self
    }
}

impl<R: Routes> Group<R> {
    /// Puts middleware around the routes of this group.
    pub fn layer<M>(self, middleware: M) -> Layered<Self, M>
    where
        M: for<'a> Middleware<'a, Self>,
    {
        Layered::new(self, middleware)
    }
}

impl<C, R: Routes<C>> Routes<C> for Group<R> {
    const COUNT: usize = R::COUNT;

    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        self.routes.visit(&prefix.nest(self.prefix), &mut |spec| {
            add(&RouteSpec { is_blocking: spec.is_blocking || self.is_blocking, ..*spec });
        });
    }

    fn call<'r>(
        &'r self,
        context: &'r C,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()> {
        self.routes.call(context, index, req, res)
    }
}
