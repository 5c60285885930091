//! axum, without any limit.

use axum::extract::{Path, Query};
use axum::routing::get;
use axum::{Json, Router};
use pivot_bench_peers::{Burn, HELLO, User, arguments, burn, tokio_listener, tokio_runtime};

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let app = Router::new()
        .route("/", get(async || HELLO))
        .route("/users/{id}", get(async |Path(id): Path<u64>| Json(User::new(id))))
        .route(
            "/cpu",
            get(async |Query(query): Query<Burn>| {
                burn(query.ms);
                "burnt\n"
            }),
        );
    tokio_runtime(threads)?.block_on(async { axum::serve(tokio_listener(address)?, app).await })
}
