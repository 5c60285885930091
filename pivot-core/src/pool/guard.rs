//! What a borrower holds, and a handle to follow it by.
//!
//! Contains `unsafe`: a guard's references to the object whose slot it holds.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::slots::{object_mut, object_ref};
use super::{Object, Pool};

/// An object that is borrowed. Dropping it resets the object and returns it, in unwinding as well.
pub struct Guard<'p, T: Object> {
    pool: &'p Pool<'p, T>,
    /// INVARIANT: this guard is the only holder of this slot's number.
    index: u32,
}

impl<'p, T: Object> Guard<'p, T> {
    /// The caller has just popped `index` from the pool's free list.
    pub(super) fn new(pool: &'p Pool<'_, T>, index: u32) -> Self {
        Self { pool, index }
    }

    /// The slot's number in its pool.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// A handle that follows this lending without keeping it.
    pub fn downgrade(&self) -> Weak<'p, T> {
        Weak {
            pool: self.pool,
            index: self.index,
            generation: self.pool.slots[self.index as usize].generation(),
        }
    }
}

impl<T: Object> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the slot, and the borrow of it keeps `deref_mut` away.
        unsafe { object_ref(&self.pool.slots[self.index as usize]) }
    }
}

impl<T: Object> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the slot, and the exclusive borrow of it keeps every other reference away.
        unsafe { object_mut(&self.pool.slots[self.index as usize]) }
    }
}

impl<T: Object> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let slot = &self.pool.slots[self.index as usize];
        slot.with(T::reset);
        slot.end_lending();
        self.pool.give_back(self.index);
    }
}

impl<T: Object + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Follows one lending of an object without keeping it, and without ever reaching the object.
pub struct Weak<'p, T: Object> {
    pool: &'p Pool<'p, T>,
    index: u32,
    generation: u32,
}

impl<T: Object> Weak<'_, T> {
    /// Whether that lending goes on; `false` for ever once the guard was dropped.
    pub fn is_lent(&self) -> bool {
        self.pool.slots[self.index as usize].generation() == self.generation
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
        f.debug_struct("Weak").field("index", &self.index).field("is_lent", &self.is_lent()).finish()
    }
}
