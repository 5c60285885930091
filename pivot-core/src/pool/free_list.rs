//! A lock-free stack of slot numbers, in safe code.
//!
//! The head is one word: the number of the first free slot, and a tag that every change counts up. Without the tag, a
//! pop that was interrupted between reading the head's successor and swapping it in could find the same head again
//! with another successor behind it, and hand a lent slot out a second time (the ABA problem; Treiber, "Systems
//! Programming: Coping with Parallelism", 1986). The tag is 32 bits wide on 64-bit machines, 16 on others.

use super::Object;
use super::slots::Slot;
use crate::sync::{Ordering, is_mutant};

#[cfg(target_pointer_width = "64")]
mod word {
    pub(super) type Word = u64;
    pub(super) type AtomicWord = crate::sync::AtomicU64;
    pub(super) const INDEX_BITS: u32 = 32;
}
#[cfg(not(target_pointer_width = "64"))]
mod word {
    pub(super) type Word = u32;
    pub(super) type AtomicWord = crate::sync::AtomicU32;
    pub(super) const INDEX_BITS: u32 = 16;
}
use word::{AtomicWord, INDEX_BITS, Word};

pub(super) struct FreeList {
    head: AtomicWord,
}

impl FreeList {
    /// Most slots that can be linked: one number means "none".
    pub(super) const CAPACITY_MAX: usize = INDEX_MASK as usize - 1;

    /// Links all slots, the first one first.
    pub(super) fn new<T: Object>(slots: &[Slot<T>]) -> Self {
        for (index, slot) in slots.iter().enumerate() {
            let next = if index + 1 < slots.len() { index as u32 + 1 } else { NONE };
            slot.next().store(next, Ordering::Relaxed);
        }
        let head = if slots.is_empty() { NONE } else { 0 };
        Self { head: AtomicWord::new(Word::from(head)) }
    }

    pub(super) fn pop<T: Object>(&self, slots: &[Slot<T>]) -> Option<u32> {
        // Acquire pairs with the Release of `push`: what the returner did to the object is seen.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let index = (head & INDEX_MASK) as u32;
            if index == NONE {
                return None;
            }
            // Perhaps stale, if somebody else pops this slot meanwhile; the tag then fails the swap.
            let next = slots[index as usize].next().load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                tagged(next, head),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn push<T: Object>(&self, slots: &[Slot<T>], index: u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            slots[index as usize].next().store((head & INDEX_MASK) as u32, Ordering::Relaxed);
            // Release publishes the link and the object's reset.
            match self.head.compare_exchange_weak(
                head,
                tagged(index, head),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// A head that names `index`, with the tag that follows `head`'s.
fn tagged(index: u32, head: Word) -> Word {
    let step = if is_mutant("free_list_no_tag") { 0 } else { 1 };
    let tag = (head >> INDEX_BITS).wrapping_add(step);
    tag << INDEX_BITS | Word::from(index) & INDEX_MASK
}

const INDEX_MASK: Word = (1 << INDEX_BITS) - 1;
const NONE: u32 = INDEX_MASK as u32;
