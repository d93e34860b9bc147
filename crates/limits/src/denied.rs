//! The refusal: which charges had no room, and until when.
//!
//! It names all of them, by position, because the caller's wait is the longest of their waits.

use alloc::vec::Vec;

use tollgate_units::{Amount, Timestamp};

use crate::Standing;

/// How long a refused request has to wait if nothing else comes. Longer waits are greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Wait {
    /// At this instant it fits; one millisecond earlier it does not.
    Until(Timestamp),
    /// It asks for more than the limit can ever hold.
    Never,
}

/// One charge that had no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Short {
    /// Its position among the charges.
    pub charge: usize,
    /// When it would have room; the at-once rule cannot know, says a second, and promises nothing.
    pub wait: Wait,
    /// What it asked for, at the least stretch.
    pub asked: Amount,
}

/// Some charge had no room, so nothing was charged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// Every charge that was short.
    pub short: Vec<Short>,
    /// Where every charge's meter stands, by position.
    pub standings: Vec<Standing>,
}

impl Denied {
    /// The longest of the waits.
    pub fn wait(&self) -> Wait {
        self.short.iter().map(|short| short.wait).max().unwrap_or(Wait::Never)
    }
}
