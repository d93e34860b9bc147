//! Reserve, rebook, settle: the three verbs, over any list of charges and any shelf of meters.
//!
//! `reserve` and `rebook` look at everything, then write everything. So a refusal leaves no trace
//! and names every charge that was short, and there is no roll-back to get wrong. Ending never
//! refuses: what was used is written down, as refund or as debt. The shelf must not be shared
//! while a verb runs; a store holds one short lock around it.

use alloc::vec::Vec;
use core::mem;

use tollgate_units::{Amount, Timestamp};

use crate::books::Ending;
use crate::marks::Mark;
use crate::meter::{Load, Place};
use crate::{
    Books, CHARGES_MAX, Charge, Charges, Denied, Marks, Meter, MeterId, ReservationId, Rule, Short,
    Standing, Stretch, Wait,
};

/// Where meters lie: a store, under its lock.
pub trait Shelf {
    /// The meter, if there is one.
    fn look(&self, id: MeterId) -> Option<&Meter>;

    /// The meter to be written, made by default where there is none. Under the rule's kind a store
    /// may know that it need not outlive the process.
    fn touch(&mut self, id: MeterId, rule: &Rule) -> &mut Meter;

    /// The meter to be written, if there is one.
    fn find(&mut self, id: MeterId, rule: &Rule) -> Option<&mut Meter> {
        if self.look(id).is_some() { Some(self.touch(id, rule)) } else { None }
    }

    /// The books of everything that was charged on this shelf.
    fn books(&mut self) -> &mut Books;
}

/// What a reservation got.
#[derive(Debug, PartialEq)]
pub struct Held {
    /// To be settled, voided or expired.
    pub marks: Marks,
    /// The largest stretch that fitted everywhere.
    pub stretch: u64,
    /// Where each charge's meter stands now, by position.
    pub standings: Vec<Standing>,
}

/// What a rebooking got.
#[derive(Debug, PartialEq)]
pub struct Rebooked {
    /// The largest stretch that fitted everywhere.
    pub stretch: u64,
    /// Where each charge's meter stands now, by position.
    pub standings: Vec<Standing>,
}

/// How a reservation ended.
#[derive(Debug, Eq, PartialEq)]
pub struct Settlement {
    /// Whether use and reservation agreed.
    pub kind: SettlementKind,
    /// By how much which charge was overrun. The meters carry it.
    pub debt: Vec<(usize, Amount)>,
}

/// Whether use and reservation agreed. At-once charges have no use and do not matter here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettlementKind {
    /// Every charge used what it had reserved.
    Exact,
    /// Some charge used more than it had reserved, and had reserved something.
    Overrun,
    /// Some charge used less than it had reserved, and none more.
    Refund,
}

/// Takes every charge at the largest stretch that fits everywhere, or nothing.
///
/// # Errors
///
/// When a charge has no room even at the least stretch. Then every such charge is named, and no
/// meter has changed (but for those written by a clock that was ahead: they are brought back).
pub fn reserve(
    shelf: &mut impl Shelf,
    charges: &Charges,
    id: ReservationId,
    now: Timestamp,
) -> Result<Held, Denied> {
    let stretch = match decide(shelf, charges, &[], now) {
        Ok(stretch) => stretch,
        Err(short) => return Err(deny(shelf, charges, short, now)),
    };
    // Nothing is written above this line, and nothing fails below it.
    let mut list = Vec::with_capacity(charges.len());
    let mut standings = Vec::with_capacity(charges.len());
    for charge in charges {
        let (mark, standing) = take(shelf, charge, stretch, id, now);
        let books = shelf.books();
        books.reserved += wide(mark.reserved);
        books.held += wide(mark.reserved);
        list.push(mark);
        standings.push(standing);
    }
    shelf.books().open();
    Ok(Held { marks: Marks { id, list }, stretch, standings })
}

