//! The counts of pieces seen before, so that ordinary text is looked up and not encoded.
//!
//! Two tables of a fixed size. A piece has one place, which it shares with those that fall there
//! too, and the first to come is the first to go. The piece itself is the key, so a collision costs
//! time and never a wrong count, and nobody can fill a table.
//!
//! What a look-up costs is cache misses, and whatever else a gateway does empties the cache. So key
//! and count of a short piece are one number, four of them are one cache line, and the table is as
//! large as a vocabulary in use and no larger.

/// What one thread remembers of one encoding: 256 KB of short pieces, 128 KB of longer ones.
pub(crate) struct Seen {
    short: Vec<Line>,
    long: Vec<Long>,
}

/// Four short pieces, the newest first; zero where nothing is.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u128; 4]);

impl Seen {
    pub(crate) fn new() -> Self {
        Self { short: vec![Line([0; 4]); SHORT_PLACES], long: vec![Long::EMPTY; LONG_PLACES] }
    }

    /// The tokens of the piece from `at` to `end` of `text`; `encoded` counts it if it is new.
    pub(crate) fn count(
        &mut self,
        text: &[u8],
        at: usize,
        end: usize,
        encoded: impl FnOnce(&[u8]) -> usize,
    ) -> u64 {
        let piece = text.get(at..end).unwrap_or_default();
        if let Some(key) = short_key(text, at, piece) {
            let found = self.find(key, PIECE_COUNT, piece, encoded);
            return low(found >> PIECE_COUNT.trailing_zeros());
        }
        if let Some(key) = run_key(piece) {
            let found = self.find(key, RUN_COUNT, piece, encoded);
            return low((found & RUN_COUNT) >> RUN_COUNT.trailing_zeros());
        }
        if piece.len() <= LONG_BYTES {
            let place = &mut self.long[place(long_hash(piece), LONG_PLACES)];
            if let Some(count) = place.count(piece) {
                return count;
            }
            let count = encoded(piece);
            *place = Long::new(piece, count);
            return count as u64;
        }
        encoded(piece) as u64
    }

    /// The entry of `key`, which is made where it is new; its count is in the bits of `count`.
    fn find(
        &mut self,
        key: u128,
        count: u128,
        piece: &[u8],
        encoded: impl FnOnce(&[u8]) -> usize,
    ) -> u128 {
        let Line(line) = &mut self.short[place(key, SHORT_PLACES)];
        // Which of the four it is cannot be foreseen, so all are compared and none is jumped to.
        let known = line.iter().map(|&known| if known & !count == key { known } else { 0 });
        let known = known.fold(0, |found, known| found | known);
        if known != 0 {
            return known;
        }
        let entry = key | (encoded(piece) as u128) << count.trailing_zeros();
        line.rotate_right(1);
        line[0] = entry;
        entry
    }
}

/// What a short piece is remembered by:
///
/// ```text
/// bytes 0..120 | length 120..124, never zero | count 124..128
/// ```
fn short_key(text: &[u8], at: usize, piece: &[u8]) -> Option<u128> {
    let length = piece.len();
    let mask = MASKS.get(length)?;
    let bytes = if let Some(window) = text.get(at..at + 16) {
        u128::from_le_bytes(window.try_into().ok()?) & mask
    } else {
        let mut window = [0; 16];
        window.get_mut(..length)?.copy_from_slice(piece);
        u128::from_le_bytes(window)
    };
    Some(bytes | (length as u128) << 120)
}

/// At most one token a byte, so the count has room wherever the length has.
const PIECE_COUNT: u128 = 0xf << 124;

/// What a run of one byte is remembered by:
///
/// ```text
/// byte 0..8 | repeats 8..24 | count 24..40 | zero
/// ```
fn run_key(piece: &[u8]) -> Option<u128> {
    let (first, rest) = piece.split_first()?;
    let repeats = u16::try_from(piece.len()).ok()?;
    let is_run = rest.iter().all(|byte| byte == first);
    is_run.then_some(u128::from(repeats) << 8 | u128::from(*first))
}

const RUN_COUNT: u128 = 0xffff << 24;

