//! The arena of a program with an operating system.

use pivot_core::storage::{Arena, Budget, SpaceFull};

/// Takes memory from the heap, once, and keeps it for the rest of the program.
///
/// Bytes come from the system as zeroed pages that cost nothing until they are touched, so what is reserved for a peak is
/// resident only once there was one.
#[derive(Debug, Default)]
pub struct Heap {
    budget: Budget,
}

impl Heap {
    /// A heap that nothing was taken from.
    pub fn new() -> Self {
        Self::default()
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

    fn take_bytes(&mut self, part: &'static str, count: usize) -> Result<&'static mut [u8], SpaceFull> {
        self.budget.add(part, count, 1);
        Ok(vec![0; count].leak())
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}
