//! The cells of a pool.
//!
//! Contains `unsafe`: reaching the object in a cell, for the one who holds its slot.
#![allow(unsafe_code)]

use super::Object;
use crate::sync::{AtomicBool, AtomicU32, Ordering, UnsafeCell, is_mutant};

/// Where one object of a pool lives.
///
/// INVARIANT: a slot's number is in its pool's free list, or in exactly one `Guard`, or just on its way between the
/// two in one thread's hands; never in two of these. Whoever has it has the cell to itself.
pub struct Slot<T: Object> {
    cell: UnsafeCell<Cell<T>>,
    next: AtomicU32,
    generation: AtomicU32,
    is_claimed: AtomicBool,
}

enum Cell<T: Object> {
    Seed(T::Seed),
    Object(T),
    /// While `create` runs; stays only if it panics.
    Empty,
}

// SAFETY: by the invariant, one thread at a time reaches the cell, and the free list's Release and Acquire order one
// holder's accesses before the next one's; so it is enough that seed and object may move between threads.
unsafe impl<T: Object + Send> Sync for Slot<T> where T::Seed: Send {}

impl<T: Object> Slot<T> {
    /// A slot whose object will be made of `seed` at its first use.
    pub fn new(seed: T::Seed) -> Self {
        Self {
            cell: UnsafeCell::new(Cell::Seed(seed)),
            next: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            is_claimed: AtomicBool::new(false),
        }
    }

    /// Takes the slot for a pool; `false` if one has it already.
    pub(super) fn claim(&self) -> bool {
        !self.is_claimed.swap(true, Ordering::AcqRel)
    }

    pub(super) fn next(&self) -> &AtomicU32 {
        &self.next
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Ends a lending: handles to it learn that it is over. Called by the slot's holder alone.
    pub(super) fn end_lending(&self) {
        if is_mutant("weak_no_generation") {
            return;
        }
        let generation = self.generation.load(Ordering::Relaxed);
        self.generation.store(generation.wrapping_add(1), Ordering::Release);
    }

    /// Makes the object if it is not there yet, and says whether it did. Called by the slot's holder alone.
    pub(super) fn create(&self) -> bool {
        self.cell.with_mut(|cell| {
            // SAFETY: the caller holds the slot, so nothing else refers to the cell's contents (see the invariant).
            let cell = unsafe { &mut *cell };
            if matches!(cell, Cell::Object(_)) {
                return false;
            }
            if let Cell::Seed(seed) = core::mem::replace(cell, Cell::Empty) {
                *cell = Cell::Object(T::create(seed));
            }
            true
        })
    }

    /// A pointer to the object, which is valid and unaliased for as long as the caller holds the slot.
    ///
    /// # Safety
    /// The caller holds the slot, and [`Slot::create`] was called since it was made.
    unsafe fn object(&self) -> *mut T {
        self.cell.with_mut(|cell| {
            // SAFETY: as in `create`.
            match unsafe { &mut *cell } {
                Cell::Object(object) => core::ptr::from_mut(object),
                // SAFETY: `create` leaves an object, and nothing takes it out again; had it panicked, nobody
                // would hold the slot.
                Cell::Seed(_) | Cell::Empty => unsafe { core::hint::unreachable_unchecked() },
            }
        })
    }
}

/// A reference to the object of a slot that the caller holds.
///
/// # Safety
/// The caller holds the slot, with its object made, for as long as the reference lives, and makes no exclusive reference
/// meanwhile.
pub(super) unsafe fn object_ref<T: Object>(slot: &Slot<T>) -> &T {
    // SAFETY: the pointer is to a live object; that nobody changes it is the caller's promise.
    unsafe { &*slot.object() }
}

/// An exclusive reference to the object of a slot that the caller holds.
///
/// # Safety
/// The caller holds the slot, with its object made, for as long as the reference lives, and makes no other reference
/// meanwhile.
#[allow(clippy::mut_from_ref, reason = "exclusive by the caller's promise, as with `UnsafeCell::get`")]
pub(super) unsafe fn object_mut<T: Object>(slot: &Slot<T>) -> &mut T {
    // SAFETY: the pointer is to a live object; that nobody else reaches it is the caller's promise.
    unsafe { &mut *slot.object() }
}

impl<T: Object> core::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slot").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
