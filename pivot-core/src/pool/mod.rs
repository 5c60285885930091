//! Pools of fixed capacity: borrow gives a guard, dropping it resets and returns the object.
//!
//! ```text
//!           borrow                         Guard dropped: reset, next generation
//!  Seed ──(first use: create)──> lent ──────────────────────────────┐
//!                                 ^                                 v
//!                                 └──────────── borrow ──────────  free
//! ```
//!
//! A pool lies over slots that its owner provides, so it can never hold more objects than were counted at start. When
//! all are lent, a borrow says [`Exhausted`] at once; who wants to wait does it where waiting is bounded and counted.
//! Borrowing and returning are lock-free, from any thread.
//!
//! ```
//! use pivot_core::pool::{Object, Pool, Slot};
//!
//! struct Line(String);
//! impl Object for Line {
//!     type Seed = usize;
//!     fn create(len: usize) -> Self {
//!         Line(String::with_capacity(len))
//!     }
//!     fn reset(&mut self) {
//!         self.0.clear();
//!     }
//! }
//! let slots = [Slot::<Line>::new(80), Slot::new(80)];
//! let pool = Pool::new(&slots);
//! let mut line = pool.borrow().unwrap();
//! line.0.push_str("secret");
//! let weak = line.downgrade();
//! drop(line);
//! assert!(!weak.is_lent());
//! assert_eq!(pool.borrow().unwrap().0, "");
//! ```

mod cache;
mod free_list;
mod guard;
mod slots;

use core::fmt;

pub use cache::{CACHED_MAX, Cache};
pub use guard::{Guard, Weak};
pub use slots::Slot;

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, CachePadded, Ordering};
use free_list::FreeList;

/// What a pool lends.
pub trait Object {
    /// What the object is made of at its first use.
    type Seed;

    /// Makes the object.
    fn create(seed: Self::Seed) -> Self;

    /// Makes the object as good as new: afterwards no byte of the former use can be read through its interface.
    fn reset(&mut self);
}

/// Objects that are lent one at a time.
pub struct Pool<'s, T: Object> {
    slots: &'s [Slot<T>],
    free: CachePadded<FreeList>,
    counts: CachePadded<Counts>,
}

struct Counts {
    borrowed: AtomicU64,
    refused: AtomicU64,
    created: AtomicU32,
    lent: AtomicU32,
    lent_max: AtomicU32,
    is_wanted: AtomicBool,
}

/// No object is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every object of the pool is lent")
    }
}

impl core::error::Error for Exhausted {}

/// What a pool has done so far. The counts are read one after another, so under traffic they may differ by a few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolMetrics {
    /// Objects that could be lent at the same time.
    pub capacity: u32,
    /// Objects that were made so far; the others are still seeds.
    pub created: u32,
    /// Objects lent now.
    pub lent: u32,
    /// Most objects lent at one time.
    pub lent_max: u32,
    /// Borrows that succeeded.
    pub borrowed: u64,
    /// Borrows that found nothing free.
    pub refused: u64,
}

impl<'s, T: Object> Pool<'s, T> {
    /// A pool over `slots`, all of them free.
    ///
    /// # Panics
    /// If there are more slots than a free list can link (65,534 on a 32-bit machine), or a slot belongs to a pool
    /// already: mistakes of the code that carves them.
    pub fn new(slots: &'s [Slot<T>]) -> Self {
        assert!(slots.len() <= FreeList::CAPACITY_MAX, "more slots than a free list can link");
        for slot in slots {
            assert!(slot.claim(), "a slot belongs to one pool");
        }
        Self {
            slots,
            free: CachePadded(FreeList::new(slots)),
            counts: CachePadded(Counts {
                borrowed: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                created: AtomicU32::new(0),
                lent: AtomicU32::new(0),
                lent_max: AtomicU32::new(0),
                is_wanted: AtomicBool::new(false),
            }),
        }
    }

    /// Borrows an object: the one that was returned last, since it is most likely in the cache.
    ///
    /// # Errors
    /// [`Exhausted`] if every object is lent.
    pub fn borrow(&self) -> Result<Guard<'_, T>, Exhausted> {
        // Relaxed throughout: counts publish nothing.
        let Some(index) = self.free.pop(self.slots) else {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            self.counts.is_wanted.store(true, Ordering::Relaxed);
            return Err(Exhausted);
        };
        if self.is_wanted() {
            self.counts.is_wanted.store(false, Ordering::Relaxed);
        }
        let slot = &self.slots[index as usize];
        if slot.create() {
            self.counts.created.fetch_add(1, Ordering::Relaxed);
        }
        self.counts.borrowed.fetch_add(1, Ordering::Relaxed);
        let lent = self.counts.lent.fetch_add(1, Ordering::Relaxed) + 1;
        if lent > self.counts.lent_max.load(Ordering::Relaxed) {
            self.counts.lent_max.fetch_max(lent, Ordering::Relaxed);
        }
        Ok(Guard::new(self, slot))
    }

    /// Whether somebody found nothing free since the last borrow that did: caches are to give back what they hold.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.counts.is_wanted.load(Ordering::Relaxed)
    }

    /// How many objects there are, made or not.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many objects are lent.
    pub fn lent_count(&self) -> usize {
        self.counts.lent.load(Ordering::Relaxed) as usize
    }

    /// What the pool has done so far.
    pub fn metrics(&self) -> PoolMetrics {
        PoolMetrics {
            capacity: self.slots.len() as u32,
            created: self.counts.created.load(Ordering::Relaxed),
            lent: self.counts.lent.load(Ordering::Relaxed),
            lent_max: self.counts.lent_max.load(Ordering::Relaxed),
            borrowed: self.counts.borrowed.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
        }
    }

    /// The number of one of this pool's slots.
    fn index_of(&self, slot: &Slot<T>) -> u32 {
        let offset = (core::ptr::from_ref(slot) as usize).wrapping_sub(self.slots.as_ptr() as usize);
        (offset / size_of::<Slot<T>>()) as u32
    }

    fn give_back(&self, index: u32) {
        self.counts.lent.fetch_sub(1, Ordering::Relaxed);
        self.free.push(self.slots, index);
    }
}

impl<T: Object> fmt::Debug for Pool<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.metrics().fmt(f)
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests;
