//! What a borrower holds, and a handle to follow it by.
//!
//! Contains `unsafe`: a guard's references to the object whose slot it holds.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::slots::{Slot, object_mut, object_ref};
use super::{Object, Pool};

/// An object that is borrowed. Dropping it resets the object and returns it, in unwinding as well.
pub struct Guard<'p, T: Object> {
    pool: &'p Pool<'p, T>,
    /// INVARIANT: this guard is the only holder of this slot, whose object was made.
    slot: &'p Slot<T>,
}

impl<'p, T: Object> Guard<'p, T> {
    /// The caller has just popped the slot from the pool's free list, and made its object.
    pub(super) fn new(pool: &'p Pool<'_, T>, slot: &'p Slot<T>) -> Self {
        Self { pool, slot }
    }

    /// The slot's number in its pool.
    pub fn index(&self) -> u32 {
        self.pool.index_of(self.slot)
    }

    /// Ends this lending and begins another one of the same object, which is as good as new.
    #[inline(always)]
    pub(super) fn renew(&mut self) {
        T::reset(self);
        self.slot.end_lending();
    }

    /// A handle that follows this lending without keeping it.
    pub fn downgrade(&self) -> Weak<'p, T> {
        Weak { slot: self.slot, generation: self.slot.generation() }
    }
}

impl<T: Object> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the slot, and the borrow of it keeps `deref_mut` away.
        unsafe { object_ref(self.slot) }
    }
}

impl<T: Object> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the slot, and the exclusive borrow of it keeps every other reference away.
        unsafe { object_mut(self.slot) }
    }
}

impl<T: Object> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.renew();
        self.pool.give_back(self.index());
    }
}

impl<T: Object + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Follows one lending of an object without keeping it, and without ever reaching the object.
pub struct Weak<'p, T: Object> {
    slot: &'p Slot<T>,
    generation: u32,
}

impl<T: Object> Weak<'_, T> {
    /// Whether that lending goes on; `false` for ever once the guard was dropped.
    pub fn is_lent(&self) -> bool {
        self.slot.generation() == self.generation
    }
}

impl<T: Object> Clone for Weak<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Object> Copy for Weak<'_, T> {}

impl<T: Object> fmt::Debug for Weak<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weak")
            .field("generation", &self.generation)
            .field("is_lent", &self.is_lent())
            .finish()
    }
}
