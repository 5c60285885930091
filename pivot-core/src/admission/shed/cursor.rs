//! The word that makes N workers shed as one: the share to admit, and the cut that stands for it.

use super::arrivals::{Arrivals, Cut, ONE};
use crate::sync::{AtomicU64, Ordering, is_mutant};

/// How far down the scale of classes and cohorts requests are admitted, shared by all workers.
///
/// Each worker changes the share by its part (one worker of N by an N-th of what it would do alone), so the
/// share follows the mean of all queues; and looks up the cut in its own histogram of arrivals, so the cut is
/// that of the worker that came last. A worker that is calm looks at the word once in each interval, others with each request:
/// all follow a change within one interval.
#[derive(Debug)]
pub struct Cursor {
    word: AtomicU64,
}

/// The least share that is still admitted, 1/64: somebody has to pass for the server to learn that it works again.
const SHARE_MIN: u32 = ONE / 64;

/// One, for changes: 16 bits of fraction.
pub(super) const CHANGE_ONE: i32 = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    share: u32,
    cut: Cut,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

impl Cursor {
    /// A cursor that admits everybody.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(State { share: ONE, cut: Cut::OPEN }.pack()) }
    }

    /// The share of requests to admit, in millionths; 1,000,000 while nobody is shed.
    pub fn admitted_ppm(&self) -> u32 {
        (u64::from(self.state().share) * 1_000_000 / u64::from(ONE)) as u32
    }

    /// The level from which on requests are refused, 128–768; the system class lies before it.
    pub fn level(&self) -> u16 {
        self.cut().level
    }

    pub(super) fn cut(&self) -> Cut {
        self.state().cut
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().share == ONE
    }

    /// Lowers the share by a positive change, raises it by a negative one; see [`change_share`].
    pub(super) fn update(&self, change: i32, arrivals: &Arrivals) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let share = change_share(State::unpack(word).share, change);
            let next = State { share, cut: arrivals.cut(share) }.pack();
            if next == word {
                return;
            }
            if is_mutant("cursor_blind_store") {
                return self.word.store(next, Ordering::Relaxed);
            }
            // Relaxed: the word publishes nothing but itself.
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }

    fn state(&self) -> State {
        State::unpack(self.word.load(Ordering::Relaxed))
    }
}

impl State {
    fn pack(self) -> u64 {
        u64::from(self.share) | u64::from(self.cut.fraction) << 32 | u64::from(self.cut.level) << 48
    }

    fn unpack(word: u64) -> Self {
        Self { share: word as u32, cut: Cut { level: (word >> 48) as u16, fraction: (word >> 32) as u16 } }
    }
}

/// The share after a change: divided by `1 + change`, or multiplied by `1 − change` where that is negative.
///
/// In proportion, because that makes the loop equally strong at every load: with `x` times more requests than can be served, a
/// change of the share moves the queue `x` times faster, and the share that fits is `x` times smaller.
fn change_share(share: u32, change: i32) -> u32 {
    let one = CHANGE_ONE as u64;
    let factor = one + u64::from(change.unsigned_abs());
    let share = u64::from(share);
    let next = if change > 0 { share * one / factor } else { (share * factor).div_ceil(one) };
    next.clamp(u64::from(SHARE_MIN), u64::from(ONE)) as u32
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_cut_and_raised_in_proportion_and_stays_in_its_range() {
        assert_eq!(change_share(ONE, CHANGE_ONE), ONE / 2);
        assert_eq!(change_share(ONE / 4, CHANGE_ONE), ONE / 8);
        assert_eq!(change_share(ONE / 4, -CHANGE_ONE), ONE / 2);
        assert_eq!(change_share(ONE, -CHANGE_ONE), ONE);
        assert_eq!(change_share(ONE, i32::MAX), SHARE_MIN);
        // The least change moves the least share: rounding cannot freeze the loop.
        assert!(change_share(SHARE_MIN, -1) > SHARE_MIN && change_share(ONE / 2, 1) < ONE / 2);
    }

    #[test]
    fn an_open_cursor_admits_every_level() {
        let cursor = Cursor::new();
        assert_eq!((cursor.admitted_ppm(), cursor.level(), cursor.is_open()), (1_000_000, 768, true));
        assert!(cursor.cut().admits(767, u16::MAX));
        cursor.update(CHANGE_ONE, &Arrivals::new());
        assert_eq!((cursor.admitted_ppm(), cursor.level(), cursor.is_open()), (500_000, 448, false));
        assert!(cursor.cut().admits(447, u16::MAX) && !cursor.cut().admits(448, 0));
    }

    proptest! {
        #[test]
        fn any_change_keeps_the_share_in_its_range_and_goes_its_way(share in SHARE_MIN..=ONE, change: i32) {
            let next = change_share(share, change);
            prop_assert!((SHARE_MIN..=ONE).contains(&next));
            let goes_its_way = if change > 0 { next <= share } else { next >= share };
            prop_assert!(goes_its_way);
            let state = State { share: next, cut: Cut { level: 500, fraction: change as u16 } };
            prop_assert_eq!(State::unpack(state.pack()), state);
        }
    }
}
