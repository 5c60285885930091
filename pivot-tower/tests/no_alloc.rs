//! An admitted request takes nothing from the heap.

#[path = "../../pivot-std/tests/common/counting.rs"]
mod counting;

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use counting::ALLOCATIONS;
use http::{Request, Response};
use pivot_core::admission::{BreakerConfig, Quota};
use pivot_core::time::Duration;
use pivot_tower::{
    BreakerLayer, ConcurrencyLimitLayer, MonitorLayer, RateLimitLayer, ShedLayer, ShedOptions,
};
use tower::{Service, ServiceBuilder, service_fn};

#[tokio::test]
async fn the_whole_stack_adds_no_allocation() {
    let mut service = ServiceBuilder::new()
        .layer(MonitorLayer::new())
        .layer(RateLimitLayer::new(Quota::new(1_000_000, Duration::from_secs(1), 1_000_000).unwrap(), 100))
        .layer(ShedLayer::new(ShedOptions::PRESET).unwrap())
        .layer(BreakerLayer::new(BreakerConfig::PRESET).unwrap())
        .layer(ConcurrencyLimitLayer::new(8))
        .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
    for round in 0..2 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..1_000 {
            std::future::poll_fn(|context| service.poll_ready(context)).await.unwrap();
            assert_eq!(service.call(Request::new(())).await.unwrap().status(), 200);
        }
        // The first round has the thread's number and the runtime's own beginnings.
        assert!(round == 0 || ALLOCATIONS.load(Ordering::Relaxed) == before);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > before, "the counter counts");
}
