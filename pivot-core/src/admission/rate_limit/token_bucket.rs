//! Token bucket: whole tokens come one by one, a request takes one, and what does not fit is lost.
//!
//! State: 20 bits of tokens that are missing, so that a full bucket is zero, and 20 bits of the moment, in ticks, when the last
//! token came.

use super::Standing;
use super::quota::Quota;

const TIME_MASK: u64 = (1 << 20) - 1;

/// Tokens missing, when the last one came, and now, in ticks. A worker whose clock is a little behind takes the other's now.
const fn refill(quota: &Quota, state: u64, now: u64) -> (u64, u64, u64) {
    let (missing, last) = (state >> 20, state & TIME_MASK);
    let now = now >> quota.shift;
    if missing == 0 {
        return (0, now, now);
    }
    let ahead = last.wrapping_sub(now) & TIME_MASK;
    if ahead > 0 && ahead <= quota.full {
        return (missing, now.wrapping_add(ahead), now);
    }
    let elapsed = now.wrapping_sub(last) & TIME_MASK;
    let came = elapsed / quota.emission;
    if came >= missing {
        return (0, now, now);
    }
    (missing - came, now.wrapping_sub(elapsed - came * quota.emission), now)
}

/// How long, in ticks, until `tokens` have come.
const fn until(quota: &Quota, tokens: u64, last: u64, now: u64) -> u64 {
    last.wrapping_add(tokens * quota.emission).wrapping_sub(now)
}

pub(super) fn next(quota: &Quota, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let (missing, last, now) = refill(quota, state, now);
    let after = missing + cost as u64;
    if after > quota.burst as u64 {
        return Err(until(quota, after - quota.burst as u64, last, now) << quota.shift);
    }
    Ok(after << 20 | last & TIME_MASK)
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    let full = (state >> 20) * quota.emission;
    match refill(quota, state, now) {
        (0, _, now) => Some(((now.wrapping_sub(state) & TIME_MASK).saturating_sub(full)) << quota.shift),
        _ => None,
    }
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let (missing, last, now) = refill(quota, state, now);
    let reset = if missing == 0 { 0 } else { until(quota, missing, last, now) << quota.shift };
    Standing { remaining: quota.burst.saturating_sub(missing as u32), reset }
}
