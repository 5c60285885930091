//! A hierarchical timer wheel over storage that the caller provides.
//!
//! Every timer has a number of its own and a node that waits for it, so arming never fails. Timers sit in
//! doubly linked lists, one for each slot of seven levels of 32 slots; a tick is a millisecond. Arming,
//! disarming and expiring are O(1) (a timer moves down at most six levels before it fires).
//! (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.)

use crate::time::{Duration, Instant};

/// One timer's place in a [`Wheel`].
#[derive(Clone, Copy, Debug)]
pub struct Node {
    next: u32,
    prev: u32,
    /// The millisecond in which it fires; meaningless while it is not armed.
    tick: u32,
}

impl Node {
    /// A timer that is not armed.
    pub const IDLE: Self = Self { next: NONE, prev: UNLINKED, tick: 0 };
}

/// Timers with numbers `0..nodes.len()`.
#[derive(Debug)]
pub struct Wheel {
    nodes: &'static mut [Node],
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u32; LEVELS],
    /// Timers whose tick has come, in no particular order.
    due: u32,
    tick: u32,
    /// The start of the current tick. It moves only when a timer may have to fire, so it may be long ago.
    at: Instant,
    /// Nothing has to be looked at before this moment, once the due list is empty.
    quiet_until: Instant,
}

impl Wheel {
    /// A wheel that starts at `now`, without an armed timer.
    ///
    /// # Panics
    /// If there are 2³¹ nodes or more.
    pub fn new(nodes: &'static mut [Node], now: Instant) -> Self {
        assert!(nodes.len() < (DUE & !0xff) as usize, "timer numbers have to stay below the marks");
        let at = Instant::from_millis(now.as_millis());
        Self {
            nodes,
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            due: NONE,
            tick: now.as_millis() as u32,
            at,
            quiet_until: Instant::NEVER,
        }
    }

    /// Arms a timer to fire not before `at`, in the millisecond that follows it; a timer that is armed already is moved.
    ///
    /// A timer further away than 12 days fires after 12 days: whoever armed it looks at its deadline and arms it again.
    pub fn arm(&mut self, timer: u32, at: Instant, now: Instant) {
        self.disarm(timer);
        // The wheel may be behind, but by no more than a timer can be away: two of these make less than a turn.
        let passed_ms = now.micros_since(self.at) / 1_000;
        let away_ms = at.micros_since(self.at).div_ceil(1_000).clamp(passed_ms + 1, passed_ms + AWAY_MAX_MS);
        self.nodes[timer as usize].tick = self.tick.wrapping_add(away_ms as u32);
        self.quiet_until = self.quiet_until.min(self.at.plus_micros(away_ms * 1_000));
        self.insert(timer);
    }

    /// Arms a timer unless it will fire by `at` anyway.
    ///
    /// The cheap way to move a deadline that is mostly moved away: the timer fires at the old one, and who owns
    /// it sees that it is early and arms it for the rest.
    pub fn arm_by(&mut self, timer: u32, at: Instant, now: Instant) {
        let node = &self.nodes[timer as usize];
        let armed_ms = u64::from(node.tick.wrapping_sub(self.tick));
        if node.prev == UNLINKED
            || armed_ms.saturating_mul(1_000) > at.micros_since(self.at).saturating_add(999)
        {
            self.arm(timer, at, now);
        }
    }

    /// Takes a timer out, if it is armed.
    #[inline]
    pub fn disarm(&mut self, timer: u32) {
        if self.nodes[timer as usize].prev != UNLINKED {
            self.unlink(timer);
        }
    }