/// The bytes of a piece of each length that is short.
const MASKS: [u128; 16] = {
    let mut masks = [0; 16];
    let mut length = 1;
    while length < 16 {
        masks[length] = masks[length - 1] << 8 | 0xff;
        length += 1;
    }
    masks
};

/// A piece that is too long for a number: words of scripts that take several bytes a letter, long
/// identifiers, rulers.
#[derive(Clone, Copy)]
struct Long {
    bytes: [u8; LONG_BYTES],
    length: u8,
    count: u8,
}

impl Long {
    const EMPTY: Self = Self { bytes: [0; LONG_BYTES], length: 0, count: 0 };

    /// At most one token a byte, so both numbers fit; what does not would never be found.
    fn new(piece: &[u8], count: usize) -> Self {
        let mut long = Self::EMPTY;
        if let (Some(place), Ok(length), Ok(count)) =
            (long.bytes.get_mut(..piece.len()), u8::try_from(piece.len()), u8::try_from(count))
        {
            place.copy_from_slice(piece);
            (long.length, long.count) = (length, count);
        }
        long
    }

    fn count(&self, piece: &[u8]) -> Option<u64> {
        let known = self.bytes.get(..usize::from(self.length))?;
        (known == piece).then_some(u64::from(self.count))
    }
}

/// Where a longer piece is looked for: by its length, beginning and end.
fn long_hash(piece: &[u8]) -> u128 {
    let word = |at: usize| piece.get(at..at + 8).and_then(|eight| eight.try_into().ok());
    let word = |at: usize| word(at).map_or(0, u64::from_le_bytes);
    let ends = word(0) ^ word(8).rotate_left(23) ^ word(piece.len().saturating_sub(8));
    u128::from(ends) << 64 | piece.len() as u128
}

/// The one of `places` (a power of two) that `key` may have.
fn place(key: u128, places: usize) -> usize {
    let folded = low(key) ^ low(key >> 64).rotate_left(29);
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (64 - places.trailing_zeros())).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

pub(crate) const SHORT_PLACES: usize = 4096;
const LONG_BYTES: usize = 62;
const LONG_PLACES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    /// A count that tells pieces apart: the sum of the letters, within one token a byte.
    fn told(piece: &[u8]) -> usize {
        piece.iter().map(|&byte| usize::from(byte)).sum::<usize>() % piece.len() + 1
    }

    #[test]
    fn what_was_counted_once_is_not_encoded_again() {
        let mut seen = Seen::new();
        let pieces = ["a", " word", "fifteen letters", "sixteen letters.", "--------------------"];
        let longest = "x".repeat(61) + "y";
        for piece in pieces.iter().copied().chain([longest.as_str(), &"z".repeat(60_000)]) {
            let text = format!("..{piece} and more of it");
            let end = 2 + piece.len();
            let first = seen.count(text.as_bytes(), 2, end, told);
            assert_eq!(first, told(piece.as_bytes()) as u64);
            let again = seen.count(text.as_bytes(), 2, end, |_| unreachable!("{piece}"));
            assert_eq!(again, first, "{piece}");
            // At the end of a text there is no window of sixteen bytes to look at.
            let last = seen.count(&text.as_bytes()[..end], 2, end, |_| unreachable!("{piece}"));
            assert_eq!(last, first, "{piece}");
        }
    }

    #[test]
    fn pieces_that_meet_at_one_place_are_never_confused() {
        let mut seen = Seen::new();
        // Far more pieces than places, of every length, asked for in two orders.
        let pieces: Vec<String> =
            (0..200_000_u32).map(|n| format!("{n:0width$}", width = (n % 40) as usize)).collect();
        for piece in pieces.iter().chain(pieces.iter().rev()) {
            let bytes = piece.as_bytes();
            assert_eq!(seen.count(bytes, 0, bytes.len(), told), told(bytes) as u64, "{piece}");
        }
    }

    #[test]
    fn a_run_is_known_by_its_byte_and_its_length() {
        let mut seen = Seen::new();
        for _twice in 0..2 {
            for length in 1..2000 {
                for byte in [b' ', b'-', 0] {
                    let run = vec![byte; length];
                    assert_eq!(seen.count(&run, 0, length, told), told(&run) as u64);
                }
            }
        }
    }
}
