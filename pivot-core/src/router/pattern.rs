//! A route's pattern: what was written, what is wrong with it, and its pieces.

use core::fmt;

use heapless::Vec;

use super::{PARAMS_MAX, PARTS_MAX};

/// A pattern as it was written: the prefixes of nested groups, then the route's own text.
///
/// Its text is the parts put together; [the module](super) says what the parts look like. Nothing is checked
/// before [`Router::add`](super::Router::add).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<&'static str, PARTS_MAX>,
    /// Whether there were more parts than have a place.
    is_cut: bool,
}

/// What stands at one place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Up to eight bytes of text, packed: `len` says how many.
    Text { word: u64, len: u8 },
    /// `/{name}`, with the length of the whole as it is written.
    Param { written_len: usize },
    /// `/{*name}`
    Rest,
    /// Nothing: here is the pattern's end.
    End,
}

impl Pattern {
    /// The pattern without a part: what a group that is in no other adds its prefix to.
    pub const EMPTY: Self = Self { parts: Vec::new(), is_cut: false };

    /// This pattern and one more part: the prefix of a group inside of those before, or the route's own text.
    ///
    /// A part for which there is no place is left out, and [`Router::add`](super::Router::add) then says
    /// [`RouteError::PartsFull`](super::RouteError::PartsFull).
    #[must_use]
    pub fn with(mut self, part: &'static str) -> Self {
        self.is_cut |= self.parts.push(part).is_err();
        self
    }

    /// The parts, as they were written.
    pub fn parts(&self) -> &[&'static str] {
        &self.parts
    }

    /// The names of the parameters, in the order of their places in the path.
    pub fn param_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let inner =
            |opened: &'static str| opened.split_once('}').map(|(name, _)| name.trim_start_matches('*'));
        self.parts.iter().flat_map(move |part| part.split('{').skip(1).filter_map(inner))
    }

    /// Most nodes that adding this pattern takes: one for each parameter, one for each eight bytes of text between
    /// them, and one for the edge that may have to be split.
    ///
    /// The sum over all patterns, and one for the root, is a capacity that always suffices.
    pub fn node_count_max(&self) -> usize {
        let mut count = 1;
        let mut at = 0;
        loop {
            at += match self.piece(at) {
                Piece::Text { len, .. } => usize::from(len),
                Piece::Param { written_len } => written_len,
                Piece::Rest => return count + 1,
                Piece::End => return count,
            };
            count += 1;
        }
    }

    /// What stands at byte `at` of the whole text.
    ///
    /// A text of more than eight bytes is cut behind a slash where it can be, because routes part there; the slash
    /// before a parameter belongs to the parameter, because then many routes need no node for it.
    pub(super) fn piece(&self, at: usize) -> Piece {
        let mut rest = self.parts.iter().flat_map(|part| part.bytes()).skip(at).peekable();
        let (mut word, mut len, mut cut) = (0, 0, 0);
        while let Some(byte) = rest.next() {
            if byte == b'/' && rest.peek() == Some(&b'{') {
                break;
            }
            if len == 8 {
                len = if cut > 1 { cut } else { 8 };
                word &= u64::MAX >> (64 - 8 * len);
                break;
            }
            word |= u64::from(byte) << (8 * len);
            len += 1;
            cut = if byte == b'/' { len } else { cut };
        }
        if len > 0 {
            return Piece::Text { word, len };
        }
        match rest.nth(1) {
            None => Piece::End,
            Some(b'*') => Piece::Rest,
            Some(_) => Piece::Param { written_len: 4 + rest.take_while(|&byte| byte != b'}').count() },
        }
    }

    /// Whether a part was left out.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Says what keeps the pattern from being a route.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let Some((own, prefixes)) = self.parts.split_last() else {
            return Err("a pattern needs a text; the shortest is a slash");
        };
        for prefix in prefixes {
            if !prefix.starts_with('/') {
                return Err("a group's prefix begins with a slash");
            }
            if prefix.ends_with('/') {
                return Err("a group's prefix does not end with a slash, because its routes begin with one");
            }
        }
        let is_group_itself = own.is_empty() && !prefixes.is_empty();
        if !own.starts_with('/') && !is_group_itself {
            return Err("a pattern begins with a slash");
        }
        if self.parts.iter().map(|part| part.len()).sum::<usize>() > usize::from(u16::MAX) {
            return Err("a pattern has at most 65,535 bytes, as paths have");
        }
        for (index, part) in self.parts.iter().enumerate() {
            let mut segments = part.split('/').skip(1).peekable();
            while let Some(segment) = segments.next() {
                let is_last = segments.peek().is_none() && index + 1 == self.parts.len();
                check_segment(segment, is_last)?;
            }
        }
        if self.param_names().count() > PARAMS_MAX {
            return Err("a pattern has at most 8 parameters");
        }
        for (index, name) in self.param_names().enumerate() {
            if self.param_names().take(index).any(|earlier| earlier == name) {
                return Err("two parameters of one pattern have the same name");
            }
        }
        Ok(())
    }
}

/// The text as one part.
impl From<&'static str> for Pattern {
    fn from(text: &'static str) -> Self {
        Self::EMPTY.with(text)
    }
}

/// The whole text: the parts put together, and an ellipsis for those that had no place.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| f.write_str(part))?;
        f.write_str(if self.is_cut { "…" } else { "" })
    }
}

