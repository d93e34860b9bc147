//! A meter as bytes, for a journal: a version and kind, then numbers in LEB128.
//!
//! What is held is not written down. Reservations do not outlive the process, so after a crash
//! their amounts count as spent, which is what the crash of a gateway costs. Bytes that cannot be
//! a meter are refused with the reason, because a meter that is read wrongly would admit or lock
//! out silently; the reader allocates no more than the bytes can back.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use tollgate_units::{Amount, Timestamp};

use crate::Meter;
use crate::level::{Level, Ticks};
use crate::meter::State;
use crate::slots::{Slot, Slots};

/// The first byte: version 1, and which mechanism.
const LEVEL: u8 = 0x11;
const SLOTS: u8 = 0x12;

/// Why bytes are not a meter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestoreError {
    /// The bytes end before the meter does.
    Cut,
    /// A number is larger than what it stands for.
    TooLarge,
    /// There are bytes after the meter.
    Trailing,
    /// A version or kind that is not known here.
    Unknown {
        /// The first byte.
        kind: u8,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the saved meter is cut short"),
            Self::TooLarge => f.write_str("a number in the saved meter is too large"),
            Self::Trailing => f.write_str("there are bytes after the saved meter"),
            Self::Unknown { kind } => write!(f, "a saved meter of unknown kind {kind:#04x}"),
        }
    }
}

impl core::error::Error for RestoreError {}

impl Meter {
    /// The meter as bytes. What is held is written as spent.
    pub fn saved(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.0 {
            State::Level(level) => {
                let (ticks, at, empty_at) = level.saved();
                bytes.push(LEVEL);
                write(&mut bytes, ticks.0);
                write(&mut bytes, at.as_millis().into());
                write(&mut bytes, empty_at.as_millis().into());
            }
            State::Slots(slots) => {
                bytes.push(SLOTS);
                let mut last = (0, Timestamp::EPOCH);
                for slot in slots.as_slice() {
                    // Keys and ends mostly rise, so their differences are short.
                    write(&mut bytes, slot.key.wrapping_sub(last.0).into());
                    write(&mut bytes, slot.end.since(last.1).as_millis().into());
                    write(&mut bytes, slot.amount.get().into());
                    last = (slot.key, slot.end);
                }
            }
        }
        bytes
    }

    /// The meter that these bytes say.
    ///
    /// # Errors
    ///
    /// When they are not what [`Meter::saved`] writes.
    pub fn restored(bytes: &[u8]) -> Result<Self, RestoreError> {
        let (&kind, rest) = bytes.split_first().ok_or(RestoreError::Cut)?;
        match kind {
            LEVEL => level(rest).map(|level| Self(State::Level(Box::new(level)))),
            SLOTS => slots(rest).map(|slots| Self(State::Slots(slots))),
            kind => Err(RestoreError::Unknown { kind }),
        }
    }
}

fn level(mut bytes: &[u8]) -> Result<Level, RestoreError> {
    let ticks = Ticks(read(&mut bytes)?);
    let at = Timestamp::from_millis(read_u64(&mut bytes)?);
    let empty_at = Timestamp::from_millis(read_u64(&mut bytes)?);
    if bytes.is_empty() {
        Ok(Level::restored(ticks, at, empty_at))
    } else {
        Err(RestoreError::Trailing)
    }
}

fn slots(mut bytes: &[u8]) -> Result<Slots, RestoreError> {
    let mut slots = Slots::None;
    let (mut key, mut end) = (0_u64, 0_u64);
    while !bytes.is_empty() {
        key = key.wrapping_add(read_u64(&mut bytes)?);
        end = end.checked_add(read_u64(&mut bytes)?).ok_or(RestoreError::TooLarge)?;
        let amount = Amount::new(read_u64(&mut bytes)?);
        slots.insert(Slot { key, end: Timestamp::from_millis(end), amount, held: Amount::ZERO });
    }
    Ok(slots)
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn write(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_bits(number));
}

fn read(bytes: &mut &[u8]) -> Result<u128, RestoreError> {
    let mut number = 0;
    for shift in (0..u128::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(RestoreError::Cut)?;
        *bytes = rest;
        let bits = u128::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return Err(RestoreError::TooLarge);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(RestoreError::TooLarge)
}

fn read_u64(bytes: &mut &[u8]) -> Result<u64, RestoreError> {
    u64::try_from(read(bytes)?).map_err(|_| RestoreError::TooLarge)
}

const fn low_bits(number: u128) -> u8 {
    (number & 0x7f) as u8
}