/// Makes the same reservation hold other charges: more, less, or on other meters.
///
/// It decides as if what is held were given back. What is lowered stays in its place, and the
/// difference goes back as in a settlement. What is raised moves to the present with all that has
/// not drained and whose window has not passed; the rest stays spent where it was, and counts as
/// part of what the charge holds, so that nothing is charged twice.
///
/// # Errors
///
/// When a charge has no room even at the least stretch. Then everything stays as it was.
pub fn rebook(
    shelf: &mut impl Shelf,
    held: &mut Marks,
    charges: &Charges,
    now: Timestamp,
) -> Result<Rebooked, Denied> {
    let stretch = match decide(shelf, charges, &held.list, now) {
        Ok(stretch) => stretch,
        Err(short) => return Err(deny(shelf, charges, short, now)),
    };
    // Nothing is written above this line, and nothing fails below it.
    let mut before = mem::replace(&mut held.list, Vec::with_capacity(charges.len()));
    for charge in charges {
        let mark = if let Some(at) = before.iter().position(|mark| mark.meter == charge.meter) {
            let mut mark = before.swap_remove(at);
            mark.rule = charge.rule;
            change(shelf, &mut mark, charge.demand.at(stretch), held.id, now);
            mark
        } else {
            let (mark, _) = take(shelf, charge, stretch, held.id, now);
            let books = shelf.books();
            books.extended += wide(mark.reserved);
            books.held += wide(mark.reserved);
            mark
        };
        held.list.push(mark);
    }
    for mut mark in before {
        lower(shelf, &mut mark, Amount::ZERO, now);
    }
    Ok(Rebooked { stretch, standings: standings(shelf, charges, now) })
}

/// Ends a reservation by what was really used, by position. Never refuses.
///
/// What was not used goes back to where it was taken, as far as that still counts; what was used
/// beyond goes where a charge at `now` would go. At-once charges are free again, whatever `used`
/// says; a charge that `used` does not reach counts as spent in full.
pub fn settle(shelf: &mut impl Shelf, marks: Marks, used: &[Amount], now: Timestamp) -> Settlement {
    end(shelf, marks, Ending::Settled, now, |position, mark| match mark.rule {
        Rule::AtOnce { .. } => mark.reserved,
        Rule::Bucket { .. }
        | Rule::Calendar { .. }
        | Rule::Fixed { .. }
        | Rule::Sliding { .. }
        | Rule::Total { .. } => used.get(position).copied().unwrap_or(mark.reserved),
    })
}

/// Ends a reservation of which nothing was used.
pub fn void(shelf: &mut impl Shelf, marks: Marks, now: Timestamp) -> Settlement {
    end(shelf, marks, Ending::Voided, now, |_, _| Amount::ZERO)
}

/// Ends a reservation that its holder forgot: it counts as spent in full.
pub fn expire(shelf: &mut impl Shelf, marks: Marks, now: Timestamp) -> Settlement {
    end(shelf, marks, Ending::Expired, now, |_, mark| mark.reserved)
}

/// The decision of [`reserve`], and where the meters stand; writes nothing.
///
/// # Errors
///
/// As [`reserve`].
pub fn peek(
    shelf: &impl Shelf,
    charges: &Charges,
    now: Timestamp,
) -> Result<(u64, Vec<Standing>), Denied> {
    let standings = standings(shelf, charges, now);
    match decide(shelf, charges, &[], now) {
        Ok(stretch) => Ok((stretch, standings)),
        Err(short) => Err(Denied { short, standings }),
    }
}

/// Forgets what is used of a meter, as if it had come back; what is held stays, and settles as
/// ever. How much was forgotten. The books stay as they are: what was used was used.
///
/// A bucket cannot tell what lies behind a charge from what has drained. So of what it holds for a
/// reservation that is older than what is forgotten, a refund may drain instead of coming back.
pub fn reset(shelf: &mut impl Shelf, id: MeterId, rule: &Rule, now: Timestamp) -> Amount {
    shelf.find(id, rule).map_or(Amount::ZERO, |meter| meter.reset(rule, now))
}

