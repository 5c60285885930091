//! axum behind the whole stack, and a handler that calls another service under breaker, retry budget and deadline.
//!
//! `cargo run -p pivot-tower --features axum --example axum`, then `curl -i localhost:3000/`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use pivot_core::admission::{
    Breaker, BreakerConfig, CallRefusal, Deadline, Outbound, Quota, Upstream, UpstreamConfig,
};
use pivot_tower::{BreakerLayer, MonitorLayer, RateLimitLayer, ShedLayer, ShedOptions, now};
use tower::ServiceBuilder;

/// The application, `users` being where another service answers.
fn app(users: SocketAddr, monitor: MonitorLayer, quota: Quota) -> Router {
    let upstream: &'static Upstream<'static> =
        Box::leak(Box::new(Upstream::new(UpstreamConfig::PRESET, Breaker::new())));
    let protection = ServiceBuilder::new()
        .layer(monitor)
        .layer(RateLimitLayer::new(quota, 10_000))
        .layer(ShedLayer::new(ShedOptions::PRESET).expect("the preset is in range"))
        .layer(BreakerLayer::new(BreakerConfig::PRESET).expect("the preset is in range"));
    Router::new()
        .route("/", get(async || "hello\n"))
        .route("/user", get(async move || user(users, upstream).await))
        .layer(protection)
}

/// Asks the other service, and once more if that fails and the budget has a retry left.
async fn user(users: SocketAddr, upstream: &'static Upstream<'static>) -> StatusCode {
    let guard = upstream.guard(Deadline::at(now().plus(Duration::from_secs(2))));
    let mut answer = call(users, &guard, false).await;
    if answer == Ok(None) {
        answer = call(users, &guard, true).await;
    }
    match answer {
        Ok(Some(status)) => status,
        Ok(None) | Err(CallRefusal::RetriesExhausted) => StatusCode::BAD_GATEWAY,
        Err(CallRefusal::DeadlineExpired) => StatusCode::GATEWAY_TIMEOUT,
        Err(CallRefusal::BreakerOpen { .. }) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// One call: its status, or `None` if there was no answer in time.
async fn call(
    users: SocketAddr,
    guard: &Outbound<'static>,
    is_retry: bool,
) -> Result<Option<StatusCode>, CallRefusal> {
    let call = if is_retry { guard.try_retry(now())? } else { guard.try_call(now())? };
    let left = call.deadline().left(now());
    match tokio::time::timeout(left, exchange(users, call.deadline())).await {
        Ok(Ok(status)) => {
            call.answered(status.as_u16(), now());
            Ok(Some(status))
        }
        Ok(Err(_)) | Err(_) => {
            call.failed(now());
            Ok(None)
        }
    }
}

async fn exchange(
    users: SocketAddr,
    deadline: Deadline,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(users).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = hyper::Request::get("/").header("host", "users");
    if let Some(value) = deadline.header_value(now()) {
        // Whoever answers knows until when it is worth while.
        request = request.header(pivot_core::admission::DEADLINE_HEADER, value.as_str());
    }
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?.status())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let app = app(([127, 0, 0, 1], 3001).into(), MonitorLayer::new(), Quota::PRESET);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use axum::http::{Request, Response};
    use pivot_core::monitor::Outcome;
    use tower::ServiceExt;

    async fn get(app: &Router, path: &str, client: u8) -> Response<Body> {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, client], 1))));
        app.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn each_client_has_its_quota_and_is_told_when_to_come_back() {
        let monitor = MonitorLayer::new();
        let quota = Quota::new(2, Duration::from_secs(3_600), 2).unwrap();
        let app = app(([127, 0, 0, 1], 9).into(), monitor, quota);
        for _ in 0..2 {
            assert_eq!(get(&app, "/", 1).await.status(), 200);
        }
        let refused = get(&app, "/", 1).await;
        assert_eq!(refused.status(), 429);
        assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1_799);
        assert!(refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"client\";r=0;t="));
        assert_eq!(refused.headers()["ratelimit-policy"], "\"client\";q=2;w=3600");
        assert_eq!(get(&app, "/", 2).await.status(), 200, "another client");
        let totals = monitor.totals();
        assert_eq!((totals.outcome(Outcome::Success), totals.outcome(Outcome::Refused)), (3, 1));
        assert_eq!((totals.requests, totals.in_flight()), (4, 0));
    }

    #[tokio::test]
    async fn calls_to_a_service_that_is_gone_stop_after_a_while() {
        // Bound and not listening: the port is nobody else's, and refuses.
        let gone = tokio::net::TcpSocket::new_v4().unwrap();
        gone.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let quota = Quota::new(1_000, Duration::from_secs(1), 1_000).unwrap();
        let app = app(gone.local_addr().unwrap(), MonitorLayer::new(), quota);
        let mut statuses = Vec::new();
        for _ in 0..19 {
            statuses.push(get(&app, "/user", 1).await.status().as_u16());
        }
        assert_eq!(statuses[..10], [502; 10], "each call and its retry failed");
        assert_eq!(statuses[10..], [503; 9], "twenty failures have opened the breaker of the calls");
    }

    #[tokio::test]
    async fn a_service_that_answers_is_asked_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = Router::new().route("/", axum::routing::get(async || StatusCode::NO_CONTENT));
        tokio::spawn(axum::serve(listener, users).into_future());
        let app = app(address, MonitorLayer::new(), Quota::PRESET);
        assert_eq!(get(&app, "/user", 1).await.status(), 204);
    }
}
