//! The six rules: which slot a charge goes to and when it ends, or how fast a level drains.
//!
//! A rule travels with each charge and is never stored: so a reload changes what is allowed from
//! the next decision on, migrates nothing and refills nothing. A rule that kept state here, or
//! that asked a clock or a time-zone database, would be wrong.

use tollgate_units::{Amount, Span, Timestamp};

use crate::ReservationId;
use crate::level::Rate;

/// Into how many sub-slots a sliding window is cut.
pub const SLIDING_SLOTS: u64 = 60;

/// How a meter counts. The crate's front page says what each one promises.
///
/// A span of zero is read as one millisecond.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// At most `most` live at any instant: one slot a reservation, free again when it settles.
    AtOnce {
        /// How much may be live.
        most: Amount,
        /// After which a holder that says nothing loses its slot; [`Span::MAX`] is never.
        lease: Span,
    },
    /// A leaky bucket as a meter: `units` drain in each `period`.
    Bucket {
        /// How much it holds.
        burst: Amount,
        /// How much drains in a period.
        units: Amount,
        /// The period.
        period: Span,
    },
    /// At most `most` in each civil window; the meter picks the window by its store's clock.
    ///
    /// Past the last turn the windows go on at the longer of the two lengths, until newer turns
    /// come. Before the first, the first window has begun already.
    Calendar {
        /// How much a window holds.
        most: Amount,
        /// Where a window starts, where it ends, where the next one ends.
        turns: [Timestamp; 3],
    },
    /// At most `most` in each window, aligned to the Unix epoch.
    Fixed {
        /// How much a window holds.
        most: Amount,
        /// How long it is.
        window: Span,
    },
    /// At most `most` in every interval of this length, in sub-slots of a sixtieth.
    Sliding {
        /// How much an interval holds.
        most: Amount,
        /// How long it is.
        window: Span,
    },
    /// At most `most` until nothing was charged for `idle`.
    Total {
        /// How much there is in all.
        most: Amount,
        /// After how much quiet it starts anew.
        idle: Span,
    },
}

/// The slot that a charge goes to: its key among the meter's slots, and when it stops counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Turn {
    pub(crate) key: u64,
    pub(crate) end: Timestamp,
}

impl Rule {
    /// The most that the meter may hold.
    pub const fn most(&self) -> Amount {
        match *self {
            Self::AtOnce { most, .. }
            | Self::Bucket { burst: most, .. }
            | Self::Calendar { most, .. }
            | Self::Fixed { most, .. }
            | Self::Sliding { most, .. }
            | Self::Total { most, .. } => most,
        }
    }

    /// How the level drains, where the rule is a level's; every other rule is slots'.
    pub(crate) const fn rate(&self) -> Option<Rate> {
        match *self {
            Self::Bucket { burst, units, period } => {
                Some(Rate { burst, units, period: at_least_a_tick(period) })
            }
            Self::AtOnce { .. }
            | Self::Calendar { .. }
            | Self::Fixed { .. }
            | Self::Sliding { .. }
            | Self::Total { .. } => None,
        }
    }

    /// The slot of a charge at `now`. A bucket has none: what it would be given has ended.
    pub(crate) fn turn(&self, id: ReservationId, now: Timestamp) -> Turn {
        match *self {
            Self::AtOnce { lease, .. } => Turn { key: id.get(), end: now.plus(lease) },
            Self::Bucket { .. } => Turn { key: 0, end: now },
            Self::Calendar { turns, .. } => civil(turns, now),
            Self::Fixed { window, .. } => {
                let (key, end) = aligned(window, now);
                Turn { key, end }
            }
            Self::Sliding { window, .. } => {
                let (key, edge) = aligned(sub_slot(window), now);
                Turn { key, end: edge.plus(at_least_a_tick(window)) }
            }
            // The key tells this life of the meter from a former one.
            Self::Total { idle, .. } => {
                Turn { key: now.as_millis(), end: now.plus(at_least_a_tick(idle)) }
            }
        }
    }

    /// No honest clock at `now` has made a slot that ends later.
    ///
    /// A slot that does was made while the clock was ahead: it still counts, but no longer than
    /// this, so that nobody is locked out for longer than one window.
    pub(crate) fn latest(&self, now: Timestamp) -> Timestamp {
        now.plus(match *self {
            Self::AtOnce { lease, .. } => lease,
            Self::Bucket { period, .. } => at_least_a_tick(period),
            Self::Calendar { turns, .. } => longer(turns),
            Self::Fixed { window, .. } => at_least_a_tick(window),
            Self::Sliding { window, .. } => at_least_a_tick(window).plus(sub_slot(window)),
            Self::Total { idle, .. } => at_least_a_tick(idle),
        })
    }
}

/// Which of the windows of this length since the epoch, and its end.
fn aligned(window: Span, now: Timestamp) -> (u64, Timestamp) {
    let length = at_least_a_tick(window).as_millis();
    let key = now.as_millis() / length;
    (key, Timestamp::from_millis(key.saturating_add(1).saturating_mul(length)))
}

/// The civil window of `now`; its key is its start, so that it is the same for all who see it.
fn civil(turns: [Timestamp; 3], now: Timestamp) -> Turn {
    let [start, turn, next] = turns;
    if now < turn {
        return Turn { key: start.as_millis(), end: turn };
    }
    if now < next {
        return Turn { key: turn.as_millis(), end: next };
    }
    let length = longer(turns);
    let gone = now.since(next).as_millis() / length.as_millis();
    let start = next.plus(Span::from_millis(gone.saturating_mul(length.as_millis())));
    Turn { key: start.as_millis(), end: start.plus(length) }
}

/// The longer of the two windows between three turns.
fn longer([start, turn, next]: [Timestamp; 3]) -> Span {
    at_least_a_tick(turn.since(start).max(next.since(turn)))
}

/// A sixtieth of a sliding window, rounded up.
const fn sub_slot(window: Span) -> Span {
    at_least_a_tick(Span::from_millis(window.as_millis().div_ceil(SLIDING_SLOTS)))
}

const fn at_least_a_tick(span: Span) -> Span {
    if span.is_zero() { Span::from_millis(1) } else { span }
}
