//! What workers share in admission: no charge and no permit is lost between two of them.
#![cfg(pivot_loom)]

use std::net::Ipv4Addr;
use std::time::Duration;

use loom::sync::Arc;
use pivot_core::admission::{Class, ClientKey, Permits, Quota, RateCell, RateLimiter, RateSet, Seed};
use pivot_core::time::Instant;

const NOW: Instant = Instant::from_millis(5_000);

fn limiter(quota: Quota) -> RateLimiter<'static> {
    let sets: Vec<RateSet> = (0..RateLimiter::sets_for(1)).map(|_| RateSet::new()).collect();
    RateLimiter::new(sets.leak(), quota)
}

#[test]
fn rate_limiter_gives_two_workers_one_burst() {
    loom::model(|| {
        let limiter = Arc::new(limiter(Quota::new(1, Duration::from_secs(60), 2).unwrap()));
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
fn rate_limiter_lets_an_unknown_client_of_two_workers_in_once() {
    loom::model(|| {
        let limiter = Arc::new(limiter(Quota::new(1, Duration::from_secs(60), 1).unwrap()));
        let key = ClientKey::of_address(Ipv4Addr::LOCALHOST.into(), Seed(1, 2));
        let other = limiter.clone();
        let charging = loom::thread::spawn(move || u32::from(other.charge(key, 1, NOW).is_ok()));
        let here = u32::from(limiter.charge(key, 1, NOW).is_ok());
        assert_eq!(here + charging.join().unwrap(), 1);
    });
}

#[test]
fn rate_cell_gives_two_workers_one_burst() {
    loom::model(|| {
        let quota = Quota::new(1, Duration::from_secs(60), 1).unwrap();
        let cell = Arc::new(RateCell::new());
        let other = cell.clone();
        let charging = loom::thread::spawn(move || u32::from(other.charge(&quota, 1, NOW).is_ok()));
        let here = u32::from(cell.charge(&quota, 1, NOW).is_ok());
        assert_eq!(here + charging.join().unwrap(), 1);
    });
}

#[test]
fn a_quota_that_changes_twice_is_read_whole() {
    // Ten words are read and written: two preemptions are enough to tear them, and three take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let quotas = [1, 2, 3].map(|count| Quota::new(count, Duration::from_secs(60), count).unwrap());
        let limiter = Arc::new(limiter(quotas[0]));
        let other = limiter.clone();
        // The second change writes to the slot that a reader of the first quota has in hand.
        let changing = loom::thread::spawn(move || {
            assert!(other.set_quota(quotas[1]) && other.set_quota(quotas[2]));
        });
        let seen = limiter.quota();
        assert!(quotas.contains(&seen), "half a quota: {seen:?}");
        changing.join().unwrap();
        assert_eq!(limiter.quota(), quotas[2]);
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
