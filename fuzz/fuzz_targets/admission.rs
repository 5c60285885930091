//! Limiter, breaker and permits under any sequence of calls and any clock: bounds hold, nothing panics.
#![no_main]

use std::net::Ipv4Addr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pivot_core::admission::{
    Algorithm, Breaker, BreakerConfig, Class, ClientKey, Permits, Quota, RateLimiter, RateSet, Seed,
};
use pivot_core::time::Instant;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let algorithm = Algorithm::ALL[usize::from(first) % Algorithm::ALL.len()];
    let sets: Vec<RateSet> = (0..RateLimiter::sets_for(1)).map(|_| RateSet::new()).collect();
    let quota = Quota::with(algorithm, 5, Duration::from_secs(1), 5).expect("in range");
    let limiter = RateLimiter::new(&sets, quota);
    let config = BreakerConfig::PRESET;
    let breaker = Breaker::new();
    let permits = Permits::new(4, 1);
    let key = ClientKey::of_address(Ipv4Addr::LOCALHOST.into(), Seed(1, 2));
    let start = Instant::from_millis(1_000);
    let (mut now, mut admitted) = (start, 0_u64);
    let (mut tickets, mut held) = (Vec::new(), Vec::new());
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
            4 => tickets.extend(breaker.admit(&config, now)),
            5 => {
                if let Some(ticket) = tickets.pop() {
                    ticket.report(amount % 2 == 0, Duration::from_millis(amount * 40), now);
                }
            }
            6 => held.extend(permits.try_take(Class::ALL[usize::from(pair[1]) % Class::COUNT])),
            _ => drop(held.pop()),
        }
        assert!(permits.taken_count() <= 4 && permits.taken_count() as usize == held.len());
    }
});
