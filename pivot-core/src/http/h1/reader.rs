//! Reads a head from its start to its end, a word of eight bytes at a time: [`Reader`].
//!
//! Each `skip` stops at the first byte that does not belong to what it passes over, and says which byte that is; who
//! calls judges it. Behind the end there are zeros, which belong to nothing.

use super::super::is_token_byte;
use super::decode::Span;
use crate::word::{HIGH_BITS, marks, pack_short, spread};

/// A head, and a place in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// 32 bits, because sums of it cannot overflow where addresses have 64, and the compiler knows.
    at: u32,
    /// The last eight bytes, zeros before them if there are fewer. Reading them once means that no read near the end has
    /// to go byte by byte.
    last: u64,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, of which there are fewer than 65,536.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let last = match bytes.last_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => pack_short(bytes).unbounded_shl(8 * (8 - bytes.len() as u32)),
        };
        Self { bytes, at: 0, last }
    }

    /// How many bytes were passed.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    /// The bytes that are left.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at()..).unwrap_or(&[])
    }

    /// The next bytes, if there are so many.
    #[inline(always)]
    pub(super) fn next<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at()..self.at() + N)?.first_chunk()
    }

    /// From `start` to here.
    #[inline(always)]
    pub(super) fn span_from(&self, start: usize) -> Span {
        Span { start: start as u16, len: self.at().wrapping_sub(start) as u16 }
    }

    /// The next eight bytes, zeros after the end.
    #[inline(always)]
    pub(super) fn word(&self) -> u64 {
        match self.next() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            // Fewer than eight are left, so the mask changes nothing. In two steps, because no shift is by 64.
            None => self.last >> (8 * (7 - (self.left() & 7))) >> 8,
        }
    }

    /// How many bytes are left.
    #[inline(always)]
    fn left(&self) -> u32 {
        (self.bytes.len() as u32).wrapping_sub(self.at)
    }

    /// Passes over `count` bytes, which are there.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) {
        self.at += count as u32;
    }

    /// Passes over spaces and tabs.
    #[inline(always)]
    pub(super) fn skip_white(&mut self) {
        // Nearly always it is one space.
        if let Some(&[b' ', first]) = self.next()
            && first > b' '
        {
            self.skip(1);
            return;
        }
        while let Some([b' ' | b'\t']) = self.next() {
            self.skip(1);
        }
    }

    /// Passes over the bytes of a token (RFC 9110, section 5.6.2), whose first word is known.
    #[inline(always)]
    pub(super) fn skip_token(&mut self, mut word: u64) -> u8 {
        loop {
            match other_marks(word) {
                0 => self.skip(8),
                marks => {
                    let byte = self.skip_to(word, marks);
                    // What the word cannot tell is rare in names: a digit or an underline, for example.
                    if !is_token_byte(byte) {
                        return byte;
                    }
                    self.skip(1);
                }
            }
            word = self.word();
        }
    }

    /// Passes over the bytes of a field value (RFC 9110, section 5.5).
    #[inline(always)]
    pub(super) fn skip_value(&mut self) -> u8 {
        loop {
            let word = self.word();
            match control_marks(word) {
                0 => {
                    self.skip(8);
                    // Long values by sixteen bytes, without a way out in the middle, so that the compiler looks at all of
                    // them at once.
                    while self.next::<16>().is_some_and(|block| {
                        block.iter().fold(true, |is_good, &byte| is_good & (byte >= b' ') & (byte != DELETE))
                    }) {
                        self.skip(16);
                    }
                }
                marks => match self.skip_to(word, marks) {
                    b'\t' => self.skip(1),
                    byte => return byte,
                },
            }
        }
    }

    /// Passes over the bytes of a target up to the first `?`.
    #[inline(always)]
    pub(super) fn skip_path(&mut self) -> u8 {
        loop {
            let word = self.word();
            match target_marks(word) {
                0 => self.skip(8),
                marks => match self.skip_to(word, marks) {
                    b'!' | b'"' => self.skip(1),
                    byte => return byte,
                },
            }
        }
    }

    /// Passes over the bytes of the next word before its lowest mark, and gives the marked byte.
    #[inline(always)]
    fn skip_to(&mut self, word: u64, marks: u64) -> u8 {
        let bits = marks.trailing_zeros() & 56;
        self.skip(bits as usize / 8);
        (word >> bits) as u8
    }
}

