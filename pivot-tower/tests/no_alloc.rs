//! An admitted request takes nothing from the heap.
#![allow(unsafe_code, reason = "a global allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, Response};
use pivot_core::admission::{BreakerConfig, Quota};
use pivot_core::time::Duration;
use pivot_tower::{
    BreakerLayer, ConcurrencyLimitLayer, MonitorLayer, RateLimitLayer, ShedLayer, ShedOptions,
};
use tower::{Service, ServiceBuilder, service_fn};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

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
