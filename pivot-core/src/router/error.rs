//! Why a route could not be added.

use core::fmt;

use super::Pattern;
use crate::http::Method;

/// Why a route could not be added. The routes added before stay as they are.
///
/// As text, each is one line that says what is wrong, with which pattern, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// There is a route of the same method and the same shape: change or remove one of them.
    Conflict {
        /// The pattern that was to be added.
        new: Pattern,
        /// The pattern that is there.
        old: Pattern,
        /// The method of both.
        method: Method,
    },
    /// The pattern breaks a rule.
    BadPattern {
        /// The pattern that was to be added.
        pattern: Pattern,
        /// The rule, as a sentence.
        why: &'static str,
    },
    /// Groups are nested too deeply for [`PARTS_MAX`](super::PARTS_MAX).
    PartsFull {
        /// The pattern that was to be added, without the parts that have no place.
        pattern: Pattern,
    },
    /// The storage for nodes is used up; [`Pattern::node_count_max`] says what suffices.
    NodesFull {
        /// The pattern that was to be added.
        pattern: Pattern,
        /// How many nodes there are.
        capacity: usize,
    },
    /// The storage for entries is used up: there has to be one for each route, and there are at most 65,535.
    RoutesFull {
        /// The pattern that was to be added.
        pattern: Pattern,
        /// How many routes there can be.
        capacity: usize,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { new, old, method } => {
                write!(
                    f,
                    "route {method} {new} matches what {method} {old} matches: change or remove one of them"
                )
            }
            Self::BadPattern { pattern, why } => {
                // The parts show what the joined text hides: which of them has the wrong slash.
                write!(f, "route {:?}: {why}", pattern.parts())
            }
            Self::PartsFull { pattern } => {
                write!(f, "route {pattern} has too many parts: nest at most {} groups", super::PARTS_MAX - 1)
            }
            Self::NodesFull { pattern, capacity } => {
                write!(f, "route {pattern} needs more than the {capacity} nodes of the router: provide more")
            }
            Self::RoutesFull { pattern, capacity } => {
                write!(
                    f,
                    "route {pattern} is one more than the {capacity} that the router has room for: provide more"
                )
            }
        }
    }
}

impl core::error::Error for RouteError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_error_is_one_line_that_names_its_patterns() {
        let (new, old) = (Pattern::from("/users/{id}"), Pattern::from("/users/{name}"));
        let group = Pattern::from("/api/").with("/x");
        for (error, text) in [
            (
                RouteError::Conflict { new: new.clone(), old, method: Method::Get },
                "route GET /users/{id} matches what GET /users/{name} matches: change or remove one of them",
            ),
            (
                RouteError::BadPattern { pattern: Pattern::from("x"), why: "a pattern begins with a slash" },
                "route [\"x\"]: a pattern begins with a slash",
            ),
            (
                RouteError::BadPattern { pattern: group, why: "a group's prefix does not end with a slash" },
                "route [\"/api/\", \"/x\"]: a group's prefix does not end with a slash",
            ),
            (
                RouteError::PartsFull { pattern: new.clone() },
                "route /users/{id} has too many parts: nest at most 7 groups",
            ),
            (
                RouteError::NodesFull { pattern: new.clone(), capacity: 4 },
                "route /users/{id} needs more than the 4 nodes of the router: provide more",
            ),
            (
                RouteError::RoutesFull { pattern: new, capacity: 2 },
                "route /users/{id} is one more than the 2 that the router has room for: provide more",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
