//! Wakers of one word: domain, slot and generation packed into the pointer that a waker carries.
//!
//! Contains `unsafe`: the waker's table of functions, and the way from a domain's number to its ready set.
//!
//! A waker may be cloned, sent to any thread and kept after the server has ended, all without allocation: what
//! it names is looked up in a `static` registry of domains (one for each worker). A slot that moved on, or a
//! domain that was released, makes the call do nothing.
#![allow(unsafe_code)]

use core::fmt;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::ready::ReadySet;
use crate::sync::{StaticPtr, StaticU32};

/// A worker's entry in the registry of ready sets. Dropping it releases the entry.
#[derive(Debug)]
pub struct Domain {
    index: usize,
    set: &'static ReadySet,
}

impl Domain {
    /// Registers a worker's ready set.
    ///
    /// # Errors
    /// [`DomainsFull`] if [`DOMAINS_MAX`] workers run in this process already.
    pub fn register(set: &'static ReadySet) -> Result<Self, DomainsFull> {
        if set.slot_count() > INDEX_MASK {
            return Err(DomainsFull);
        }
        for (index, entry) in REGISTRY.iter().enumerate() {
            if entry.claim() {
                // Generations go on where the entry's last owner stopped: its wakers stay harmless.
                let base = entry.generation.load();
                set.start_generations(base);
                entry.set.store(ptr::from_ref(set).cast_mut());
                return Ok(Self { index, set });
            }
        }
        Err(DomainsFull)
    }

    /// The ready set of this worker.
    pub fn set(&self) -> &'static ReadySet {
        self.set
    }

    /// A waker for what occupies the slot now.
    pub fn waker(&self, slot: usize) -> Waker {
        let generation = self.set.generation(slot) as usize & GENERATION_MASK;
        let word = self.index << (INDEX_BITS + GENERATION_BITS) | slot << GENERATION_BITS | generation;
        // SAFETY: the functions of `TABLE` take any word: they use it as a number, never as a pointer, so that
        // cloning, waking and dropping are sound from any thread at any time.
        unsafe { Waker::from_raw(raw(ptr::without_provenance(word))) }
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let entry = &REGISTRY[self.index];
        entry.set.store(ptr::null_mut());
        entry.generation.store(self.set.generation_after_all());
        entry.release();
    }
}

/// Too many workers in one process, or more slots than a waker can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainsFull;

impl fmt::Display for DomainsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {DOMAINS_MAX} workers may run in a process, each with at most {INDEX_MASK} exchanges; \
             lower workers or concurrency_max"
        )
    }
}

impl core::error::Error for DomainsFull {}

struct Entry {
    claimed: StaticU32,
    generation: StaticU32,
    set: StaticPtr<ReadySet>,
}

impl Entry {
    const fn new() -> Self {
        Self { claimed: StaticU32::new(0), generation: StaticU32::new(0), set: StaticPtr::null() }
    }

    fn claim(&self) -> bool {
        self.claimed.set_if_zero()
    }

    fn release(&self) {
        self.claimed.store(0);
    }
}

fn raw(word: *const ()) -> RawWaker {
    RawWaker::new(word, &TABLE)
}

fn wake(word: *const ()) {
    let word = word.addr();
    let index = word >> GENERATION_BITS & INDEX_MASK;
    let generation = word & GENERATION_MASK;
    let Some(entry) = REGISTRY.get(word >> (INDEX_BITS + GENERATION_BITS)) else { return };
    // SAFETY: the pointer is null or was made of a `&'static ReadySet`, which is valid for ever.
    let Some(set) = (unsafe { entry.set.load().as_ref() }) else { return };
    set.wake_masked(index, generation as u32, GENERATION_MASK as u32);
}

static TABLE: RawWakerVTable = RawWakerVTable::new(raw, wake, wake, |_| ());
static REGISTRY: [Entry; DOMAINS_MAX] = [const { Entry::new() }; DOMAINS_MAX];

/// Most workers in one process: what the bits of the waker's word leave room for.
pub const DOMAINS_MAX: usize = 1 << DOMAIN_BITS;
const DOMAIN_BITS: usize = if usize::BITS >= 64 { 8 } else { 2 };
const INDEX_BITS: usize = if usize::BITS >= 64 { 24 } else { 12 };
const GENERATION_BITS: usize = usize::BITS as usize - DOMAIN_BITS - INDEX_BITS;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = (1 << GENERATION_BITS) - 1;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::exec::Notify;
    use crate::sync::AtomicU32;
    use std::boxed::Box;
    use std::vec::Vec;

    struct Nobody;
    impl Notify for Nobody {
        fn notify(&self) {}
    }

    fn set(slots: usize) -> &'static ReadySet {
        let words = (0..ReadySet::words_for(slots)).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        let generations = (0..slots).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        Box::leak(Box::new(ReadySet::new(words, generations, &Nobody)))
    }

    fn taken(set: &ReadySet) -> Vec<usize> {
        let mut all = Vec::new();
        set.take(|index| all.push(index));
        all
    }

    #[test]
    fn a_waker_wakes_its_slot_from_another_thread() {
        let domain = Domain::register(set(40)).unwrap();
        let waker = domain.waker(33);
        let other = waker.clone();
        drop(waker);
        std::thread::spawn(move || other.wake()).join().unwrap();
        assert_eq!(taken(domain.set()), [33]);
    }

    #[test]
    fn a_waker_that_outlives_its_exchange_or_its_server_does_nothing() {
        let domain = Domain::register(set(4)).unwrap();
        let waker = domain.waker(2);
        domain.set().retire(2);
        waker.wake_by_ref();
        assert_eq!(taken(domain.set()), []);
        let last = domain.waker(2);
        drop(domain);
        last.wake_by_ref();
        // The next server may get the same entry of the registry: the old generation means nothing there.
        let next = Domain::register(set(4)).unwrap();
        last.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(taken(next.set()), []);
    }

    #[test]
    fn wakers_of_one_slot_and_generation_are_equal() {
        let domain = Domain::register(set(4)).unwrap();
        assert!(domain.waker(1).will_wake(&domain.waker(1).clone()));
        assert!(!domain.waker(1).will_wake(&domain.waker(2)));
    }
}