/// Refuses a segment that no path can have, and what looks like a mistake.
fn check_segment(segment: &str, is_last: bool) -> Result<(), &'static str> {
    if let Some(inner) = segment.strip_prefix('{').and_then(|opened| opened.strip_suffix('}')) {
        let name = inner.strip_prefix('*').unwrap_or(inner);
        if name.is_empty() {
            return Err("a parameter needs a name: {name} or {*name}");
        }
        if name.len() > usize::from(u8::MAX) {
            return Err("a parameter's name has at most 255 bytes");
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("a parameter's name has letters, digits and underscores only");
        }
        if inner.len() > name.len() && !is_last {
            return Err("{*name} takes the rest of the path, so nothing follows it");
        }
        return Ok(());
    }
    if segment.is_empty() && !is_last {
        return Err("an empty segment can only be the last, as a trailing slash");
    }
    if segment == "." || segment == ".." {
        return Err("paths with dot segments are refused before routing, so this never matches");
    }
    if segment.starts_with([':', '*']) {
        return Err("a parameter is written {name}, the rest of the path {*name}");
    }
    for byte in segment.bytes() {
        match byte {
            b'{' | b'}' => return Err("a parameter is a whole segment, so a brace opens and closes one"),
            b'?' | b'#' => return Err("a pattern matches the path alone, without query and fragment"),
            b'%' => return Err("a pattern matches the decoded path: write the character itself"),
            0..=0x1f | 0x7f => return Err("a pattern has no control characters"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn pattern(parts: &[&'static str]) -> Pattern {
        parts.iter().copied().fold(Pattern::EMPTY, Pattern::with)
    }

    #[test]
    fn parts_are_put_together_at_borders_of_segments() {
        for (parts, text) in [
            (&["/api", "/orders"][..], "/api/orders"),
            (&["/api", "/"], "/api/"),
            (&["/api", ""], "/api"),
            (&["/{tenant}", "/v1", "/{*rest}"], "/{tenant}/v1/{*rest}"),
        ] {
            assert_eq!(pattern(parts).check(), Ok(()), "{text}");
            assert_eq!(pattern(parts).to_string(), text);
        }
    }

    #[test]
    fn what_can_never_match_is_refused_with_a_sentence() {
        for (parts, word) in [
            (&[][..], "needs a text"),
            (&[""], "begins with a slash"),
            (&["orders"], "begins with a slash"),
            (&["api", "/orders"], "prefix begins"),
            (&["", "/orders"], "prefix begins"),
            (&["/api/", "/orders"], "does not end"),
            (&["/", "/orders"], "does not end"),
            (&["/api", "orders"], "begins with a slash"),
            (&["/a//b"], "empty segment"),
            (&["//"], "empty segment"),
            (&["/a/./b"], "dot segments"),
            (&["/.."], "dot segments"),
            (&["/a?b"], "query"),
            (&["/a#b"], "fragment"),
            (&["/a%20b"], "decoded"),
            (&["/a\0b"], "control"),
            (&["/a\nb"], "control"),
            (&["/x-{id}"], "whole segment"),
            (&["/{id}.json"], "whole segment"),
            (&["/{id"], "whole segment"),
            (&["/id}"], "whole segment"),
            (&["/{a}{b}"], "letters, digits"),
            (&["/{}"], "needs a name"),
            (&["/{*}"], "needs a name"),
            (&["/{a-b}"], "letters, digits"),
            (&["/{**a}"], "letters, digits"),
            (&["/{*rest}/a"], "nothing follows"),
            (&["/{*rest}/"], "nothing follows"),
            (&["/{*rest}", ""], "nothing follows"),
            (&["/:id"], "written {name}"),
            (&["/*"], "written {name}"),
            (&[&*std::format!("/{{{}}}", "a".repeat(256)).leak()], "at most 255"),
            (&["/{a}/{a}"], "same name"),
            (&["/{a}", "/{*a}"], "same name"),
            (&["/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"], "at most 8"),
        ] {
            let why = pattern(parts).check().expect_err(&pattern(parts).to_string());
            assert!(why.contains(word), "{parts:?}: {why}");
        }
    }

    #[test]
    fn ordinary_and_unusual_texts_are_accepted() {
        for text in
            ["/", "/a/", "/.well-known/x", "/...", "/a.b/~c", "/a b", "/café", "/a:b", "/{a}/", "/{*all}"]
        {
            assert_eq!(Pattern::from(text).check(), Ok(()), "{text}");
        }
        assert_eq!(Pattern::from("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{*h}").check(), Ok(()));
    }

    #[test]
    fn names_come_in_the_order_of_their_places() {
        let names: std::vec::Vec<_> = pattern(&["/{tenant}/x", "/{id}/{*rest}"]).param_names().collect();
        assert_eq!(names, ["tenant", "id", "rest"]);
    }

    #[test]
    fn a_ninth_part_is_left_out_and_that_is_known() {
        let full = pattern(&["/a"; PARTS_MAX]);
        let cut = full.clone().with("/b");
        assert!(!full.is_cut() && cut.is_cut());
        assert_eq!((cut.parts(), cut.to_string()), (full.parts(), "/a/a/a/a/a/a/a/a…".to_string()));
    }

    #[test]
    fn a_pattern_falls_into_words_and_parameters() {
        let pattern = pattern(&["/api", "/v2.1/us", "/{id}", "/extended"]);
        let (mut at, mut pieces) = (0, std::vec::Vec::new());
        loop {
            let piece = pattern.piece(at);
            at += match piece {
                Piece::Text { len, .. } => usize::from(len),
                Piece::Param { written_len } => written_len,
                Piece::Rest | Piece::End => break,
            };
            pieces.push(piece);
        }
        let text = |text: &[u8]| Piece::Text {
            word: text.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
            len: text.len() as u8,
        };
        assert_eq!(
            pieces,
            [
                text(b"/api/"),
                text(b"v2.1/us"),
                Piece::Param { written_len: 5 },
                text(b"/extende"),
                text(b"d")
            ]
        );
        assert_eq!(pattern.node_count_max(), 6);
    }
}