/// The largest stretch at which everything fits beside what is held already, or every charge that
/// is short at the least.
fn decide(
    shelf: &impl Shelf,
    charges: &Charges,
    held: &[Mark],
    now: Timestamp,
) -> Result<u64, Vec<Short>> {
    let Stretch { least, most } = charges.stretch();
    let mut stretch = most;
    let mut short = Vec::new();
    // Finding all before weighing any lets the processor wait for all of their memory at once.
    let mut meters = [None; CHARGES_MAX];
    for (meter, charge) in meters.iter_mut().zip(charges) {
        *meter = shelf.look(charge.meter);
    }
    for (position, (charge, meter)) in charges.iter().zip(meters).enumerate() {
        let left = meter.map_or(charge.rule.most(), |meter| meter.left(&charge.rule, now));
        let already = Marks::held_on(held, charge.meter);
        match charge.demand.reach(left.plus(already)) {
            Some(reach) if reach >= least => stretch = stretch.min(reach),
            Some(_) | None => {
                let asked = charge.demand.asked(least);
                let wait = wait(meter, &charge.rule, [asked, already], now);
                short.push(Short { charge: position, wait, asked });
            }
        }
    }
    if short.is_empty() { Ok(stretch) } else { Err(short) }
}

/// When what is asked beyond what is held already will have room.
fn wait(meter: Option<&Meter>, rule: &Rule, [asked, already]: [Amount; 2], now: Timestamp) -> Wait {
    match (rule, meter) {
        // A holder waits in vain for its own slot to end.
        (Rule::AtOnce { most, .. }, _) if asked > *most => Wait::Never,
        (_, Some(meter)) => meter.wait(rule, asked.less(already), now),
        // Nothing is in the way but the limit itself.
        (_, None) => Wait::Never,
    }
}

fn deny(shelf: &mut impl Shelf, charges: &Charges, short: Vec<Short>, now: Timestamp) -> Denied {
    // Were a meter of a clock that was ahead left as it is, each look would find it one window
    // from its end, for ever.
    for charge in charges {
        if shelf.look(charge.meter).is_some_and(|meter| meter.is_ahead(&charge.rule, now)) {
            shelf.touch(charge.meter, &charge.rule).come_back(&charge.rule, now);
        }
    }
    Denied { short, standings: standings(shelf, charges, now) }
}

fn standings(shelf: &impl Shelf, charges: &Charges, now: Timestamp) -> Vec<Standing> {
    let nothing = Meter::default();
    let stand =
        |charge: &Charge| shelf.look(charge.meter).unwrap_or(&nothing).standing(&charge.rule, now);
    charges.iter().map(stand).collect()
}

/// Takes one charge. Returns what it left behind, and where its meter stands now.
fn take(
    shelf: &mut impl Shelf,
    charge: &Charge,
    stretch: u64,
    id: ReservationId,
    now: Timestamp,
) -> (Mark, Standing) {
    let Charge { meter, rule, demand } = *charge;
    let amount = demand.at(stretch);
    let (place, standing) = match to_write(shelf, meter, &rule, amount) {
        Some(meter) => {
            let place = meter.take(&rule, id, Load::held(amount), now);
            (place, meter.standing(&rule, now))
        }
        None => (Place::Nowhere, Meter::default().standing(&rule, now)),
    };
    (Mark { meter, rule, reserved: amount, own: amount, place }, standing)
}

/// The meter, unless there is none and there is nothing to write: a charge of nothing makes none.
fn to_write<'s>(
    shelf: &'s mut impl Shelf,
    id: MeterId,
    rule: &Rule,
    amount: Amount,
) -> Option<&'s mut Meter> {
    if amount == Amount::ZERO { shelf.find(id, rule) } else { Some(shelf.touch(id, rule)) }
}

