//! The names of a pattern's parameters, found once: a handler that asks for `id` should not pay for reading the pattern.

use heapless::Vec;

use super::{PARAMS_MAX, Pattern};

/// Where the names of a pattern's parameters lie in its parts, in the order of their places.
#[derive(Clone, Debug)]
pub(super) struct Names {
    names: Vec<Name, PARAMS_MAX>,
}

/// Four bytes where a slice would take sixteen; there are eight of them for each route.
#[derive(Clone, Copy, Debug)]
struct Name {
    start: u16,
    len: u8,
    part: u8,
}

impl Names {
    pub(super) const EMPTY: Self = Self { names: Vec::new() };

    /// Finds the names of a pattern that [`Pattern::check`] accepts. Others lose what has no place here.
    pub(super) fn new(pattern: &Pattern) -> Self {
        let mut names = Vec::new();
        for (part, text) in pattern.parts().iter().enumerate() {
            for (brace, _) in text.match_indices('{') {
                let inner = text[brace + 1..].split('}').next().unwrap_or("");
                let name = inner.trim_start_matches('*');
                let start = brace + 1 + inner.len() - name.len();
                // There are at most as many as there are places, or the pattern would have been refused.
                let _ = names.push(Name { start: start as u16, len: name.len() as u8, part: part as u8 });
            }
        }
        Self { names }
    }

    /// The name of parameter `index` of the pattern that these names were found in.
    #[inline]
    pub(super) fn get(&self, pattern: &Pattern, index: usize) -> Option<&'static str> {
        self.names.get(index)?.text(pattern)
    }

    /// The index of a parameter by its name.
    #[inline]
    pub(super) fn position(&self, pattern: &Pattern, name: &str) -> Option<usize> {
        self.names.iter().position(|known| {
            usize::from(known.len) == name.len() && known.text(pattern).is_some_and(|text| text == name)
        })
    }
}

impl Name {
    #[inline]
    fn text(self, pattern: &Pattern) -> Option<&'static str> {
        let start = usize::from(self.start);
        pattern.parts().get(usize::from(self.part))?.get(start..start + usize::from(self.len))
    }
}
