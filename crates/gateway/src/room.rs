//! Room for bodies: a bound on what all requests together keep in memory.
//!
//! Each body has its own bound, but thousands of connections may each send one that is just below
//! it, slowly, and be charged nothing until the last byte. Past the bound large bodies are refused,
//! so that it is not the small ones of everybody else that give way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How much all bodies take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
}

/// What one body takes; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Room,
    bytes: usize,
}

/// There is no room for a body of this size.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Full;

impl Room {
    /// The share of a body of which nothing has come.
    pub(crate) fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Takes `more` bytes.
    ///
    /// # Errors
    /// The body is large, and all bodies together are too much.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Full> {
        self.bytes += more;
        let before = self.room.taken.fetch_add(more, Ordering::Relaxed);
        if before + more > ROOM_BYTES && self.bytes > ALWAYS_BYTES { Err(Full) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What bodies may take together before large ones are refused.
const ROOM_BYTES: usize = 512 * 1024 * 1024;
/// A body up to this size always has room; connections are bounded, so these are too.
const ALWAYS_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_give_way_and_small_ones_do_not() {
        let room = Room::default();
        let mut many: Vec<_> = (0..16).map(|_| room.share()).collect();
        for share in &mut many {
            assert_eq!(share.grow(ROOM_BYTES / 16), Ok(()));
        }
        let (mut large, mut small) = (room.share(), room.share());
        assert_eq!(large.grow(ALWAYS_BYTES + 1), Err(Full));
        assert_eq!(small.grow(ALWAYS_BYTES), Ok(()));
        drop((many, large));
        assert_eq!(small.grow(ALWAYS_BYTES), Ok(()), "what was refused is given back too");
        drop(small);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }
}
