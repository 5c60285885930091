//! Fixed window: a count for each period of the clock.
//!
//! The simplest to explain, and the only one that lets twice the quota through in a moment: at the end of one window and the
//! beginning of the next. State: 12 bits of window number, 28 bits of count.

use super::Standing;
use super::quota::Quota;

const COUNT_BITS: u32 = 28;
const WINDOW_MASK: u64 = (1 << 12) - 1;

/// The window that counts now, and what was used of it.
///
/// A worker whose clock is a little behind finds the next window begun already, and counts in that.
const fn used(state: u64, window: u64) -> (u64, u64) {
    let count = state & ((1 << COUNT_BITS) - 1);
    match window.wrapping_sub(state >> COUNT_BITS) & WINDOW_MASK {
        0 => (window, count),
        WINDOW_MASK if count > 0 => (window + 1, count),
        _ => (window, 0),
    }
}

pub(super) fn next(quota: &Quota, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let (window, used) = used(state, now / quota.emission);
    let after = used + cost as u64;
    if after > quota.count as u64 {
        return Err((window + 1) * quota.emission - now);
    }
    Ok((window & WINDOW_MASK) << COUNT_BITS | after)
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    let (window, used) = used(state, now / quota.emission);
    // In windows: a cell is kept for as many as have passed in whole.
    let passed = window.wrapping_sub(state >> COUNT_BITS) & WINDOW_MASK;
    if used > 0 { None } else { Some(passed.saturating_sub(1) * quota.emission) }
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let (window, used) = used(state, now / quota.emission);
    let reset = if used == 0 { 0 } else { (window + 1) * quota.emission - now };
    Standing { remaining: quota.count.saturating_sub(used as u32), reset }
}
