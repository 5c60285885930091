//! The arena that every table and buffer is carved from, once, at start.
//!
//! Contains `unsafe`: turning a piece of a [`Space`]'s bytes into typed slots, and pinning a slot for good.
//!
//! Whoever builds a server hands in an [`Arena`]: a `static` [`Space`] on a board, leaked memory on an operating
//! system. Both go through the same calls, so the [`Budget`] that is printed at start is counted where the
//! memory is taken and cannot drift from it. Nothing is ever given back: a server's tables live as long as
//! the program.
#![allow(unsafe_code)]
#![allow(
    clippy::mut_from_ref,
    reason = "what an arena gives does not come from the name that it is accounted to"
)]

mod plan;

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::{MaybeUninit, align_of, size_of};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};

use heapless::Vec;

pub use plan::Plan;

use crate::sync::CachePadded;

/// Gives memory for tables and buffers, for the rest of the program.
pub trait Arena {
    /// Takes `count` values, made one by one by `make`, and accounts them to `part`.
    ///
    /// # Errors
    /// [`SpaceFull`] if the arena has no room for them; nothing was made then.
    fn take<T: 'static>(
        &mut self,
        part: &'static str,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'static mut [T], SpaceFull>;

    /// Takes `count` buffers of `size` bytes, all zero and one behind the other; the same errors as [`Arena::take`].
    ///
    /// An operating system gives zeroed pages for nothing until they are touched, hence a method of its own.
    fn take_bytes(
        &mut self,
        part: &'static str,
        count: usize,
        size: usize,
    ) -> Result<&'static mut [u8], SpaceFull> {
        self.take(part, count.saturating_mul(size), |_| 0)
    }

    /// What has been taken so far, part by part.
    fn budget(&self) -> &Budget;
}

/// Takes a single value; see [`Arena::take`].
pub fn take_one<T: 'static>(
    arena: &mut impl Arena,
    part: &'static str,
    value: T,
) -> Result<&'static mut T, SpaceFull> {
    let mut value = Some(value);
    let slot = arena.take(part, 1, |_| value.take())?;
    // `make` ran exactly once and found the value there.
    Ok(slot[0].as_mut().expect("an arena makes what it was asked for"))
}

/// Takes `count` empty slots that are pinned for good: futures are put into them, run there, and dropped there.
pub fn take_pinned<F: 'static>(
    arena: &mut impl Arena,
    part: &'static str,
    count: usize,
) -> Result<&'static mut [Pin<&'static mut Option<F>>], SpaceFull> {
    let mut slots = arena.take(part, count, |_| None)?.iter_mut();
    arena.take("pinned slots", count, |_| {
        let slot = slots.next().expect("as many slots as were taken above");
        // SAFETY: the only reference to the slot is this `'static` one, and from here on it is reachable
        // through the `Pin` alone; the memory is never given back, so the value cannot move before it is dropped.
        unsafe { Pin::new_unchecked(slot) }
    })
}

/// A fixed piece of memory: the arena of a board, or of a test that wants to see a bound at work.
///
/// Make one `static` of it; [`Space::arena`] hands it out once.
///
/// ```
/// use pivot_core::storage::{Arena, Space};
/// static SPACE: Space<1024> = Space::new();
/// let mut arena = SPACE.arena().expect("the first to ask");
/// let table = arena.take("table", 8, |index| index as u32)?;
/// assert_eq!(table[7], 7);
/// assert!(SPACE.arena().is_none());
/// assert!(arena.take("too much", 1024, |_| 0_u64).is_err());
/// # Ok::<(), pivot_core::storage::SpaceFull>(())
/// ```
#[repr(align(16))]
pub struct Space<const BYTES: usize> {
    /// The space begins where the most demanding table may begin: only so is its size known beforehand.
    _align: [CachePadded<u8>; 0],
    bytes: UnsafeCell<[MaybeUninit<u8>; BYTES]>,
    taken: AtomicBool,
}

// SAFETY: `bytes` is reached only through the one `SpaceArena` that `arena` gives out, which `taken` guards.
unsafe impl<const BYTES: usize> Sync for Space<BYTES> {}

impl<const BYTES: usize> Space<BYTES> {
    /// A space that nothing has been taken from. It lies in `.bss`: it costs RAM, but no flash.
    #[allow(
        clippy::new_without_default,
        reason = "a Space is a static; a default one on the stack is a mistake"
    )]
    pub const fn new() -> Self {
        Self {
            _align: [],
            bytes: UnsafeCell::new([const { MaybeUninit::uninit() }; BYTES]),
            taken: AtomicBool::new(false),
        }
    }

    /// The arena over this space; `None` if somebody has it already.
    pub fn arena(&'static self) -> Option<SpaceArena> {
        // A board without compare-and-swap has no `swap`; it has one thread before the server runs.
        if self.taken.load(Ordering::Acquire) {
            return None;
        }
        self.taken.store(true, Ordering::Release);
        // SAFETY: `taken` was false, so this is the only time that a reference to the bytes is made.
        let bytes = unsafe { &mut *self.bytes.get() };
        Some(SpaceArena { rest: bytes, budget: Budget::new() })
    }
}

impl<const BYTES: usize> fmt::Debug for Space<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("bytes", &BYTES).finish_non_exhaustive()
    }
}

