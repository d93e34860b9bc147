//! Where a meter stands, for response headers and for callers who ask.
//!
//! Read from the same state as the decision, so what is shown is what would be decided. Amounts
//! that a bucket holds in part are rounded up, and what is left is rounded down.

use tollgate_units::{Amount, Timestamp};

/// How much of a limit is spoken for, and when all of it is back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Settled, and still counting.
    pub used: Amount,
    /// Reserved and not settled yet. A bucket cannot tell whose it was that has drained, so of
    /// what it still holds, as much as is unsettled counts as held.
    pub held: Amount,
    /// What has room now.
    pub left: Amount,
    /// When it is wholly replenished if nothing more comes; for a calendar or fixed window, when
    /// it turns. An at-once limit cannot know: it says now.
    pub resets_at: Timestamp,
}
