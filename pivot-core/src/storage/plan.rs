//! The size of a server, known while it is compiled.

use core::mem::{align_of, size_of};
use core::pin::Pin;

use super::Space;

/// Adds up what will be taken from a [`Space`](super::Space), in the same order and with the same alignment, so that
/// a `static` can be as large as needed and no larger.
///
/// ```
/// use pivot_core::storage::{Arena, Plan, Space};
/// const PLAN: Plan = Plan::new().with::<u8>(3).with::<u64>(2);
/// static SPACE: Space<{ PLAN.within(1024) }> = Space::new();
/// let mut arena = SPACE.arena().expect("the first to ask");
/// arena.take("bytes", 3, |_| 0_u8)?;
/// arena.take("words", 2, |_| 0_u64)?;
/// assert_eq!(arena.free_len(), 0);
/// # Ok::<(), pivot_core::storage::SpaceFull>(())
/// ```
///
/// What does not fit is an error of the compiler that names both numbers:
///
/// ```compile_fail
/// use pivot_core::storage::{Plan, Space};
/// static SPACE: Space<{ Plan::new().with::<u64>(2).within(15) }> = Space::new();
/// # SPACE.arena();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    bytes: usize,
}

impl Plan {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: 0 }
    }

    /// And `count` values of type `T`, as by [`Arena::take`](super::Arena::take).
    ///
    /// # Panics
    /// If `T` asks for a larger alignment than any [`Space`] has: 128 bytes on large machines, 16 on boards.
    #[must_use]
    pub const fn with<T>(self, count: usize) -> Self {
        assert!(align_of::<T>() <= align_of::<Space<0>>(), "a space begins at a multiple of every alignment");
        let start = self.bytes.next_multiple_of(align_of::<T>());
        Self { bytes: start.saturating_add(size_of::<T>().saturating_mul(count)) }
    }

    /// And one value, as by [`take_one`](super::take_one).
    #[must_use]
    pub const fn with_one<T>(self) -> Self {
        self.with::<Option<T>>(1)
    }

    /// And `count` slots, as by [`take_pinned`](super::take_pinned).
    #[must_use]
    pub const fn with_pinned<F: 'static>(self, count: usize) -> Self {
        self.with::<Option<F>>(count).with::<Pin<&'static mut Option<F>>>(count)
    }

    /// Bytes in all.
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// Bytes in all, if these are no more than `bytes_max`.
    ///
    /// # Panics
    /// If they are more, and says both numbers. In a constant that is an error of the compiler.
    pub const fn within(self, bytes_max: usize) -> usize {
        if self.bytes <= bytes_max {
            return self.bytes;
        }
        let mut text = Text { bytes: [0; TEXT_LEN], len: 0 };
        text.push(b"the server needs ");
        text.push_number(self.bytes);
        text.push(b" bytes, but may take only ");
        text.push_number(bytes_max);
        text.push(b": lower connections_max, requests_max, responses_max, concurrency_max or the sizes");
        match core::str::from_utf8(text.bytes.split_at(text.len).0) {
            Ok(text) => panic!("{}", text),
            Err(_) => unreachable!(),
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

/// The text above, with two numbers of at most 20 digits.
const TEXT_LEN: usize = 192;

/// Text that is put together while compiling: `format_args` is not constant.
struct Text {
    bytes: [u8; TEXT_LEN],
    len: usize,
}

impl Text {
    const fn push(&mut self, text: &[u8]) {
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
    }

    const fn push_number(&mut self, number: usize) {
        let mut unit = 1;
        while number / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            self.push(&[b'0' + (number / unit % 10) as u8]);
            unit /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the server needs 12345 bytes, but may take only 800: lower")]
    fn what_does_not_fit_says_both_numbers() {
        Plan::new().with::<u8>(12_345).within(800);
    }

    #[test]
    fn an_impossible_count_is_as_much_as_there_can_be() {
        assert_eq!(Plan::new().with::<u64>(usize::MAX).bytes(), usize::MAX);
    }
}
