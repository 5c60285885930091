//! axum, without any limit.

use pivot_bench_peers::axum::app;
use pivot_bench_peers::{arguments, tokio_listener, tokio_runtime};

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    tokio_runtime(threads)?.block_on(async { axum::serve(tokio_listener(address)?, app()).await })
}
