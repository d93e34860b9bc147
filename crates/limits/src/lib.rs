//! The decision core of Tollgate: may this request pass, all its limits together, exactly?
//!
//! A request is a list of [`Charges`]: a meter, a rule and a demand each. [`reserve`] takes all of
//! them or none, under one short lock; [`rebook`] makes the same reservation hold other charges;
//! [`settle`] ends it by what was really used. State is two mechanisms: a level that drains, and
//! slots that end. Time comes in as an argument, numbers are integers, and nothing is rounded but
//! demands, upwards, and what is shown to people.
//!
//! What each rule promises, for a limit of N:
//!
//! - [`Rule::Sliding`]: in every closed interval of the window's length W at most N; a unit comes
//!   back between W and W + ⌈W/60⌉.
//! - [`Rule::Fixed`]: at most N in each window aligned to the Unix epoch.
//! - [`Rule::Calendar`]: at most N between any two civil turns.
//! - [`Rule::Bucket`]: in every interval of length t at most burst + rate × t.
//! - [`Rule::AtOnce`]: at most N live at any instant.
//! - [`Rule::Total`]: at most N until nothing was charged for its idle span.
//!
//! The promises hold for what is reserved, and, where nothing is overrun, for what is settled,
//! counted at the time it was reserved. Debt is always written down and may exceed N: nothing more
//! passes until it has gone. A meter keeps no amount of its limit, so changing the amount moves
//! nothing and refills nothing. A request that is refused changes nothing.
//!
//! Read `charge.rs`, `rule.rs`, `reserve.rs`, in this order.
#![no_std]

extern crate alloc;

mod books;
mod charge;
mod denied;
mod level;
mod marks;
mod meter;
mod reserve;
mod rule;
mod saved;
mod slots;
mod standing;

pub use books::Books;
pub use charge::{
    CHARGES_MAX, Charge, Charges, ChargesError, Demand, MeterId, ReservationId, Stretch,
};
pub use denied::{Denied, Short, Wait};
pub use marks::Marks;
pub use meter::Meter;
pub use reserve::{
    Held, Rebooked, Settlement, SettlementKind, Shelf, expire, peek, rebook, reserve, reset,
    settle, void,
};
pub use rule::{Rule, SLIDING_SLOTS};
pub use saved::RestoreError;
pub use standing::Standing;