/// The arena over a [`Space`].
#[derive(Debug)]
pub struct SpaceArena {
    rest: &'static mut [MaybeUninit<u8>],
    budget: Budget,
}

impl SpaceArena {
    /// How many bytes are left.
    pub fn free_len(&self) -> usize {
        self.rest.len()
    }
}

impl Arena for SpaceArena {
    fn take<T: 'static>(
        &mut self,
        part: &'static str,
        count: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&'static mut [T], SpaceFull> {
        let padding = self.rest.as_ptr().align_offset(align_of::<T>());
        let needed = size_of::<T>().checked_mul(count).and_then(|len| len.checked_add(padding));
        let full = SpaceFull { part, needed: needed.unwrap_or(usize::MAX), free: self.rest.len() };
        let needed = needed.filter(|&needed| needed <= self.rest.len()).ok_or(full)?;
        let (piece, rest) = core::mem::take(&mut self.rest).split_at_mut(needed);
        self.rest = rest;
        self.budget.add(part, count, size_of::<T>());
        let first = piece[padding..].as_mut_ptr().cast::<T>();
        for index in 0..count {
            // SAFETY: `first` is aligned by the padding, and `count` values fit into `piece`, which is ours alone.
            unsafe { first.add(index).write(make(index)) };
        }
        // SAFETY: all `count` values were just written, and nothing else refers to `piece`.
        Ok(unsafe { core::slice::from_raw_parts_mut(first, count) })
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

/// An arena had no room for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceFull {
    /// What did not fit.
    pub part: &'static str,
    /// How many bytes it needs.
    pub needed: usize,
    /// How many bytes were left.
    pub free: usize,
}

impl fmt::Display for SpaceFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no room for {}: {} bytes needed, {} left; lower a limit or enlarge the space",
            self.part, self.needed, self.free
        )
    }
}

impl core::error::Error for SpaceFull {}

/// Most parts that a [`Budget`] lists one by one; what comes later is added up in the last.
pub const PARTS_MAX: usize = 40;

/// What a server's memory is spent on: counted where it is taken.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    parts: Vec<Part, PARTS_MAX>,
}

/// One row of a [`Budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// How many of it.
    pub count: usize,
    /// Bytes of all of them together.
    pub bytes: usize,
}

impl Budget {
    /// A budget that nothing was spent of.
    pub const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Accounts `count` things of `bytes_each` bytes to `name`.
    pub fn add(&mut self, name: &'static str, count: usize, bytes_each: usize) {
        let bytes = count.saturating_mul(bytes_each);
        if let Some(part) = self.parts.iter_mut().find(|part| part.name == name) {
            part.count = part.count.saturating_add(count);
            part.bytes = part.bytes.saturating_add(bytes);
        } else if let Err(part) = self.parts.push(Part { name, count, bytes }) {
            let last = self.parts.last_mut().expect("PARTS_MAX is not zero");
            last.bytes = last.bytes.saturating_add(part.bytes);
        }
    }

    /// The rows, in the order in which they were first taken.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Bytes of all parts together.
    pub fn total(&self) -> usize {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }
}

/// A table of what, count × bytes, and total; one line each.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            let each = part.bytes / part.count.max(1);
            writeln!(
                f,
                "  {:<22} {:>9} × {:>7} B = {:>10} KiB",
                part.name,
                part.count,
                each,
                kib(part.bytes)
            )?;
        }
        write!(f, "  {:<22} {:>9}   {:>7}     {:>10} KiB", "total", "", "", kib(self.total()))
    }
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn pieces_are_aligned_and_do_not_overlap() {
        static SPACE: Space<256> = Space::new();
        let mut arena = SPACE.arena().unwrap();
        let bytes = arena.take("bytes", 3, |_| 0xaa_u8).unwrap();
        let words = arena.take("words", 4, |index| index as u64).unwrap();
        assert_eq!(words.as_ptr() as usize % 8, 0);
        words.fill(u64::MAX);
        assert_eq!(bytes, [0xaa; 3]);
        assert_eq!(arena.budget().total(), 3 + 32);
    }

    #[test]
    fn a_full_space_names_the_part_and_both_numbers() {
        static SPACE: Space<64> = Space::new();
        let mut arena = SPACE.arena().unwrap();
        let error = arena.take_bytes("buffers", 10, 10).unwrap_err();
        assert_eq!(error, SpaceFull { part: "buffers", needed: 100, free: 64 });
        assert!(error.to_string().starts_with("no room for buffers: 100 bytes needed, 64 left"));
        assert!(arena.take_bytes("buffers", 1, 64).is_ok(), "a refused request takes nothing");
    }

    #[test]
    fn an_impossible_count_is_refused_rather_than_wrapped() {
        static SPACE: Space<64> = Space::new();
        assert!(SPACE.arena().unwrap().take("many", usize::MAX / 4, |_| 0_u64).is_err());
    }

    #[test]
    fn a_pinned_slot_takes_and_drops_a_value() {
        static SPACE: Space<256> = Space::new();
        let slots = take_pinned::<std::rc::Rc<u8>>(&mut SPACE.arena().unwrap(), "slots", 2).unwrap();
        let value = std::rc::Rc::new(1);
        slots[1].set(Some(value.clone()));
        assert_eq!(std::rc::Rc::strong_count(&value), 2);
        slots[1].set(None);
        assert_eq!(std::rc::Rc::strong_count(&value), 1);
    }
}
