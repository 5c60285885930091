//! axum behind tower's bound on requests at one time and its load shedding, with a handler that yields before it works.
//!
//! Without the yield no two requests ever run at one time on one thread, so that the bound is never met and the queue
//! stands where nobody sees it: in the sockets.

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::get;
use pivot_bench_peers::{BESIDE_MAX, Burn, HELLO, arguments, burn, tokio_listener, tokio_runtime};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{BoxError, ServiceBuilder};

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(BESIDE_MAX));
    let work = get(async |Query(query): Query<Burn>| {
        tokio::task::yield_now().await;
        burn(query.ms);
        "burnt\n"
    });
    let app = Router::new().route("/", get(async || HELLO)).route("/cpu", work).layer(limits);
    tokio_runtime(threads)?.block_on(async { axum::serve(tokio_listener(address)?, app).await })
}
