//! Sliding counter: this window's count, and the last one's weighted by how much of it the last period still covers.
//!
//! It takes the last window's requests as evenly spread, which they need not be: in one period, up to twice the quota can
//! pass of a client that crowds them at the window's end, as a rule far less. State: 6 bits of window number, 17 bits each of
//! this and the last count.

use super::Standing;
use super::quota::{FRACTION, Quota};

const COUNT_BITS: u32 = 17;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const WINDOW_MASK: u64 = (1 << 6) - 1;

/// What is known at a moment. Times in µs: so their products with counts fit into a word.
struct View {
    window: u64,
    /// How much of the window has passed.
    into: u64,
    current: u64,
    previous: u64,
}

impl View {
    const fn new(quota: &Quota, state: u64, now: u64) -> Self {
        let now = now / FRACTION;
        let (window, into) = (now / quota.per_us, now % quota.per_us);
        let (current, previous) = (state >> COUNT_BITS & COUNT_MASK, state & COUNT_MASK);
        match window.wrapping_sub(state >> (2 * COUNT_BITS)) & WINDOW_MASK {
            0 => Self { window, into, current, previous },
            1 => Self { window, into, current: 0, previous: current },
            // A worker whose clock is a little behind counts in the window that another has begun.
            WINDOW_MASK if current > 0 => Self { window: window + 1, into: 0, current, previous },
            _ => Self { window, into, current: 0, previous: 0 },
        }
    }

    /// The last window's share that is still in sight, rounded up.
    const fn carried(&self, quota: &Quota) -> u64 {
        (self.previous * (quota.per_us - self.into)).div_ceil(quota.per_us)
    }

    const fn state(&self) -> u64 {
        (self.window & WINDOW_MASK) << (2 * COUNT_BITS) | self.current << COUNT_BITS | self.previous
    }
}

/// How far into a window the share of `previous` is down to `room`.
const fn into_for(quota: &Quota, previous: u64, room: u64) -> u64 {
    if previous <= room { 0 } else { quota.per_us - room * quota.per_us / previous }
}

pub(super) fn next(quota: &Quota, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let mut view = View::new(quota, state, now);
    let (count, cost) = (quota.count as u64, cost as u64);
    let after = view.current + cost;
    if after + view.carried(quota) <= count {
        view.current = after;
        return Ok(view.state());
    }
    let pass_us = match count.checked_sub(after) {
        Some(room) => view.window * quota.per_us + into_for(quota, view.previous, room),
        None => (view.window + 1) * quota.per_us + into_for(quota, view.current, count.saturating_sub(cost)),
    };
    Err((pass_us * FRACTION).saturating_sub(now))
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    let view = View::new(quota, state, now);
    let passed = view.window.wrapping_sub(state >> (2 * COUNT_BITS)) & WINDOW_MASK;
    if view.current + view.previous > 0 { None } else { Some(passed.saturating_sub(1) * quota.emission) }
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let view = View::new(quota, state, now);
    let used = view.current + view.carried(quota);
    let windows = if view.current > 0 { 2 } else { u64::from(view.previous > 0) };
    let reset = ((view.window + windows) * quota.emission).saturating_sub(now);
    Standing {
        remaining: quota.count.saturating_sub(used as u32),
        reset: if windows == 0 { 0 } else { reset },
    }
}
