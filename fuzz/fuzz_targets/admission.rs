//! Limiter, guarded calls and permits under any sequence of calls and any clock: bounds hold, nothing panics.
#![no_main]

use std::net::Ipv4Addr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pivot_core::admission::{
    Algorithm, Breaker, BreakerState, CallRefusal, Class, ClientKey, Deadline, Lane, Permits, Quota,
    RateLimiter, RateSet, Seed, Upstream, UpstreamConfig,
};
use pivot_core::time::Instant;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let algorithm = Algorithm::ALL[usize::from(first) % Algorithm::ALL.len()];
    let sets: Vec<RateSet> = (0..RateLimiter::sets_for(1)).map(|_| RateSet::new()).collect();
    let quota = Quota::with(algorithm, 5, Duration::from_secs(1), 5).expect("in range");
    let limiter = RateLimiter::new(&sets, quota);
    let lanes: Vec<Lane> = (0..Lane::count_for(2, 1)).map(|_| Lane::new()).collect();
    let mut config = UpstreamConfig::PRESET;
    (config.breaker.volume_min, config.breaker.probes_max, config.breaker.results_max) = (4, 2, 30);
    let upstream = Upstream::new(config, Breaker::with_lanes(&lanes, 0, 1));
    let permits = Permits::new(4, 1);
    let key = ClientKey::of_address(Ipv4Addr::LOCALHOST.into(), Seed(1, 2));
    let start = Instant::from_millis(1_000);
    let (mut now, mut admitted) = (start, 0_u64);
    let (mut calls, mut held) = (Vec::new(), Vec::new());
    for pair in bytes.chunks_exact(2) {
        let amount = u64::from(pair[1]);
        match pair[0] % 8 {
            0 | 1 => now = now.plus(Duration::from_micros(amount * 997)),
            2 => now = now.plus(Duration::from_secs(amount)),
            3 => {
                let cost = pair[1] as u32 % 4;
                match limiter.charge(key, cost, now) {
                    Ok(()) => admitted += u64::from(cost),
                    Err(retry_at) => assert!(retry_at > now),
                }
                // Five a second; windows and counters may let the quota of two of them through at once.
                let earned = now.micros_since(start) / 200_000;
                assert!(admitted <= 10 + earned, "{algorithm:?}: {admitted} admitted, {earned} earned");
            }
            4 => {
                let deadline = Deadline::at(now.plus(Duration::from_secs(60))).shortened_by(pair, now);
                // Two workers have a lane each, the third has none.
                let guard = upstream.guard(deadline).by(amount as u16 % 3);
                match if amount < 128 { guard.try_call(now) } else { guard.try_retry(now) } {
                    Ok(call) => calls.push(call),
                    Err(CallRefusal::BreakerOpen { retry_at }) => {
                        assert!(retry_at > now && upstream.breaker().state() != BreakerState::Closed);
                    }
                    Err(_) => {}
                }
            }
            5 => {
                if let Some(call) = calls.pop() {
                    match amount % 4 {
                        0 => drop(call),
                        1 => call.succeeded(now),
                        _ => call.failed(now),
                    }
                }
            }
            6 => held.extend(permits.try_take(Class::ALL[usize::from(pair[1]) % Class::COUNT])),
            _ => drop(held.pop()),
        }
        assert!(permits.taken_count() <= 4 && permits.taken_count() as usize == held.len());
    }
    // Once nothing is out, a probe passes after the longest time that it can be open.
    calls.clear();
    let later = now.plus(config.breaker.open * 18);
    assert!(upstream.guard(Deadline::NEVER).try_call(later).is_ok());
});
