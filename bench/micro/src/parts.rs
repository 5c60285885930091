//! The parts of Pivot that have no peer.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pivot_core::admission::{
    Breaker, BreakerConfig, Class, ClientKey, Permits, Queue, QueueNode, Quota, RateLimiter, RateSet, Seed,
};
use pivot_core::http::h1::encode::{Full, Writer};
use pivot_core::http::{HeaderName, HeaderValue, Status};
use pivot_core::monitor::Histogram;
use pivot_core::pool::{Object, Pool, Slot};
use pivot_core::router::path;
use pivot_core::time::{Duration, Instant};

const SEED: Seed = Seed(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);

/// Whether a path can be routed as it is: escapes, dot segments, UTF-8.
pub(crate) fn check_path(raw: &'static str) -> impl FnMut(u64) {
    #[inline(never)]
    fn once(raw: &[u8]) -> bool {
        path::check(raw).is_ok()
    }
    move |count| (0..count).for_each(|_| assert!(once(black_box(raw.as_bytes()))))
}

/// A thousand clients in turn, a request every millisecond: none of them ever reaches its limit.
pub(crate) fn limiter() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(limiter: &RateLimiter<'_>, key: ClientKey, now: Instant) -> bool {
        limiter.charge(key, 1, now).is_ok()
    }
    let cells = (0..RateLimiter::sets_for(1_024)).map(|_| RateSet::new()).collect();
    let quota = Quota::new(100, Duration::from_secs(1), 100).expect("a quota that a word holds");
    let limiter = RateLimiter::new(Vec::leak(cells), quota);
    let keys: Vec<ClientKey> = (0..1_000)
        .map(|host| ClientKey::of_address(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)), SEED))
        .collect();
    let mut now_ms = 0;
    move |count| {
        for key in keys.iter().cycle().take(count as usize) {
            now_ms += 1;
            assert!(once(&limiter, *black_box(key), Instant::from_millis(now_ms)));
        }
    }
}

/// A closed breaker lets a request through and counts that it went well.
pub(crate) fn breaker() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(breaker: &Breaker, config: &BreakerConfig, now: Instant) -> bool {
        let Ok(ticket) = breaker.admit(config, now) else { return false };
        ticket.report(false, black_box(Duration::from_millis(3)), now);
        true
    }
    let breaker = Breaker::new();
    let mut now_ms = 0;
    move |count| {
        for _ in 0..count {
            now_ms += 1;
            assert!(once(
                black_box(&breaker),
                black_box(&BreakerConfig::PRESET),
                Instant::from_millis(now_ms)
            ));
        }
    }
}

pub(crate) fn permit() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(permits: &Permits) -> bool {
        black_box(permits.try_take(black_box(Class::Normal))).is_some()
    }
    let permits = Permits::new(100, 2);
    move |count| (0..count).for_each(|_| assert!(once(black_box(&permits))))
}

pub(crate) fn queue() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(queue: &mut Queue, now: Instant) -> bool {
        queue.push(black_box(7), black_box(Class::Normal), now).is_ok() && black_box(queue.pop()).is_some()
    }
    let mut queue = Queue::new(Vec::leak(vec![QueueNode::FREE; 256]), Duration::from_secs(1));
    move |count| (0..count).for_each(|step| assert!(once(black_box(&mut queue), Instant::from_millis(step))))
}

/// An object whose reset costs nothing, so that the pool alone is measured.
struct Number(u64);

impl Object for Number {
    type Seed = u64;

    fn create(seed: u64) -> Self {
        Self(seed)
    }

    fn reset(&mut self) {}
}

pub(crate) fn pool() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(pool: &Pool<'_, Number>) -> bool {
        pool.borrow().is_ok_and(|number| black_box(number.0) > 0)
    }
    let slots = Vec::leak((1..=256).map(Slot::<Number>::new).collect());
    let pool = Pool::new(slots);
    move |count| (0..count).for_each(|_| assert!(once(black_box(&pool))))
}

pub(crate) fn histogram() -> impl FnMut(u64) {
    #[inline(never)]
    fn once(histogram: &Histogram, value_us: u64) {
        histogram.record(value_us);
    }
    let histogram = Histogram::new();
    move |count| (0..count).for_each(|step| once(black_box(&histogram), black_box(step * 37 % 20_000)))
}

/// The keyed hash of a client's address.
pub(crate) fn key(is_v6: bool) -> impl FnMut(u64) {
    #[inline(never)]
    fn once(address: IpAddr, seed: Seed) -> u64 {
        ClientKey::of_address(address, seed).bits()
    }
    let address = if is_v6 {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6))
    } else {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 33))
    };
    move |count| {
        for _ in 0..count {
            black_box(once(black_box(address), black_box(SEED)));
        }
    }
}

/// An answer of plain text, as the writer renders it: status line, three fields, content.
pub(crate) fn encode() -> impl FnMut(u64) {
    const TYPE: HeaderName<'static> = HeaderName::new("content-type").unwrap();
    const TEXT: HeaderValue<'static> = HeaderValue::new(b"text/plain; charset=utf-8").unwrap();

    #[inline(never)]
    fn once(buffer: &mut [u8], content: &[u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        writer.status_line(black_box(Status::OK))?;
        writer.date(black_box(1_764_038_400))?;
        writer.field(TYPE, TEXT)?;
        writer.content_length(content.len() as u64)?;
        writer.end()?;
        writer.bytes(content)?;
        Ok(writer.len())
    }
    let mut buffer = [0; 512];
    move |count| {
        for _ in 0..count {
            assert!(once(black_box(&mut buffer), black_box(b"Hello from Pivot\n")).is_ok());
        }
    }
}
