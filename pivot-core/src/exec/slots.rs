//! A slab of futures of one type, in places that were pinned at start.

use core::pin::Pin;

/// As many futures of type `F` as there are slots. A slot is filled, polled until it is done, and emptied.
#[derive(Debug)]
pub struct Slots<F: 'static> {
    slots: &'static mut [Pin<&'static mut Option<F>>],
    /// The slots that are free, as a stack: the last one used is the one still in the cache.
    free: &'static mut [u32],
    free_count: usize,
}

/// Every slot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotsFull;

impl<F: Future<Output = ()>> Slots<F> {
    /// A slab over empty slots, with one entry of `free` for each.
    ///
    /// # Panics
    /// If `free` is shorter than `slots`: a mistake of the code that carves them.
    pub fn new(slots: &'static mut [Pin<&'static mut Option<F>>], free: &'static mut [u32]) -> Self {
        let free_count = slots.len();
        for (index, entry) in free[..free_count].iter_mut().rev().enumerate() {
            *entry = index as u32;
        }
        Self { slots, free, free_count }
    }

    /// Takes a free slot's number, for [`Slots::fill`] or [`Slots::give_back`].
    ///
    /// # Errors
    /// [`SlotsFull`] if there is none.
    pub fn take(&mut self) -> Result<u32, SlotsFull> {
        self.free_count = self.free_count.checked_sub(1).ok_or(SlotsFull)?;
        Ok(self.free[self.free_count])
    }

    /// Puts a future into a slot that was taken.
    #[inline]
    pub fn fill(&mut self, index: u32, make: impl FnOnce() -> F) {
        self.slots[index as usize].set(Some(make()));
    }

    /// The future of a slot, to be polled; `None` if the slot is empty.
    pub fn get(&mut self, index: u32) -> Option<Pin<&mut F>> {
        self.slots[index as usize].as_mut().as_pin_mut()
    }

    /// Drops the slot's future, wherever it stands. The slot stays taken.
    pub fn clear(&mut self, index: u32) {
        self.slots[index as usize].set(None);
    }

    /// Frees a slot, which was cleared or never filled.
    #[inline]
    pub fn give_back(&mut self, index: u32) {
        debug_assert!(self.slots[index as usize].is_none(), "a slot is cleared before it comes back");
        debug_assert!(!self.free[..self.free_count].contains(&index), "a slot comes back once");
        self.free[self.free_count] = index;
        self.free_count += 1;
    }

    /// How many slots are taken.
    pub fn taken_count(&self) -> usize {
        self.slots.len() - self.free_count
    }

    /// How many slots there are.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Space, take_pinned};
    use core::cell::Cell;
    use core::task::{Context, Waker};
    use std::rc::Rc;

    #[test]
    fn a_slot_is_taken_once_and_its_future_dropped_on_return() {
        static SPACE: Space<512> = Space::new();
        struct OnDrop(Rc<Cell<u32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let drops = Rc::new(Cell::new(0));
        let make = |drops: &Rc<Cell<u32>>| {
            let guard = OnDrop(drops.clone());
            async move {
                let _guard = guard;
                core::future::pending::<()>().await;
            }
        };
        fn slots<F: Future<Output = ()>>(_: &impl Fn(&Rc<Cell<u32>>) -> F) -> Slots<F> {
            let mut arena = SPACE.arena().unwrap();
            Slots::new(take_pinned(&mut arena, "slots", 2).unwrap(), std::vec![0; 2].leak())
        }
        let mut slots = slots(&make);
        let (one, two) = (slots.take().unwrap(), slots.take().unwrap());
        assert_ne!(one, two);
        assert_eq!(slots.take(), Err(SlotsFull));
        slots.fill(one, || make(&drops));
        assert!(slots.get(one).unwrap().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        slots.clear(one);
        slots.give_back(one);
        assert_eq!((drops.get(), slots.taken_count()), (1, 1));
        assert_eq!(slots.take(), Ok(one));
    }
}
