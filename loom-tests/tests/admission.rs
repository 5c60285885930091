//! What workers share in admission: no charge and no permit is lost between two of them.
#![cfg(pivot_loom)]

use std::net::Ipv4Addr;
use std::time::Duration;

use loom::sync::Arc;
use pivot_core::admission::{Class, ClientKey, Permits, Quota, RateCell, RateLimiter, Seed};
use pivot_core::time::Instant;

const NOW: Instant = Instant::from_millis(5_000);

#[test]
fn rate_limiter_gives_two_workers_one_burst() {
    loom::model(|| {
        let cells: &'static [RateCell] = (0..8).map(|_| RateCell::new()).collect::<Vec<_>>().leak();
        let quota = Quota::new(1, Duration::from_secs(60), 2).unwrap();
        let limiter = Arc::new(RateLimiter::new(cells, quota));
        let key = ClientKey::of_address(Ipv4Addr::LOCALHOST.into(), Seed(1, 2));
        // The client is known, so both workers charge the same cell.
        assert!(limiter.charge(key, 1, NOW).is_ok());
        let other = limiter.clone();
        let charging = loom::thread::spawn(move || u32::from(other.charge(key, 1, NOW).is_ok()));
        let here = u32::from(limiter.charge(key, 1, NOW).is_ok());
        assert_eq!(here + charging.join().unwrap(), 1);
    });
}

#[test]
fn permits_are_never_more_than_the_limit() {
    loom::model(|| {
        let permits: &'static Permits = Box::leak(Box::new(Permits::new(1, 0)));
        let taking = loom::thread::spawn(|| permits.try_take(Class::Normal));
        let here = permits.try_take(Class::Normal);
        let there = taking.join().unwrap();
        assert!(here.is_some() ^ there.is_some(), "one permit, one holder");
        drop((here, there));
        assert_eq!(permits.taken_count(), 0);
    });
}
