//! Leaky bucket as a meter: each request pours in, the bucket drains steadily, and who would make it overflow is refused.
//!
//! The same limit as GCRA, told by level and moment instead of by one time. State: 20 bits of level and
//! 20 bits of the moment of that level, both in ticks.

use super::Standing;
use super::quota::Quota;

const TIME_MASK: u64 = (1 << 20) - 1;

/// The level now, the moment it is meant for, and how far that lies ahead of now; all in ticks.
///
/// A worker whose clock is a little behind pours in at the other's moment: nothing drains twice.
const fn drain(quota: &Quota, state: u64, now: u64) -> (u64, u64, u64) {
    let (level, last) = (state >> 20, state & TIME_MASK);
    let now = now >> quota.shift;
    let ahead = last.wrapping_sub(now) & TIME_MASK;
    if level > 0 && ahead > 0 && ahead <= quota.full {
        return (level, now.wrapping_add(ahead), ahead);
    }
    (level.saturating_sub(now.wrapping_sub(last) & TIME_MASK), now, 0)
}

pub(super) fn next(quota: &Quota, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let (level, moment, ahead) = drain(quota, state, now);
    match quota.pace().charge(level, cost) {
        Ok(after) => Ok(after << 20 | moment & TIME_MASK),
        Err(wait) => Err(wait.saturating_add(ahead) << quota.shift),
    }
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    match drain(quota, state, now) {
        (0, now, _) => {
            let since = now.wrapping_sub(state) & TIME_MASK;
            Some(since.saturating_sub(state >> 20) << quota.shift)
        }
        _ => None,
    }
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let (level, _, ahead) = drain(quota, state, now);
    let left = (quota.full - level) / quota.emission;
    let reset = if level == 0 { 0 } else { (level + ahead) << quota.shift };
    Standing { remaining: left as u32, reset }
}
