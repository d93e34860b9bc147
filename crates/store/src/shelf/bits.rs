//! A growing set of small numbers that finds its next member fast: one bit each, and one bit for
//! each word of bits that is not empty.
//!
//! A list of what is to be written would grow by copying itself under the lock just when the
//! disk is slow, and could name a cell twice. This takes a bit a cell, whatever happens. Three
//! million bits are 733 words of summary: a walk past all of them is well under a microsecond.

/// A set of numbers.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    summary: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn has(&self, member: u32) -> bool {
        let (word, bit) = split(member);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub(crate) fn insert(&mut self, member: u32) {
        let (word, bit) = split(member);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / 64 + 1, 0);
        }
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.summary[word / 64] |= 1 << (word % 64);
            self.len += 1;
        }
    }

    pub(crate) fn remove(&mut self, member: u32) {
        let (word, bit) = split(member);
        if !self.has(member) {
            return;
        }
        self.words[word] &= !bit;
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
        self.len -= 1;
    }

    /// Adds all members of another set.
    pub(crate) fn insert_all(&mut self, others: &Self) {
        let mut member = others.next(0);
        while let Some(next) = member {
            self.insert(next);
            member = next.checked_add(1).and_then(|from| others.next(from));
        }
    }

    /// The first member that is not before `from`, or else the first of all.
    pub(crate) fn next_around(&self, from: u32) -> Option<u32> {
        self.next(from).or_else(|| self.next(0))
    }

    fn next(&self, from: u32) -> Option<u32> {
        let (word, bit) = split(from);
        let rest = self.words.get(word)? & !(bit - 1);
        if rest != 0 {
            return member(word, rest);
        }
        let after = word + 1;
        let mut above = self.summary.get(after / 64)? & !((1 << (after % 64)) - 1);
        let mut at = after / 64;
        while above == 0 {
            at += 1;
            above = *self.summary.get(at)?;
        }
        let word = at * 64 + above.trailing_zeros() as usize;
        member(word, self.words[word])
    }
}

fn split(member: u32) -> (usize, u64) {
    ((member / 64) as usize, 1 << (member % 64))
}

fn member(word: usize, bits: u64) -> Option<u32> {
    u32::try_from(word * 64 + bits.trailing_zeros() as usize).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set_and_goes_around() {
        let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
        let mut roll = |sides: u32| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            u32::try_from(dice % u64::from(sides)).unwrap()
        };
        let mut bits = Bits::default();
        let mut model = BTreeSet::new();
        for step in 0..20_000 {
            let sides = if step % 3 == 0 { 200 } else { 20_000 };
            let number = roll(sides);
            if roll(2) == 0 {
                bits.insert(number);
                model.insert(number);
            } else {
                bits.remove(number);
                model.remove(&number);
            }
            let from = roll(21_000);
            let around = model.range(from..).next().or_else(|| model.first());
            assert_eq!(bits.next_around(from), around.copied(), "step {step}, from {from}");
            assert_eq!(bits.has(from), model.contains(&from), "step {step}");
            assert_eq!(bits.len(), model.len(), "step {step}");
        }
        let mut both = Bits::default();
        both.insert(5);
        both.insert(100_000);
        both.insert_all(&bits);
        model.extend([5, 100_000]);
        assert_eq!(both.len(), model.len());
        assert!(model.iter().all(|member| both.has(*member)));
    }
}
