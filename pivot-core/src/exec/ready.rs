//! Which slots want to run: bits that any thread may set, and one thread takes.

use core::fmt;

use crate::sync::{AtomicBool, AtomicU32, Ordering, fence, is_mutant};

/// Interrupts a loop that waits for I/O, from any thread.
pub trait Notify: Sync {
    /// Makes the loop's current or next wait end.
    fn notify(&self);
}

/// The ready bits of one worker's slots, with a generation for each slot.
///
/// A wake-up names the slot and its generation; one for a former occupant is ignored, so a waker that outlives
/// its exchange is harmless.
pub struct ReadySet {
    words: &'static [AtomicU32],
    generations: &'static [AtomicU32],
    /// Some bit may be set. Saves the loop the walk over `words`.
    any: AtomicBool,
    /// The loop is about to wait, or waits: who sets a bit now has to notify it.
    sleeping: AtomicBool,
    notify: &'static dyn Notify,
}

impl fmt::Debug for ReadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadySet").field("slots", &self.generations.len()).finish_non_exhaustive()
    }
}

impl ReadySet {
    /// How many words hold the bits of `slots` slots.
    pub const fn words_for(slots: usize) -> usize {
        slots.div_ceil(32)
    }

    /// A set for as many slots as there are `generations`.
    ///
    /// # Panics
    /// If `words` are fewer than [`ReadySet::words_for`] says: a mistake of the code that carves them.
    pub fn new(
        words: &'static [AtomicU32],
        generations: &'static [AtomicU32],
        notify: &'static dyn Notify,
    ) -> Self {
        assert!(words.len() >= Self::words_for(generations.len()), "a bit for each slot");
        Self { words, generations, any: AtomicBool::new(false), sleeping: AtomicBool::new(false), notify }
    }

    /// How many slots there are.
    pub fn slot_count(&self) -> usize {
        self.generations.len()
    }

    /// The generation that a slot is in now.
    pub fn generation(&self, index: usize) -> u32 {
        // Relaxed: only the loop's own thread changes generations, and only it calls this.
        self.generations[index].load(Ordering::Relaxed)
    }

    /// Starts the slot's next generation: wake-ups for the former one are ignored from here on.
    pub fn retire(&self, index: usize) {
        let word = &self.generations[index];
        // Release pairs with the Acquire in `wake`; a wake that still saw the old generation costs one empty poll.
        word.store(word.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Asks for the slot to run, if it is still in `generation`. Callable from any thread, at any time.
    pub fn wake(&self, index: usize, generation: u32) {
        let Some(current) = self.generations.get(index) else { return };
        // Acquire pairs with the Release in `retire`.
        if current.load(Ordering::Acquire) != generation && !is_mutant("ready_no_generation") {
            return;
        }
        // Release publishes what the waking thread did before; pairs with the Acquire in `take`.
        self.words[index / 32].fetch_or(1 << (index % 32), Ordering::Release);
        self.any.store(true, Ordering::Release);
        // Either this fence comes first, and `prepare_sleep` sees `any`; or that one does, and we see `sleeping`.
        if !is_mutant("ready_no_fence") {
            fence(Ordering::SeqCst);
        }
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::AcqRel) {
            self.notify.notify();
        }
    }

    /// As [`ReadySet::wake`], where only the bits of `mask` of the generation are known.
    pub(super) fn wake_masked(&self, index: usize, generation: u32, mask: u32) {
        let Some(current) = self.generations.get(index) else { return };
        let current = current.load(Ordering::Acquire);
        if current & mask == generation {
            self.wake(index, current);
        }
    }

    /// Sets every slot's generation: called once, before any waker of this set exists.
    pub(super) fn start_generations(&self, generation: u32) {
        for word in self.generations {
            word.store(generation, Ordering::Release);
        }
    }

    /// A generation that no slot of this set has reached.
    pub(super) fn generation_after_all(&self) -> u32 {
        let newest = self.generations.iter().map(|word| word.load(Ordering::Relaxed)).max();
        newest.unwrap_or(0).wrapping_add(1)
    }

    /// Takes all bits and calls `run` for each; at most one call for each slot.
    pub fn take(&self, mut run: impl FnMut(usize)) {
        // A swap first: a bit that is set behind the walk sets `any` again.
        if !self.any.load(Ordering::Relaxed) || !self.any.swap(false, Ordering::Acquire) {
            return;
        }
        for (word_index, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::Acquire);
            while bits != 0 {
                let index = word_index * 32 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                run(index);
            }
        }
    }

    /// Whether some slot wants to run.
    pub fn is_any_ready(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Announces that the loop is about to wait. `false`: something became ready, do not wait.
    pub fn prepare_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`.
        if !is_mutant("ready_no_fence") {
            fence(Ordering::SeqCst);
        }
        if self.any.load(Ordering::Acquire) {
            self.sleeping.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Announces that the loop is awake again.
    pub fn end_sleep(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    struct Count(AtomicU32);
    impl Notify for Count {
        fn notify(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn set(slots: usize) -> (ReadySet, &'static Count) {
        let count: &'static Count = Box::leak(Box::new(Count(AtomicU32::new(0))));
        let words = (0..ReadySet::words_for(slots)).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        let generations = (0..slots).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        (ReadySet::new(words, generations, count), count)
    }

    fn taken(set: &ReadySet) -> Vec<usize> {
        let mut all = Vec::new();
        set.take(|index| all.push(index));
        all
    }

    #[test]
    fn a_slot_that_is_woken_twice_runs_once() {
        let (set, _) = set(70);
        for index in [69, 0, 33, 0] {
            set.wake(index, 0);
        }
        assert_eq!(taken(&set), [0, 33, 69]);
        assert_eq!(taken(&set), []);
    }

    #[test]
    fn a_wake_of_a_former_generation_or_of_no_slot_does_nothing() {
        let (set, _) = set(2);
        set.retire(1);
        set.wake(1, 0);
        set.wake(7, 0);
        assert!(!set.is_any_ready());
        set.wake(1, 1);
        assert_eq!(taken(&set), [1]);
    }

    #[test]
    fn only_a_sleeping_loop_is_notified_and_only_once() {
        let (set, count) = set(2);
        set.wake(0, 0);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(!set.prepare_sleep(), "something is ready");
        set.take(|_| ());
        assert!(set.prepare_sleep());
        set.wake(0, 0);
        set.wake(1, 0);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
