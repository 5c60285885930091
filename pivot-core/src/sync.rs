//! The only door to atomics: `portable-atomic` in the shipped build, `loom` under `--cfg pivot_loom`.
//!
//! No `unsafe` here: what is done with the pointers that [`UnsafeCell`] hands out is argued where it is done.
//!
//! `portable-atomic` gives 64-bit words on 32-bit chips and compare-and-swap on chips without it. How it does
//! that (critical section, or one core and no interrupts) is chosen by the binary, never by this crate.
//! Loom's atomics have no `const` constructor, so shared modules build theirs at run time.

#[cfg(pivot_loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(not(pivot_loom))]
pub use portable_atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// A cell that several threads may reach, where a protocol outside the cell decides who may touch it.
///
/// Under loom each access is checked against every other one.
#[cfg(not(pivot_loom))]
#[derive(Debug)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(pivot_loom))]
impl<T> UnsafeCell<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Runs `f` with a shared pointer to the contents.
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` with an exclusive pointer to the contents.
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

#[cfg(pivot_loom)]
pub use loom::cell::UnsafeCell;

/// Puts its contents on cache lines of their own, so that two workers' words do not bounce one line.
#[derive(Debug, Default)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), repr(align(128)))]
pub struct CachePadded<T>(pub T);

impl<T> core::ops::Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