    fn unlink(&mut self, timer: u32) {
        let Node { next, prev, .. } = self.nodes[timer as usize];
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if prev == DUE {
            self.due = next;
        } else if prev >= HEADS {
            let (level, slot) = ((prev - HEADS) as usize / SLOTS, (prev - HEADS) as usize % SLOTS);
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
                if self.occupied == [0; LEVELS] {
                    self.quiet_until = Instant::NEVER;
                }
            }
        } else {
            self.nodes[prev as usize].next = next;
        }
        self.nodes[timer as usize].prev = UNLINKED;
    }

    /// Takes out one timer whose time has come; call until it answers `None`. A timer fires at most 1 ms late.
    #[inline]
    pub fn pop(&mut self, now: Instant) -> Option<u32> {
        // A wheel without timers is moved on all the same, so that it never falls behind for long.
        let is_quiet = self.due == NONE && now < self.quiet_until && self.quiet_until != Instant::NEVER;
        if is_quiet { None } else { self.pop_due(now) }
    }

    fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if self.due == NONE {
            self.advance(now);
            self.quiet_until = match self.next_tick() {
                Some(tick) => self.at.plus_micros(u64::from(tick.wrapping_sub(self.tick)) * 1_000),
                None => Instant::NEVER,
            };
        }
        let timer = self.due;
        if timer == NONE {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }

    /// When [`Wheel::pop`] may next have something: never later than the first timer, perhaps earlier.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.due, self.quiet_until) {
            (NONE, Instant::NEVER) => None,
            (NONE, quiet_until) => Some(quiet_until),
            _ => Some(self.at),
        }
    }

    /// Moves time forward to `now`, but not past the first tick that has timers due.
    fn advance(&mut self, now: Instant) {
        let mut left_ms = now.micros_since(self.at) / 1_000;
        while left_ms > 0 && self.due == NONE {
            let next = self.next_tick();
            let step = next.map_or(u64::from(u32::MAX), |tick| u64::from(tick.wrapping_sub(self.tick)));
            if step > left_ms {
                self.step(left_ms);
                return;
            }
            left_ms -= step;
            self.step(step);
            if next.is_some() {
                self.cascade();
            }
        }
    }

    fn step(&mut self, ms: u64) {
        // Truncation is meant: ticks wrap after 49 days, and are only ever compared by their distance.
        self.tick = self.tick.wrapping_add(ms as u32);
        self.at = self.at.plus(Duration::from_millis(ms));
    }

    /// The first tick at which some slot has to be looked at.
    fn next_tick(&self) -> Option<u32> {
        for level in 0..LEVELS {
            let occupied = self.occupied[level];
            if occupied == 0 {
                continue;
            }
            let shift = level * SLOT_BITS;
            let position = self.tick >> shift & SLOT_MASK;
            // What is in a lower level lies in the same turn of that level, after today's position: the levels
            // are chosen by the highest bit in which two ticks differ. Only the top level goes round.
            let distance = if level == LEVELS - 1 {
                let turned = occupied & TOP_MASK;
                (1..=TOP_SLOTS).find(|step| turned & 1 << ((position + step) % TOP_SLOTS) != 0)?
            } else {
                occupied.trailing_zeros().wrapping_sub(position)
            };
            let start = self.tick >> shift << shift;
            return Some(start.wrapping_add(distance << shift));
        }
        None
    }

    /// Moves the timers of the slots that begin with the current tick down, or to the due list.
    fn cascade(&mut self) {
        for level in (0..LEVELS).rev() {
            let shift = level * SLOT_BITS;
            if shift > 0 && self.tick & ((1 << shift) - 1) != 0 {
                continue;
            }
            let slot = (self.tick >> shift & SLOT_MASK) as usize;
            let mut timer = self.heads[level][slot];
            self.heads[level][slot] = NONE;
            self.occupied[level] &= !(1 << slot);
            while timer != NONE {
                let next = self.nodes[timer as usize].next;
                self.insert(timer);
                timer = next;
            }
        }
    }

    fn insert(&mut self, timer: u32) {
        let tick = self.nodes[timer as usize].tick;
        let differing = tick ^ self.tick;
        let (head, mark) = if differing == 0 {
            (&mut self.due, DUE)
        } else {
            let level = (differing.ilog2() as usize / SLOT_BITS).min(LEVELS - 1);
            let slot = (tick >> (level * SLOT_BITS) & SLOT_MASK) as usize;
            self.occupied[level] |= 1 << slot;
            (&mut self.heads[level][slot], HEADS + (level * SLOTS + slot) as u32)
        };
        let next = core::mem::replace(head, timer);
        if next != NONE {
            self.nodes[next as usize].prev = timer;
        }
        let node = &mut self.nodes[timer as usize];
        node.next = next;
        node.prev = mark;
    }
}

