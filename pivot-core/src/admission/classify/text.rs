//! Comparing bytes in constants, where the methods of slices cannot be called.

pub(super) const fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && starts_with(one, other)
}

pub(super) const fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    if prefix.len() > text.len() {
        return false;
    }
    let mut index = 0;
    while index < prefix.len() {
        if text[index] != prefix[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Whether `needle` stands somewhere in `text`. At most `text.len() * needle.len()` comparisons.
pub(super) const fn contains(text: &[u8], needle: &[u8]) -> bool {
    contains_by(text, needle, false)
}

/// As [`contains`], with ASCII letters equal in both cases.
pub(super) const fn contains_any_case(text: &[u8], needle: &[u8]) -> bool {
    contains_by(text, needle, true)
}

const fn contains_by(text: &[u8], needle: &[u8], any_case: bool) -> bool {
    let ([first, ..], [.., last]) = (needle, needle) else { return true };
    // Upper and lower case differ in this bit. Other bytes may seem equal without it, and are compared in full.
    let ignored = if any_case { 0x20 } else { 0 };
    let (first, last) = (*first | ignored, *last | ignored);
    let mut rest = text;
    while rest.len() >= needle.len() {
        // Where the needle could begin, sixteen places at a time: without a way out in the middle, the compiler looks
        // at all of them at once.
        let ends = rest.split_at(needle.len() - 1).1;
        if let (Some(starts), Some(ends)) = (rest.first_chunk::<16>(), ends.first_chunk::<16>()) {
            let (mut is_possible, mut index) = (false, 0);
            while index < 16 {
                is_possible |= (starts[index] | ignored == first) & (ends[index] | ignored == last);
                index += 1;
            }
            if !is_possible {
                rest = rest.split_at(16).1;
                continue;
            }
        }
        let mut index = 0;
        while index < 16 && rest.len() >= needle.len() {
            let start = rest.split_at(needle.len()).0;
            let is_equal = start[0] | ignored == first
                && if any_case { start.eq_ignore_ascii_case(needle) } else { equal(start, needle) };
            if is_equal {
                return true;
            }
            rest = rest.split_at(1).1;
            index += 1;
        }
    }
    false
}

/// The index of the first `byte`, or the length of the text.
pub(super) const fn position(text: &[u8], byte: u8) -> usize {
    let mut index = 0;
    while index < text.len() && text[index] != byte {
        index += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_say_what_the_methods_of_slices_and_strings_say(text in "[abA]{0,40}", other in "[abA]{0,6}") {
            let (t, o) = (text.as_bytes(), other.as_bytes());
            prop_assert_eq!(equal(t, o), t == o);
            prop_assert_eq!(starts_with(t, o), t.starts_with(o));
            prop_assert_eq!(contains(t, o), text.contains(&other));
            let folded = text.to_lowercase().contains(&other.to_lowercase());
            prop_assert_eq!(contains_any_case(t, o), folded);
            prop_assert_eq!(position(t, b'b'), text.find('b').unwrap_or(text.len()));
        }
    }
}
