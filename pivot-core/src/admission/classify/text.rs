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
    let mut at = 0;
    while at + needle.len() <= text.len() {
        let place_count = text.len() - needle.len() + 1;
        let mut end = place_count;
        if place_count >= STEP {
            // The last step looks at some places again, so that none is left over.
            at = if at + STEP > place_count { place_count - STEP } else { at };
            end = at + STEP;
            let starts = text.split_at(at).1.first_chunk::<STEP>();
            let ends = text.split_at(at + needle.len() - 1).1.first_chunk::<STEP>();
            if let (Some(starts), Some(ends)) = (starts, ends)
                && !is_possible(starts, ends, first, last, ignored)
            {
                at = end;
                continue;
            }
        }
        while at < end {
            if text[at] | ignored == first {
                let place = text.split_at(at).1.split_at(needle.len()).0;
                if if any_case { place.eq_ignore_ascii_case(needle) } else { equal(place, needle) } {
                    return true;
                }
            }
            at += 1;
        }
    }
    false
}

/// Whether a needle with this first and last byte could stand at one of the places with these first and last bytes.
const fn is_possible(starts: &[u8; STEP], ends: &[u8; STEP], first: u8, last: u8, ignored: u8) -> bool {
    // Without a way out in the middle, so that the compiler can look at all places at once.
    let (mut hits, mut index) = (0, 0);
    while index < STEP {
        let difference = (starts[index] | ignored) ^ first | (ends[index] | ignored) ^ last;
        hits |= (difference == 0) as u8;
        index += 1;
    }
    hits != 0
}

/// How many places are looked at together.
const STEP: usize = 16;

/// Whether two field names are the same. Both are tokens, and `name` has no `^` and no `~`.
///
/// Then a single bit folds exactly: it makes a lower-case letter of an upper-case one, and of other bytes only pairs the
/// same of which one is no token. Eight bytes a step, the last step over some once more: several times fewer
/// instructions than `eq_ignore_ascii_case`.
#[inline]
pub(super) fn is_same_name(sent: &[u8], name: &[u8]) -> bool {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    if sent.len() != name.len() {
        return false;
    }
    let differ = |one: &[u8; 8], other: &[u8; 8]| {
        (u64::from_ne_bytes(*one) | FOLD) != (u64::from_ne_bytes(*other) | FOLD)
    };
    let (Some(sent_end), Some(name_end)) = (sent.last_chunk(), name.last_chunk()) else {
        return sent.iter().zip(name).all(|(one, other)| one | 0x20 == other | 0x20);
    };
    let (mut sent, mut name) = (sent, name);
    while let (Some((one, sent_rest)), Some((other, name_rest))) =
        (sent.split_first_chunk(), name.split_first_chunk())
    {
        if differ(one, other) {
            return false;
        }
        (sent, name) = (sent_rest, name_rest);
    }
    !differ(sent_end, name_end)
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
            prop_assert_eq!(is_same_name(t, o), t.eq_ignore_ascii_case(o));
            prop_assert_eq!(position(t, b'b'), text.find('b').unwrap_or(text.len()));
        }

        #[test]
        fn names_are_the_same_in_any_case_and_in_nothing_else(name in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,30}", at: usize, other: u8) {
            let name = name.as_bytes().iter().map(|&byte| if matches!(byte, b'^' | b'~') { b'a' } else { byte });
            let name: std::vec::Vec<u8> = name.collect();
            prop_assert!(is_same_name(&name.to_ascii_uppercase(), &name.to_ascii_lowercase()));
            let mut changed = name.clone();
            changed[at % name.len()] = other;
            if crate::http::is_token_byte(other) {
                prop_assert_eq!(is_same_name(&changed, &name), changed.eq_ignore_ascii_case(&name));
            }
            prop_assert!(!is_same_name(&name[1..], &name));
        }
    }
}
