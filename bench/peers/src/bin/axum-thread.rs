//! axum behind tower's bound on requests at one time and its load shedding, with the work on a thread of its own.
//!
//! The loop is free to refuse meanwhile. The thread's queue is bounded by the requests that may be under way.

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::get;
use pivot_bench_peers::axum::limited;
use pivot_bench_peers::{Burn, HELLO, arguments, burn, tokio_listener};

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let work = get(async |Query(query): Query<Burn>| {
        match tokio::task::spawn_blocking(move || burn(query.ms)).await {
            Ok(()) => Ok("burnt\n"),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    });
    let app = limited(Router::new().route("/", get(async || HELLO)).route("/cpu", work));
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(threads)
        .enable_all()
        .build()?
        .block_on(async { axum::serve(tokio_listener(address)?, app).await })
}