/// Makes one mark hold `amount`.
fn change(
    shelf: &mut impl Shelf,
    mark: &mut Mark,
    amount: Amount,
    id: ReservationId,
    now: Timestamp,
) {
    if amount > mark.reserved {
        raise(shelf, mark, amount.less(mark.reserved), id, now);
    } else {
        lower(shelf, mark, amount, now);
    }
}

/// Moves what can still be moved to the present, and adds `more`.
fn raise(shelf: &mut impl Shelf, mark: &mut Mark, more: Amount, id: ReservationId, now: Timestamp) {
    let meter = shelf.touch(mark.meter, &mark.rule);
    let moved = meter.refundable(&mark.rule, mark.place, now).min(mark.own);
    let load = Load { amount: moved, held: mark.own };
    meter.give_back(&mark.rule, mark.place, load, now);
    mark.own = moved.plus(more);
    mark.place = meter.take(&mark.rule, id, Load::held(mark.own), now);
    mark.reserved = mark.reserved.plus(more);
    let books = shelf.books();
    books.extended += wide(more);
    books.held += wide(more);
}

/// Leaves `amount` where it is, and gives the rest back.
fn lower(shelf: &mut impl Shelf, mark: &mut Mark, amount: Amount, now: Timestamp) {
    let less = mark.reserved.less(amount);
    let load = Load::held(less.min(mark.own));
    let back = match to_write(shelf, mark.meter, &mark.rule, Amount::ZERO) {
        Some(meter) => meter.give_back(&mark.rule, mark.place, load, now),
        None => Amount::ZERO,
    };
    mark.own = mark.own.less(less);
    mark.reserved = amount;
    let books = shelf.books();
    books.held -= wide(less);
    books.refunded += wide(back);
    books.forfeited += wide(less.less(back));
}

fn end(
    shelf: &mut impl Shelf,
    marks: Marks,
    ending: Ending,
    now: Timestamp,
    used: impl Fn(usize, &Mark) -> Amount,
) -> Settlement {
    let mut settlement = Settlement { kind: SettlementKind::Exact, debt: Vec::new() };
    for (position, mark) in marks.list.into_iter().enumerate() {
        let used = used(position, &mark);
        let debt = used.less(mark.reserved);
        if debt > Amount::ZERO {
            // Where nothing was reserved, all that is used is known afterwards: no overrun.
            if mark.reserved > Amount::ZERO {
                settlement.kind = SettlementKind::Overrun;
            }
            settlement.debt.push((position, debt));
        } else if used < mark.reserved && settlement.kind == SettlementKind::Exact {
            settlement.kind = SettlementKind::Refund;
        }
        let back = correct(shelf, &mark, used, marks.id, now);
        let books = shelf.books();
        books.held -= wide(mark.reserved);
        books.used += wide(used);
        books.debt += wide(debt);
        books.refunded += wide(back);
        books.forfeited += wide(mark.reserved.less(used).less(back));
    }
    shelf.books().close(ending);
    settlement
}

/// Writes down what one charge used. Returns how much of the rest came back.
fn correct(
    shelf: &mut impl Shelf,
    mark: &Mark,
    used: Amount,
    id: ReservationId,
    now: Timestamp,
) -> Amount {
    let (unused, debt) = (mark.reserved.less(used), used.less(mark.reserved));
    let Some(meter) = to_write(shelf, mark.meter, &mark.rule, debt) else {
        return Amount::ZERO;
    };
    let freed = if matches!(mark.rule, Rule::AtOnce { .. }) { mark.own } else { unused };
    let load = Load { amount: freed.min(mark.own), held: mark.own };
    let back = meter.give_back(&mark.rule, mark.place, load, now);
    if debt > Amount::ZERO {
        meter.take(&mark.rule, id, Load::debt(debt), now);
    }
    back.min(unused)
}

fn wide(amount: Amount) -> u128 {
    u128::from(amount.get())
}

#[cfg(test)]
mod tests;
