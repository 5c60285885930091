//! What the servers on axum share.

use axum::error_handling::HandleErrorLayer;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{BoxError, Json, Router};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::{BESIDE_MAX, Burn, HELLO, User, burn};

/// The whole application, whose work keeps its loop.
pub fn app() -> Router {
    Router::new()
        .route("/", get(async || HELLO))
        .route("/users/{id}", get(async |Path(id): Path<u64>| Json(User::new(id))))
        .route(
            "/cpu",
            get(async |Query(query): Query<Burn>| {
                burn(query.ms);
                "burnt\n"
            }),
        )
}

/// tower's bound on requests at one time around an application, and its shedding of what is above.
pub fn limited(app: Router) -> Router {
    app.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::new(BESIDE_MAX)),
    )
}
