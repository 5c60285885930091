//! The shape of an application: A1, A2, A3.

use std::cell::Cell;

use pivot_core::app::{
    App, Group, Next, Request, Response, Routes, SendError, Sent, action, controller, get, group, post,
};
use pivot_core::http::Method;
use pivot_core::serve::{Admitted, run};

async fn small(_req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
    res.text("small")
}

/// The largest handler: what it keeps across its waiting is its future.
async fn large(req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
    let mut kept = [0; 2_000];
    let _ = req.read(&mut kept).await;
    res.bytes("application/octet-stream", &kept)
}

async fn auth(req: Request<'_>, res: Response<'_>, next: Next<'_, impl Routes>) -> Result<Sent, SendError> {
    if req.header("authorization").is_none() {
        return res.status(401).text("who are you?");
    }
    Ok(next.run(req, res).await.header("x-auth", "ok").sent())
}

struct Users {
    shown: Cell<u32>,
}

impl Users {
    async fn show(&self, _req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
        self.shown.set(self.shown.get() + 1);
        res.text("user")
    }
}

/// Ten routes.
fn ten(prefix: &'static str) -> Group<impl Routes> {
    group(
        prefix,
        (
            get("/a", small),
            post("/a", small),
            get("/b/{id}", small),
            post("/b/{id}", small),
            get("/c/{id}/d", async |_req, res| res.text("closure")),
            get("/c/{id}/e", small),
            get("/f/{*rest}", small),
            get("/g", small),
            group("/h", (get("/i", small), post("/i", small))),
        ),
    )
}

fn app() -> App<impl Routes> {
    App::new((
        (ten("/1"), ten("/2"), ten("/3"), ten("/4"), ten("/5"), ten("/6")),
        group("/v2", (ten("/1"), ten("/2"), ten("/3"), group("/v3", (ten("/4"), ten("/5"), ten("/6"))))),
        controller(
            Users { shown: Cell::new(0) },
            (action(Method::Get, "/users/{id}", Users::show), action(Method::Get, "/me", Users::show)),
        ),
        group("/api", (get("/x", small), get("/y", small), get("/z", small))).layer(auth),
        (get("/p", small), get("/q", small), get("/r", small), get("/s", small), get("/large", large)),
    ))
}

fn future_size<A, F>(_: fn(A) -> F) -> usize {
    size_of::<F>()
}

fn run_size<R: Routes + 'static>(_: fn() -> App<R>) -> usize {
    future_size(run::<R> as fn(Admitted<R>) -> _)
}

fn handler_size<A, B, F>(_: fn(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn one_hundred_and_thirty_routes_are_one_value_in_the_order_in_which_they_were_written() {
    let app = app();
    assert_eq!(app.route_count(), 130);
    let mut patterns = Vec::new();
    app.visit(&mut |spec| {
        let mut pattern = String::new();
        spec.prefix.for_each(&mut |part| pattern += part);
        patterns.push(format!("{} {pattern}{}", spec.method, spec.pattern));
    });
    assert_eq!(patterns.len(), 130);
    assert_eq!(patterns[9], "POST /1/h/i");
    assert_eq!(patterns[119], "POST /v2/v3/6/h/i");
    assert_eq!(patterns[129], "GET /large");
}

#[test]
fn the_future_of_all_routes_is_the_largest_handlers_and_a_little_more() {
    let largest = handler_size(large as fn(Request<'static>, Response<'static>) -> _);
    let whole = run_size(app);
    assert!(largest >= 2_000);
    let beyond = whole - largest;
    assert!(beyond <= BEYOND_MAX, "{beyond} bytes beyond the largest handler's {largest}");
}

/// What the levels between the server and a handler may add, on a 64-bit machine.
const BEYOND_MAX: usize = 128;
