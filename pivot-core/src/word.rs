//! Eight bytes at a time: text packed into one `u64`, its first byte lowest.
//!
//! Most names, segments of a path and edges of the router's tree are shorter than two words, so comparing and scanning
//! by words takes one step where a loop over bytes takes eight.

/// A byte in every place of a word.
pub(crate) const fn spread(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// The high bit of every byte.
pub(crate) const HIGH_BITS: u64 = spread(0x80);

/// The index of the first byte of `word` that equals `byte`.
///
/// The subtraction marks zero bytes, and above a zero byte perhaps others by its borrow; the lowest mark is right.
pub(crate) const fn position(word: u64, byte: u8) -> Option<usize> {
    let marks = marks(word, byte);
    if marks == 0 { None } else { Some(marks.trailing_zeros() as usize / 8) }
}

/// The high bit of each byte of `word` that equals `byte`; above the first such byte there may be marks too many.
pub(crate) const fn marks(word: u64, byte: u8) -> u64 {
    let zeros = word ^ spread(byte);
    zeros.wrapping_sub(spread(1)) & !zeros & HIGH_BITS
}

/// A path that can be read a word at a time from any place; after its end there are zeros.
pub(crate) struct Text<'p> {
    bytes: &'p [u8],
    /// The last eight bytes of the path, or all if there are fewer. Reading them once here means that no read near
    /// the end has to go byte by byte.
    last: u64,
    /// Where `last` begins.
    last_start: usize,
}

impl<'p> Text<'p> {
    pub(crate) fn new(bytes: &'p [u8]) -> Self {
        let last = match bytes.last_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => pack_short(bytes),
        };
        Self { bytes, last, last_start: bytes.len().saturating_sub(8) }
    }

    /// The eight bytes from `at` on, zeros after the end. `at` lies before the end; else the result means nothing.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u64 {
        match self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            // Less than eight places behind `last_start`, so the mask changes nothing.
            None => self.last >> ((8 * at.wrapping_sub(self.last_start)) & 63),
        }
    }

    /// Where the segment ends that `at` lies in: at the next slash or at the end of the path.
    #[inline(always)]
    pub(crate) fn segment_end(&self, mut at: usize) -> usize {
        while let Some(chunk) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            if let Some(index) = position(u64::from_le_bytes(*chunk), b'/') {
                return at + index;
            }
            at += 8;
        }
        if at < self.bytes.len()
            && let Some(index) = position(self.word(at), b'/')
        {
            at + index
        } else {
            self.bytes.len()
        }
    }
}

/// Fewer than eight bytes as a word, by reads that overlap: a loop would cost as much as the rest of the search.
pub(crate) fn pack_short(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last));
        return u64::from(u32::from_le_bytes(*first)) | last << (8 * ((bytes.len() - 4) & 7));
    }
    match *bytes {
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a] => u64::from(a),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_the_bytes_from_its_place_and_zeros_after_the_end() {
        let path = b"/abc/defgh/ijklmnop";
        for len in 0..=path.len() {
            let text = Text::new(&path[..len]);
            for at in 0..len {
                let mut expected = [0; 8];
                let rest = &path[at..len.min(at + 8)];
                expected[..rest.len()].copy_from_slice(rest);
                assert_eq!(text.word(at).to_le_bytes(), expected, "{at} of {len}");
            }
        }
    }

    #[test]
    fn a_segment_ends_at_the_next_slash_or_at_the_end() {
        let path = b"/a/0123456789abcdef/x";
        let text = Text::new(path);
        for at in 0..path.len() {
            let expected =
                path[at..].iter().position(|&byte| byte == b'/').map_or(path.len(), |len| at + len);
            assert_eq!(text.segment_end(at), expected, "{at}");
        }
        assert_eq!(text.segment_end(path.len()), path.len());
    }

    #[test]
    fn the_first_place_of_a_byte_is_exact_for_all_pairs_of_bytes() {
        for wanted in 0..=u8::MAX {
            for other in 0..=u8::MAX {
                let word = u64::from_le_bytes([other, other, wanted, other, wanted ^ 1, 0, wanted, 0x80]);
                let expected = word.to_le_bytes().iter().position(|&byte| byte == wanted);
                assert_eq!(position(word, wanted), expected);
            }
        }
    }
}
