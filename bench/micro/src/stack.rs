//! Layers around an axum application: bare, with Pivot's, and with what tower and tower-governor offer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{BoxError, Router};
use futures_util::FutureExt;
use pivot_core::admission::{BreakerConfig, Quota};
use pivot_tower::{BreakerLayer, MonitorLayer, RateLimitLayer, ShedLayer, ShedOptions};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::PeerIpKeyExtractor;

const CLIENTS: u32 = 1_000;
/// So many a second that nobody is refused: each request is looked up and charged all the same.
const PLENTY: u32 = 1_000_000;

fn app() -> Router {
    Router::new().route("/", get(async || "hello\n"))
}

/// Without any layer.
pub(crate) fn bare() -> impl FnMut(u64) {
    requests(app())
}

/// Monitor, quota for each client, permits and queue, breaker.
pub(crate) fn pivot() -> impl FnMut(u64) {
    let quota = Quota::new(PLENTY, Duration::from_secs(1), PLENTY).expect("in range");
    requests(
        app().layer(
            ServiceBuilder::new()
                .layer(MonitorLayer::new())
                .layer(RateLimitLayer::new(quota, 2 * CLIENTS as usize))
                .layer(ShedLayer::new(ShedOptions::PRESET).expect("in range"))
                .layer(BreakerLayer::new(BreakerConfig::PRESET).expect("in range")),
        ),
    )
}

/// Quota for each client, permits, shedding of what is above them.
pub(crate) fn tower() -> impl FnMut(u64) {
    let quota = GovernorConfigBuilder::default()
        .period(Duration::from_secs(1) / PLENTY)
        .burst_size(PLENTY)
        .key_extractor(PeerIpKeyExtractor)
        .finish()
        .expect("period and burst are above zero");
    requests(
        app()
            .layer(
                ServiceBuilder::new()
                    .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
                    .load_shed()
                    .layer(GlobalConcurrencyLimitLayer::new(512)),
            )
            .layer(GovernorLayer::new(Arc::new(quota))),
    )
}

fn requests(mut app: Router) -> impl FnMut(u64) {
    move |count| {
        for index in 0..count {
            let mut request = Request::new(Body::empty());
            let client =
                [10, 0, (index % u64::from(CLIENTS) / 256) as u8, (index % u64::from(CLIENTS)) as u8];
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((client, 1))));
            let answer = app.call(request).now_or_never().expect("nothing waits").expect("no error");
            assert_eq!(answer.status(), 200);
        }
    }
}
