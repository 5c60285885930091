//! Formatting into a slice.

use core::fmt;

/// Takes formatted text until the slice is full; what does not fit whole is an error.
#[derive(Debug)]
pub struct Cursor<'a> {
    space: &'a mut [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `space`.
    pub const fn new(space: &'a mut [u8]) -> Self {
        Self { space, len: 0 }
    }

    /// How many bytes were written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let space = self.space.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        space.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
