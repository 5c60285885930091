//! The limiter as a whole: table, sketch, clocks that step.

use super::*;
use crate::admission::Seed;
use crate::time::Duration;
use std::vec::Vec;

pub(super) fn key(number: u32) -> ClientKey {
    ClientKey::of_address(core::net::Ipv4Addr::from(number).into(), Seed(7, 9))
}

pub(super) fn sets(clients: usize) -> Vec<RateSet> {
    (0..RateLimiter::sets_for(clients)).map(|_| RateSet::new()).collect()
}

#[test]
fn a_silent_client_may_make_its_burst_at_once_and_then_keeps_to_the_rate() {
    let sets = sets(1);
    let limiter = RateLimiter::new(&sets, Quota::PRESET);
    let start = Instant::from_millis(5);
    for _ in 0..10 {
        assert_eq!(limiter.charge(key(1), 1, start), Ok(()));
    }
    let retry_at = limiter.charge(key(1), 1, start).unwrap_err();
    assert_eq!(retry_at, start.plus(Duration::from_millis(600)));
    assert!(limiter.charge(key(1), 1, start.plus(Duration::from_millis(599))).is_err());
    assert_eq!(limiter.charge(key(1), 1, retry_at), Ok(()));
    assert_eq!(limiter.charge(key(2), 1, start), Ok(()), "others have a quota of their own");
}

#[test]
fn ten_million_a_second_is_counted_as_that() {
    let sets = sets(1);
    let limiter = RateLimiter::new(&sets, Quota::new(10_000_000, Duration::from_secs(1), 20).unwrap());
    let mut admitted = 0;
    for us in 0..10_000 {
        for _ in 0..30 {
            admitted += u32::from(limiter.charge(key(1), 1, Instant::from_micros(1_000 + us)).is_ok());
        }
    }
    assert!((98_000..=100_020).contains(&admitted), "{admitted} in 10 ms");
}
