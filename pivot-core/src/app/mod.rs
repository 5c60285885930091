//! The application: routes, groups, middleware, controllers, and what handlers are given.
//!
//! An application is one value, a tree of nested tuples whose type the compiler infers. Dispatch walks that tree by
//! the route's number; nothing is boxed, and the future of a whole application is the largest of its
//! handlers' and little more.
//!
//! ```
//! use pivot_core::app::{App, Next, Request, Response, Routes, SendError, Sent, get, group, post};
//!
//! async fn show_user(req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
//!     res.text(req.param("id").unwrap_or("nobody"))
//! }
//! async fn auth(req: Request<'_>, res: Response<'_>, next: Next<'_, impl Routes>) -> Result<Sent, SendError> {
//!     if req.header("authorization").is_none() {
//!         return res.status(401).text("who are you?");
//!     }
//!     Ok(next.run(req, res).await.header("x-auth", "ok").sent())
//! }
//! fn app() -> App<impl Routes> {
//!     App::new((
//!         get("/", async |_req, res| res.text("hello")),
//!         get("/users/{id}", show_user),
//!         group("/api", (post("/orders", async |_req, res| res.status(201).empty()),)).layer(auth),
//!     ))
//! }
//! assert_eq!(app().route_count(), 3);
//! ```
//!
//! Middleware runs from the outside in: what the whole application was layered with, then each group's from the
//! outermost, then the route's; of several layers on one thing, the last one that was added is outermost. The
//! application's own layers run for requests that no route matches, too.

mod answer;
pub mod buffer;
mod clockface;
mod controller;
mod cursor;
mod exchange;
mod future;
mod group;
mod input;
mod layer;
mod output;
mod request;
mod response;
mod route;
mod routes;

pub use answer::{ErrorStatus, IntoResponse};
pub use clockface::Clockface;
pub use controller::{Controller, controller};
pub use cursor::Cursor;
pub(crate) use exchange::Failure;
pub use exchange::{About, Exchange, Peer, Windows};
pub use group::{Group, group};
pub(crate) use input::Gathering;
pub use input::{BodyError, Input, Rest};
pub use layer::{Layered, Middleware, Next};
pub use output::{Output, SendError};
pub use request::{Extended, ParamError, Request};
pub use response::{Answered, BodyWriter, EventWriter, Part, Response, Sent};
pub use route::{Action, Handler, Route, action, delete, get, head, options, patch, post, put, route};
pub use routes::{Prefix, RouteSpec, Routes};

/// An application: its routes, and the layers around all of them.
#[derive(Clone, Debug)]
pub struct App<R> {
    routes: R,
}

impl<R: Routes> App<R> {
    /// An application of these routes.
    pub const fn new(routes: R) -> Self {
        Self { routes }
    }

    /// Puts middleware around everything, requests without a route included.
    pub fn layer<M>(self, middleware: M) -> App<Layered<R, M>>
    where
        M: for<'a> Middleware<'a, R>,
    {
        App { routes: Layered::new(self.routes, middleware) }
    }

    /// How many routes there are.
    pub const fn route_count(&self) -> usize {
        R::COUNT
    }

    /// Whether some route's handler blocks, so that threads for such handlers are of use.
    pub fn has_blocking_routes(&self) -> bool {
        let mut is_some_blocking = false;
        self.visit(&mut |spec| is_some_blocking |= spec.is_blocking);
        is_some_blocking
    }

    /// Calls `add` for each route, in order.
    pub fn visit(&self, add: &mut dyn FnMut(&RouteSpec<'_>)) {
        self.routes.visit(&Prefix::ROOT, add);
    }

    /// Runs the handler of the route with this number, or what answers where there is none.
    pub fn call<'r>(&'r self, index: usize, req: Request<'r>, res: Response<'r>) -> impl Future<Output = ()> {
        self.routes.call(&(), index, req, res)
    }
}
