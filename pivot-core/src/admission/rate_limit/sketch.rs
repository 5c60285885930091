//! What newcomers are charged to while their set is full: a count-min sketch (Cormode and Muthukrishnan, 2005) whose counters are
//! theoretical arrival times.
//!
//! A sketch of counts has to forget in steps, by epochs that somebody turns, and is blind or doubly strict around each turn. An arrival time
//! drains by itself, at the very rate of the quota. Each key has a word in each of four rows; what it owes is at most the least that
//! one of them says, so nobody in the sketch gets more than his quota. Who shares all four words with others gets less.
//! A charge raises only words that are behind it (conservative update, Estan and Varghese, 2002).
//!
//! Two workers that charge the same key in the same moment may be counted as one: the sketch's error to the other side, at most
//! a request for each further worker.

use super::gcra;
use super::key_table::RateSet;
use super::quota::{FRACTION, Quota};
use crate::sync::{AtomicU64, Ordering};

const ROWS: u32 = 4;

/// A view of the sets that are the sketch's; each word is a 64-bit arrival time in fine units.
#[derive(Debug)]
pub(super) struct Sketch<'s> {
    sets: &'s [RateSet],
}

impl<'s> Sketch<'s> {
    /// Over a power of two of sets.
    pub(super) fn new(sets: &'s [RateSet]) -> Self {
        Self { sets }
    }

    /// Whether a key owes nothing here.
    pub(super) fn is_idle(&self, key: u64, quota: &Quota, now: u64) -> bool {
        self.ahead(key, &in_fine_units(quota), now) == 0
    }

    /// Charges a key; an error is how long to wait, in fine units.
    pub(super) fn charge(&self, key: u64, quota: &Quota, cost: u32, now: u64) -> Result<(), u64> {
        let quota = in_fine_units(quota);
        let after = quota.pace().charge(self.ahead(key, &quota, now), cost)?;
        for row in 0..ROWS {
            let word = self.word(key, row);
            let mut arrival = word.load(Ordering::Relaxed);
            // Relaxed: a word publishes nothing but itself.
            while quota.pace().ahead(arrival.wrapping_sub(now)) < after {
                let next = now.wrapping_add(after);
                match word.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(seen) => arrival = seen,
                }
            }
        }
        Ok(())
    }

    /// What [`Sketch::charge`] would say.
    pub(super) fn check(&self, key: u64, quota: &Quota, cost: u32, now: u64) -> Result<(), u64> {
        let quota = in_fine_units(quota);
        quota.pace().charge(self.ahead(key, &quota, now), cost).map(drop)
    }

    /// What a key owes at most, and what it may still do.
    pub(super) fn standing(&self, key: u64, quota: &Quota, now: u64) -> super::Standing {
        let quota = in_fine_units(quota);
        let ahead = self.ahead(key, &quota, now);
        gcra::standing(&quota, now.wrapping_add(ahead) & super::STATE_MASK, now)
    }

    fn ahead(&self, key: u64, quota: &Quota, now: u64) -> u64 {
        let arrival = |row| self.word(key, row).load(Ordering::Relaxed);
        (0..ROWS).map(|row| quota.pace().ahead(arrival(row).wrapping_sub(now))).min().unwrap_or(0)
    }

    fn word(&self, key: u64, row: u32) -> &AtomicU64 {
        // The key is evenly spread and secret; odd factors make four places of it that have little to do with one another.
        const FACTORS: [u64; ROWS as usize] =
            [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0xd6e8_feb8_6659_fd93];
        let row_len = self.sets.len() * 2;
        let place = (key.wrapping_mul(FACTORS[row as usize]) >> 32) as usize & (row_len - 1);
        let index = row as usize * row_len + place;
        &self.sets[index / 8].words[index % 8]
    }
}

/// The quota by GCRA in fine units, whatever its algorithm.
fn in_fine_units(quota: &Quota) -> Quota {
    let emission = (quota.per_us * FRACTION).div_ceil(u64::from(quota.count));
    Quota { emission, full: emission * u64::from(quota.burst), shift: 0, ..*quota }
}
