//! Every rule but the bucket: amounts in slots, each of which counts until it ends.
//!
//! Slots are kept in the order of their ends. So those that have ended are a prefix, the current
//! one is the last, and a wait is found by walking forward. Most meters live through one slot at a
//! time, so that one lies in place and costs no allocation. Reading passes over what has ended;
//! writing throws it away. It would be wrong to keep a sum beside the slots: it would have to be
//! right after every path, and adding up at most sixty-odd numbers is cheaper than proving it.

use alloc::vec;
use alloc::vec::Vec;

use tollgate_units::{Amount, Timestamp};

use crate::meter::Load;
use crate::rule::Turn;

/// An amount that counts while its end is to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slot {
    pub(crate) key: u64,
    pub(crate) end: Timestamp,
    pub(crate) amount: Amount,
    /// How much of the amount is reserved and not settled.
    pub(crate) held: Amount,
}

/// Slots in the order of their ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Slots {
    Many(Vec<Slot>),
    #[default]
    None,
    One(Slot),
}

/// What the slots that count come to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Spent {
    pub(crate) amount: Amount,
    pub(crate) held: Amount,
}

impl Slots {
    pub(crate) const NONE: &'static Self = &Self::None;

    pub(crate) fn spent(&self, now: Timestamp) -> Spent {
        self.live(now).iter().fold(Spent::default(), |sum, slot| Spent {
            amount: sum.amount.plus(slot.amount),
            held: sum.held.plus(slot.held),
        })
    }

    /// When `amount` has room under `most`: the end of the slot whose going makes it.
    pub(crate) fn wait(&self, most: Amount, amount: Amount, now: Timestamp) -> Option<Timestamp> {
        let wide = |amount: Amount| u128::from(amount.get());
        let room = wide(most).checked_sub(wide(amount))?;
        let live = self.live(now);
        let mut spent: u128 = live.iter().map(|slot| wide(slot.amount)).sum();
        live.iter().find_map(|slot| {
            spent -= wide(slot.amount);
            (spent <= room).then_some(slot.end)
        })
    }

    /// The key of the slot that counts longest.
    pub(crate) fn latest_key(&self, now: Timestamp) -> Option<u64> {
        self.live(now).last().map(|slot| slot.key)
    }

    /// From when no slot counts any more.
    pub(crate) fn ends_at(&self) -> Timestamp {
        self.as_slice().last().map_or(Timestamp::EPOCH, |slot| slot.end)
    }

    /// How much this slot holds, if it still counts.
    pub(crate) fn refundable(&self, key: u64, now: Timestamp) -> Amount {
        let slot = self.live(now).iter().rfind(|slot| slot.key == key);
        slot.map_or(Amount::ZERO, |slot| slot.amount)
    }

    /// Adds to a slot; never refuses. Nothing makes no slot, but keeps one that is there awake.
    pub(crate) fn take(&mut self, turn: Turn, load: Load, now: Timestamp) {
        self.forget(now);
        let Some(at) = self.as_slice().iter().rposition(|slot| slot.key == turn.key) else {
            if load.amount > Amount::ZERO {
                let Turn { key, end } = turn;
                self.insert(Slot { key, end, amount: load.amount, held: load.held });
            }
            return;
        };
        let Some(slot) = self.as_mut_slice().get_mut(at) else {
            return;
        };
        slot.amount = slot.amount.plus(load.amount);
        slot.held = slot.held.plus(load.held);
        if slot.end < turn.end {
            let moved = Slot { end: turn.end, ..*slot };
            self.remove(at);
            self.insert(moved);
        }
    }

    /// Takes out of the slot that was charged, if it still counts. Returns how much that was.
    pub(crate) fn give_back(&mut self, key: u64, load: Load, now: Timestamp) -> Amount {
        let ended = self.as_slice().len() - self.live(now).len();
        let slots = self.as_mut_slice();
        let Some(at) = slots.iter().rposition(|slot| slot.key == key) else {
            return Amount::ZERO;
        };
        let (true, Some(slot)) = (at >= ended, slots.get_mut(at)) else {
            return Amount::ZERO;
        };
        let back = load.amount.min(slot.amount);
        slot.amount = slot.amount.less(back);
        slot.held = slot.held.less(load.held);
        if slot.amount == Amount::ZERO {
            self.remove(at);
        }
        back
    }

    /// Takes out of every slot what is not held.
    pub(crate) fn reset(&mut self, now: Timestamp) {
        self.forget(now);
        let held = self.as_slice().iter().filter(|slot| slot.held > Amount::ZERO);
        let mut kept: Vec<Slot> = held.map(|slot| Slot { amount: slot.held, ..*slot }).collect();
        *self = match (kept.len(), kept.pop()) {
            (1, Some(slot)) => Self::One(slot),
            (_, None) => Self::None,
            (_, Some(last)) => {
                kept.push(last);
                Self::Many(kept)
            }
        };
    }

    /// Lets no slot count for longer than until `latest`.
    pub(crate) fn come_back(&mut self, latest: Timestamp) {
        for slot in self.as_mut_slice() {
            slot.end = slot.end.min(latest);
        }
    }

    /// The slots that count.
    pub(crate) fn live(&self, now: Timestamp) -> &[Slot] {
        let all = self.as_slice();
        let ended = all.iter().take_while(|slot| slot.end <= now).count();
        all.get(ended..).unwrap_or_default()
    }

    pub(crate) fn as_slice(&self) -> &[Slot] {
        match self {
            Self::Many(slots) => slots,
            Self::None => &[],
            Self::One(slot) => core::slice::from_ref(slot),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Slot] {
        match self {
            Self::Many(slots) => slots,
            Self::None => &mut [],
            Self::One(slot) => core::slice::from_mut(slot),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let ended = self.as_slice().len() - self.live(now).len();
        match self {
            Self::Many(slots) if ended < slots.len() => drop(slots.drain(..ended)),
            Self::Many(_) => *self = Self::None,
            Self::One(_) if ended > 0 => *self = Self::None,
            Self::None | Self::One(_) => {}
        }
    }

    /// Puts a slot in the order of ends, behind those that end with it.
    pub(crate) fn insert(&mut self, slot: Slot) {
        match self {
            Self::Many(slots) => {
                let at = slots.partition_point(|other| other.end <= slot.end);
                slots.insert(at, slot);
            }
            Self::None => *self = Self::One(slot),
            Self::One(other) if other.end <= slot.end => {
                *self = Self::Many(vec![*other, slot]);
            }
            Self::One(other) => *self = Self::Many(vec![slot, *other]),
        }
    }

    fn remove(&mut self, at: usize) {
        match self {
            Self::Many(slots) if slots.len() > 1 => drop(slots.remove(at)),
            Self::Many(_) | Self::None | Self::One(_) => *self = Self::None,
        }
    }
}
