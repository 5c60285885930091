//! The clock that all layers of a program share.

use std::sync::LazyLock;

use pivot_core::time::Instant;

/// Microseconds since the first time that somebody asked: what the policies of `pivot-core` take as their last parameter.
///
/// ```
/// let (one, two) = (pivot_tower::now(), pivot_tower::now());
/// assert!(one <= two);
/// ```
pub fn now() -> Instant {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    Instant::from_micros(START.elapsed().as_micros() as u64)
}

/// Some number, evenly spread: the moment, mixed (the finalizer of SplitMix64).
pub(crate) fn dice(now: Instant) -> u32 {
    let mixed = now.as_micros().wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32) as u32
}

/// A value that stays until the program ends.
pub(crate) fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
