//! The arena of a program with an operating system.

use pivot_core::storage::{Arena, Budget, SpaceFull};

/// Takes memory from the heap, once, and keeps it for the rest of the program.
///
/// Bytes come from the system as zeroed pages that cost nothing until they are touched, so what is reserved for a peak is
/// resident only once there was one; [`Heap::committed`] touches them all at once.
#[derive(Debug, Default)]
pub struct Heap {
    budget: Budget,
    is_committed: bool,
}

impl Heap {
    /// A heap that nothing was taken from.
    pub fn new() -> Self {
        Self::default()
    }

    /// A heap whose pieces are all touched when they are taken: a machine without enough memory shows it at start, not
    /// at its peak.
    pub fn committed() -> Self {
        Self { is_committed: true, ..Self::default() }
    }
}

impl Arena for Heap {
    fn take<T: 'static>(
        &mut self,
        part: &'static str,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'static mut [T], SpaceFull> {
        self.budget.add(part, count, size_of::<T>());
        Ok((0..count).map(make).collect::<Vec<T>>().leak())
    }

    fn take_bytes(
        &mut self,
        part: &'static str,
        count: usize,
        size: usize,
    ) -> Result<&'static mut [u8], SpaceFull> {
        self.budget.add(part, count, size);
        let bytes = vec![0; count * size].leak();
        if self.is_committed {
            // Zeroes over zeroes: without the black box the compiler would see that it changes nothing.
            std::hint::black_box(&mut *bytes).fill(0);
        }
        Ok(bytes)
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}
