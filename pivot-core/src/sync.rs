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

/// Whether a model is to fail: `PIVOT_MUTANT` names the one mistake that is then made.
///
/// A model that passes with the mistake in proves nothing. The shipped build has no mistakes to switch on.
#[cfg(not(pivot_loom))]
pub(crate) const fn is_mutant(_: &str) -> bool {
    false
}

#[cfg(pivot_loom)]
pub(crate) fn is_mutant(name: &str) -> bool {
    extern crate std;
    static MUTANT: std::sync::LazyLock<Option<std::string::String>> =
        std::sync::LazyLock::new(|| std::env::var("PIVOT_MUTANT").ok());
    MUTANT.as_deref() == Some(name)
}

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

/// A word in a `static`. Loom has none, so these are never modelled: nothing but the registry of wakers uses them.
#[derive(Debug)]
pub struct StaticU32(portable_atomic::AtomicU32);

impl StaticU32 {
    /// A word that holds `value`.
    pub const fn new(value: u32) -> Self {
        Self(portable_atomic::AtomicU32::new(value))
    }

    /// Reads the word.
    pub fn load(&self) -> u32 {
        self.0.load(portable_atomic::Ordering::Acquire)
    }

    /// Writes the word.
    pub fn store(&self, value: u32) {
        self.0.store(value, portable_atomic::Ordering::Release);
    }

    /// Writes 1 if the word is 0, and says whether it was.
    pub fn set_if_zero(&self) -> bool {
        use portable_atomic::Ordering::{AcqRel, Relaxed};
        self.0.compare_exchange(0, 1, AcqRel, Relaxed).is_ok()
    }
}

/// A pointer in a `static`; see [`StaticU32`].
#[derive(Debug)]
pub struct StaticPtr<T>(portable_atomic::AtomicPtr<T>);

impl<T> StaticPtr<T> {
    /// A null pointer.
    pub const fn null() -> Self {
        Self(portable_atomic::AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Reads the pointer.
    pub fn load(&self) -> *mut T {
        self.0.load(portable_atomic::Ordering::Acquire)
    }

    /// Writes the pointer.
    pub fn store(&self, pointer: *mut T) {
        self.0.store(pointer, portable_atomic::Ordering::Release);
    }
}

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