const SLOT_BITS: usize = 5;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u32 = SLOTS as u32 - 1;
const LEVELS: usize = 7;
/// The top level holds the two highest bits of a tick.
const TOP_SLOTS: u32 = 4;
const TOP_MASK: u32 = (1 << TOP_SLOTS) - 1;
/// Less than half a turn of the top level, so that "before" and "after" stay distinct for a wheel that is behind by as much.
const AWAY_MAX_MS: u64 = 1 << 30;
const NONE: u32 = u32::MAX;
const UNLINKED: u32 = u32::MAX - 1;
const DUE: u32 = u32::MAX - 2;
/// A `prev` from here on names a slot's head.
const HEADS: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn wheel(timers: usize, now: Instant) -> Wheel {
        Wheel::new(std::vec![Node::IDLE; timers].leak(), now)
    }

    fn popped(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        let mut all: Vec<u32> = core::iter::from_fn(|| wheel.pop(now)).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_timer_fires_in_its_millisecond_and_not_before() {
        let mut wheel = wheel(3, Instant::from_micros(1_500));
        wheel.arm(0, Instant::from_millis(10), Instant::from_micros(1_500));
        wheel.arm(1, Instant::from_micros(10_001), Instant::from_micros(1_500));
        wheel.arm(2, Instant::from_millis(100_000), Instant::from_micros(1_500));
        assert_eq!(popped(&mut wheel, Instant::from_micros(9_999)), []);
        assert_eq!(popped(&mut wheel, Instant::from_millis(10)), [0]);
        assert_eq!(popped(&mut wheel, Instant::from_millis(11)), [1]);
        assert_eq!(popped(&mut wheel, Instant::from_millis(99_999)), []);
        assert_eq!(popped(&mut wheel, Instant::from_millis(100_000)), [2]);
        assert_eq!(wheel.poll_timeout(), None);
    }

    #[test]
    fn time_that_jumps_or_stands_still_or_goes_back_is_no_matter() {
        let mut wheel = wheel(2, Instant::ZERO);
        wheel.arm(0, Instant::from_millis(5), Instant::ZERO);
        wheel.arm(1, Instant::from_millis(1_000_000_000), Instant::ZERO);
        assert_eq!(popped(&mut wheel, Instant::from_millis(365 * 86_400_000)), [0, 1]);
        wheel.arm(0, Instant::ZERO, Instant::ZERO);
        assert_eq!(popped(&mut wheel, Instant::ZERO), []);
        assert_eq!(popped(&mut wheel, Instant::from_millis(365 * 86_400_000 + 1)), [0]);
    }

    #[test]
    fn arming_by_a_later_moment_leaves_the_timer_where_it_is() {
        let mut wheel = wheel(1, Instant::ZERO);
        wheel.arm_by(0, Instant::from_millis(50), Instant::ZERO);
        wheel.arm_by(0, Instant::from_millis(90), Instant::ZERO);
        assert_eq!(popped(&mut wheel, Instant::from_millis(50)), [0]);
        wheel.arm_by(0, Instant::from_millis(90), Instant::from_millis(50));
        wheel.arm_by(0, Instant::from_millis(60), Instant::from_millis(50));
        assert_eq!(popped(&mut wheel, Instant::from_millis(60)), [0]);
    }

    proptest! {
        /// Against a list of deadlines, across the wrap of the tick counter.
        #[test]
        fn the_wheel_does_as_a_list_of_deadlines_would(
            start in prop_oneof![0..1_000_u64, 4_294_967_000..4_294_967_600_u64],
            operations in proptest::collection::vec((0..4_u8, 0..8_u32, prop_oneof![0..80_u64, 0..5_000_u64, 0..3_000_000_000_u64]), 1..120),
        ) {
            let mut now_ms = start;
            let mut wheel = wheel(8, Instant::from_millis(start));
            let mut naive: [Option<u64>; 8] = [None; 8];
            for (operation, timer, amount) in operations {
                match operation {
                    0 => {
                        // Never at once: the tick that has begun is over.
                        let at_ms = now_ms + amount.clamp(1, AWAY_MAX_MS);
                        wheel.arm(timer, Instant::from_millis(now_ms + amount), Instant::from_millis(now_ms));
                        naive[timer as usize] = Some(at_ms);
                    }
                    1 => {
                        wheel.disarm(timer);
                        naive[timer as usize] = None;
                    }
                    _ => {
                        let first = naive.iter().flatten().min().copied();
                        match (wheel.poll_timeout(), first) {
                            (None, None) => {}
                            (Some(at), Some(first)) => prop_assert!(at.as_millis() <= first && at.as_millis() >= now_ms),
                            other => prop_assert!(false, "{other:?}"),
                        }
                        now_ms += amount;
                        let expected: Vec<u32> = (0..8).filter(|&timer| naive[timer as usize].is_some_and(|at| at <= now_ms)).collect();
                        prop_assert_eq!(popped(&mut wheel, Instant::from_millis(now_ms)), expected.clone());
                        for timer in expected {
                            naive[timer as usize] = None;
                        }
                    }
                }
            }
        }
    }
}