/// Marks bytes that are neither letter nor hyphen. All marks are right.
#[inline(always)]
const fn other_marks(word: u64) -> u64 {
    let low = word & !HIGH_BITS;
    let plain = between(low | spread(b'a' ^ b'A'), b'a', b'z') | between(low, b'-', b'-');
    (!plain | word) & HIGH_BITS
}

/// Marks control characters, the tab among them. The lowest mark is right.
#[inline(always)]
const fn control_marks(word: u64) -> u64 {
    (word.wrapping_sub(spread(b' ')) & !word & HIGH_BITS) | marks(word, DELETE)
}

/// Marks what may end a target or its path: all that stands in no target, and `?`, `!` and `"`. The lowest mark is
/// right.
#[inline(always)]
const fn target_marks(word: u64) -> u64 {
    // `?` and DEL differ in one bit. Below `$` there are `#`, space and control characters; and the other two.
    (word.wrapping_sub(spread(b'$')) | word) & HIGH_BITS | marks(word | spread(DELETE ^ b'?'), DELETE)
}

/// The high bit of each byte of `low` from `first` to `last`; bytes of `low` are below 128. Other bits mean nothing.
#[inline(always)]
const fn between(low: u64, first: u8, last: u8) -> u64 {
    (low + spread(0x80 - first)) ^ (low + spread(0x7f - last))
}

const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::super::super::is_field_value_byte;
    use super::*;
    use std::vec::Vec;

    /// Every byte at every place of texts of all short lengths, among `others`.
    fn texts(others: u8) -> impl Iterator<Item = Vec<u8>> {
        (0..40_usize).flat_map(move |len| {
            (0..len).flat_map(move |place| {
                (0..=255).map(move |byte| {
                    let mut text = std::vec![others; len];
                    text[place] = byte;
                    text
                })
            })
        })
    }

    /// Checks where a reader stops, from the start and from a place in the middle.
    fn check(others: u8, skip: impl Fn(&mut Reader<'_>) -> u8, belongs: impl Fn(u8) -> bool) {
        for bytes in texts(others).chain([Vec::new()]) {
            for start in [0, bytes.len() / 2, bytes.len()] {
                let mut reader = Reader::new(&bytes);
                reader.skip(start);
                let end = start + bytes[start..].iter().take_while(|&&byte| belongs(byte)).count();
                let stop = skip(&mut reader);
                assert_eq!((reader.at(), stop), (end, *bytes.get(end).unwrap_or(&0)), "{bytes:?}");
                assert_eq!(reader.rest(), &bytes[end..]);
            }
        }
    }

    #[test]
    fn what_is_read_ends_where_the_grammar_says() {
        for others in [b'x', b'_'] {
            check(others, |reader| reader.skip_token(reader.word()), is_token_byte);
        }
        for others in [b'x', b'\t', 0xe4] {
            check(others, |reader| reader.skip_value(), is_field_value_byte);
        }
        for others in [b'x', b'!'] {
            let is_path_byte = |byte| matches!(byte, 0x21..=0x7e) && byte != b'#' && byte != b'?';
            check(others, |reader| reader.skip_path(), is_path_byte);
        }
    }

    #[test]
    fn a_word_has_zeros_after_the_end() {
        let bytes = b"0123456789";
        for len in 0..=bytes.len() {
            for at in 0..=len {
                let mut reader = Reader::new(&bytes[..len]);
                reader.skip(at);
                let mut expected = [0; 8];
                let rest = &bytes[at..len.min(at + 8)];
                expected[..rest.len()].copy_from_slice(rest);
                assert_eq!(reader.word().to_le_bytes(), expected, "{at} of {len}");
            }
        }
    }
}
