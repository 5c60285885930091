//! axum behind tower's bound on requests at one time and its load shedding, with a handler that yields before it works.
//!
//! Without the yield no two requests ever run at one time on one thread, so that the bound is never met and the queue
//! stands where nobody sees it: in the sockets.

use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use pivot_bench_peers::axum::limited;
use pivot_bench_peers::{Burn, HELLO, arguments, burn, tokio_listener, tokio_runtime};

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let work = get(async |Query(query): Query<Burn>| {
        tokio::task::yield_now().await;
        burn(query.ms);
        "burnt\n"
    });
    let app = limited(Router::new().route("/", get(async || HELLO)).route("/cpu", work));
    tokio_runtime(threads)?.block_on(async { axum::serve(tokio_listener(address)?, app).await })
}
