//! axum with the protection that tower offers: a rate for each client, a bound on requests at one time, shedding of
//! what is above it, and a deadline. The numbers are those of Pivot's profile `high`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use axum::error_handling::HandleErrorLayer;
use axum::http::StatusCode;
use pivot_bench_peers::axum::app;
use pivot_bench_peers::{arguments, tokio_listener, tokio_runtime};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::PeerIpKeyExtractor;

const CONCURRENCY_MAX: usize = 512;
const HANDLER_TIME_MAX: Duration = Duration::from_secs(30);
/// So many that nobody is refused: each request is looked up and charged all the same.
const PLENTY: u32 = 10_000_000;

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let quota = GovernorConfigBuilder::default()
        .period(Duration::from_secs(1) / PLENTY)
        .burst_size(PLENTY)
        .key_extractor(PeerIpKeyExtractor)
        .finish()
        .expect("period and burst are above zero");
    let protection = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |error: BoxError| {
            if error.is::<tower::timeout::error::Elapsed>() {
                (StatusCode::GATEWAY_TIMEOUT, "too slow\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "too many requests at one time\n")
            }
        }))
        .load_shed()
        // The limit of all connections together: `concurrency_limit` would count for each clone of the service.
        .layer(GlobalConcurrencyLimitLayer::new(CONCURRENCY_MAX))
        .timeout(HANDLER_TIME_MAX);
    let app = app().layer(protection).layer(GovernorLayer::new(Arc::new(quota)));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio_runtime(threads)?.block_on(async { axum::serve(tokio_listener(address)?, app).await })
}
