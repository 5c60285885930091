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

#[test]
fn a_cell_is_found_again_only_by_its_client_and_dropped_when_it_is_old() {
    let sets = sets(1);
    let limiter = RateLimiter::new(&sets, Quota::new(1, Duration::from_secs(60), 1).unwrap());
    let start = Instant::from_millis(1);
    assert!(limiter.charge(key(1), 1, start).is_ok());
    // 40 bits of a state would wrap after 18 minutes: a state of exactly that age is not taken for a new one.
    let wrapped = Instant::from_micros(start.as_micros() + (1 << 30));
    assert!(limiter.charge(key(1), 1, wrapped).is_ok());
    assert!(limiter.charge(key(1), 1, wrapped).is_err());
}

#[test]
fn a_changed_quota_holds_from_the_next_charge_on_and_debts_stay() {
    let sets = sets(1);
    let limiter = RateLimiter::new(&sets, Quota::new(10, Duration::from_secs(10), 10).unwrap());
    let now = Instant::from_millis(1);
    let burst = |now| (0..100).filter(|_| limiter.charge(key(1), 1, now).is_ok()).count();
    assert_eq!(burst(now), 10);
    assert!(limiter.set_quota(Quota::new(10, Duration::from_secs(10), 15).unwrap()));
    assert_eq!(limiter.quota().burst(), 15);
    assert_eq!(burst(now), 5, "ten were owed, five more are allowed");
    assert!(limiter.set_quota(Quota::with(Algorithm::FixedWindow, 3, Duration::from_secs(60), 3).unwrap()));
    assert_eq!(burst(now), 3, "another algorithm begins anew");
}

#[test]
fn a_decision_tells_what_is_left_and_when_all_is_back_for_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, Quota::with(algorithm, 6, Duration::from_secs(6), 6).unwrap());
        let now = Instant::from_millis(12_000);
        for left in (0..6).rev() {
            assert_eq!(limiter.check(key(1), 1, now).remaining, left + 1, "{algorithm:?}");
            let decision = limiter.decide(key(1), 1, now);
            assert!(decision.is_admitted() && decision.remaining == left, "{algorithm:?}: {decision:?}");
        }
        let decision = limiter.decide(key(1), 1, now);
        assert!(!decision.is_admitted() && decision.remaining == 0 && decision.reset > now, "{algorithm:?}");
        assert!(limiter.check(key(1), 1, decision.retry_at.unwrap()).is_admitted(), "{algorithm:?}");
        assert_eq!(limiter.check(key(1), 1, decision.reset).remaining, 6, "{algorithm:?}: {decision:?}");
        assert_eq!(limiter.check(key(1), 7, decision.reset).retry_at, Some(Instant::NEVER), "{algorithm:?}");
    }
}

/// Numbers from the test's own generator: SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 1
}

/// Ten million strangers with a request each, in a hundred seconds. A debug build sends a twentieth of them in the same time.
#[test]
fn a_flood_of_keys_neither_frees_the_heavy_nor_shuts_out_the_light() {
    const HEAVY: u32 = 50;
    const LIGHT: u32 = 1_000;
    let strangers: u64 = if cfg!(debug_assertions) { 500_000 } else { 10_000_000 };
    let sets = sets(16_384);
    let limiter = RateLimiter::new(&sets, Quota::PRESET);
    let start = Instant::from_millis(1_000);
    let (heavy, light) = (0..HEAVY, 1_000_000..1_000_000 + LIGHT);
    let mut seed = 1;
    // Both are known before the flood.
    for number in heavy.clone() {
        while limiter.charge(key(number), 1, start).is_ok() {}
    }
    for number in light.clone() {
        assert!(limiter.charge(key(number), 1, start).is_ok());
    }
    let (mut heavy_admitted, mut light_sent, mut light_admitted) = (0_u64, 0_u64, 0_u64);
    for tenth in 1..=1_000 {
        let now = start.plus(Duration::from_millis(100 * tenth));
        for _ in 0..strangers / 1_000 {
            let stranger = ClientKey::of_address(
                core::net::Ipv6Addr::from(u128::from(random(&mut seed)) << 64).into(),
                Seed(7, 9),
            );
            let _ = limiter.charge(stranger, 1, now);
        }
        // Ten times what it may.
        for number in heavy.clone() {
            for _ in 0..2 {
                heavy_admitted += u64::from(limiter.charge(key(number), 1, now).is_ok());
            }
        }
        // Each once in ten seconds, a hundredth of them each tenth of a second.
        for number in light.clone().filter(|number| u64::from(*number) % 100 == tenth % 100) {
            light_sent += 1;
            light_admitted += u64::from(limiter.charge(key(number), 1, now).is_ok());
        }
    }
    let allowed = u64::from(HEAVY) * 100 * 100 / 60;
    assert!(heavy_admitted <= allowed + u64::from(HEAVY), "{heavy_admitted} admitted, {allowed} allowed");
    assert!(heavy_admitted * 100 >= allowed * 98, "they get what is theirs: {heavy_admitted} of {allowed}");
    assert!(light_admitted * 100 >= light_sent * 99, "{light_admitted} of {light_sent}");
}

/// A client that comes into a full set is limited all the same, by the sketch.
#[test]
fn a_newcomer_to_a_full_set_gets_no_more_than_its_quota() {
    let sets = sets(1);
    let limiter = RateLimiter::new(&sets, Quota::PRESET);
    let mut now = Instant::from_millis(1_000);
    let newcomer = key(5_000);
    for number in 0..200 {
        while limiter.charge(key(number), 1, now).is_ok() {}
    }
    let mut admitted = 0;
    for _ in 0..1_000 {
        now = now.plus(Duration::from_millis(60));
        for number in 0..200 {
            let _ = limiter.charge(key(number), 1, now);
        }
        admitted += u64::from(limiter.charge(newcomer, 1, now).is_ok());
    }
    assert!(admitted <= 10 + 100, "{admitted} in a minute");
}
