//! Sliding log: the moment of each request of the last period. The only one that never admits more than `count` in any period.
//!
//! A state has 39 bits for all of them, so a log has [`LOG_MAX`] entries at most, and they are the coarser the more of them there
//! are: the newest as a moment, the others by their age relative to it. An entry lasts a period, and up to one
//! step of its resolution more:
//!
//! | count | 1–3 | 4 | 5 | 6 | 7 | 8 |
//! |---|---|---|---|---|---|---|
//! | steps in a period | 3,640 or more | 455 | 126 | 56 | 30 | 14 |

use super::Standing;
use super::quota::Quota;

/// Most requests that a sliding log remembers of a client.
pub const LOG_MAX: u32 = 8;

/// Bits of each age, by the number of entries.
const AGE_BITS: [u32; LOG_MAX as usize + 1] = [0, 18, 18, 12, 9, 7, 6, 5, 4];
const IN_USE: u64 = 1 << 39;

const fn newest_bits(count: u32) -> u32 {
    39 - AGE_BITS[count as usize] * (count - 1)
}

/// Steps of a log's resolution in its period.
pub(super) const fn period(count: u32) -> u64 {
    // An age of all ones stands for none, and the newest has to be told from one that is nine periods older.
    let by_age = (1 << AGE_BITS[count as usize]) - 2;
    let by_newest = (1 << newest_bits(count)) / 9;
    if by_age < by_newest { by_age } else { by_newest }
}

/// The entries that are still in sight, youngest first, as ages; and now, in steps.
struct View {
    ages: [u64; LOG_MAX as usize],
    len: usize,
    now: u64,
}

impl View {
    fn new(quota: &Quota, state: u64, now: u64) -> Self {
        let mut view = Self { ages: [0; LOG_MAX as usize], len: 0, now: now / quota.emission };
        if state & IN_USE == 0 {
            return view;
        }
        let (age_bits, newest_bits) = (AGE_BITS[quota.count as usize], newest_bits(quota.count));
        let newest_mask = (1 << newest_bits) - 1;
        let newest = state >> (39 - newest_bits) & newest_mask;
        let mut since = view.now.wrapping_sub(newest) & newest_mask;
        let ahead = newest.wrapping_sub(view.now) & newest_mask;
        if ahead > 0 && ahead <= quota.full {
            // Written by a worker whose clock is ahead of this one's: it is that time already.
            view.now = view.now.wrapping_add(ahead);
            since = 0;
        }
        let none = (1 << age_bits) - 1;
        for index in 0..quota.count as usize {
            let age = match index {
                0 => 0,
                _ => state >> (age_bits * (index as u32 - 1)) & none,
            };
            if (index > 0 && age == none) || since + age > quota.full {
                break;
            }
            view.ages[index] = since + age;
            view.len = index + 1;
        }
        view
    }

    /// The state after `cost` entries were added now; there is room for them.
    fn state(&self, quota: &Quota, cost: usize) -> u64 {
        let (age_bits, newest_bits) = (AGE_BITS[quota.count as usize], newest_bits(quota.count));
        let mut state = IN_USE | (self.now & ((1 << newest_bits) - 1)) << (39 - newest_bits);
        for index in 1..quota.count as usize {
            let age = match index.checked_sub(cost) {
                None => 0,
                Some(old) if old < self.len => self.ages[old],
                Some(_) => (1 << age_bits) - 1,
            };
            state |= age << (age_bits * (index as u32 - 1));
        }
        state
    }
}

pub(super) fn next(quota: &Quota, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let view = View::new(quota, state, now);
    let (count, cost) = (quota.count as usize, cost as usize);
    if cost == 0 {
        return Ok(state);
    }
    if view.len + cost > count {
        // The entry whose going makes room; if the cost is above the count, no going does.
        let oldest = view.ages[(count - cost.min(count)).min(view.len.saturating_sub(1))];
        let goes = view.now + quota.full + 1 - oldest;
        return Err((goes * quota.emission).saturating_sub(now));
    }
    Ok(view.state(quota, cost))
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    let view = View::new(quota, state, now);
    if view.len > 0 {
        return None;
    }
    if state & IN_USE == 0 {
        return Some(u64::MAX);
    }
    let bits = newest_bits(quota.count);
    let since = view.now.wrapping_sub(state >> (39 - bits)) & ((1 << bits) - 1);
    Some((since - quota.full.min(since)) * quota.emission)
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let view = View::new(quota, state, now);
    let reset = match view.len {
        0 => 0,
        _ => ((view.now + quota.full + 1 - view.ages[0]) * quota.emission).saturating_sub(now),
    };
    Standing { remaining: quota.count - view.len as u32, reset }
}
