//! What is known of a route at one moment, to choose by and to show.

use tollgate_units::{Span, Timestamp};

use crate::breaker::BreakerState;
use crate::need::Counted;
use crate::order::Room;
use crate::pool::Pool;
use crate::promise::Shut;

/// A route at one moment, for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outlook {
    /// Its breaker.
    pub state: BreakerState,
    /// What a refusal has shut it for, and why so long.
    pub shut: Option<Shut>,
    /// When the request could start; `None` means never.
    pub room_at: Option<Timestamp>,
    /// The least of what is left over its pools, in thousandths; 1000 when nothing is known.
    pub headroom_permille: u32,
    /// The usual time to the first token.
    pub first_token: Option<Span>,
    /// Places that are taken.
    pub in_flight: u32,
    /// Places that there are, once the provider has pushed back.
    pub concurrency: Option<u32>,
}

impl Outlook {
    /// Whether there is room for a caller who would wait so long.
    pub fn room(&self, patience: Span, now: Timestamp) -> Room {
        match self.room_at {
            Some(at) if at <= now => Room::Now,
            Some(at) if at <= now.plus(patience) => Room::Soon(at.since(now)),
            Some(_) | None => Room::Closed,
        }
    }
}

/// One of a provider's meters, for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolRow<'a> {
    /// The provider's name of it.
    pub name: &'a str,
    /// What it counts.
    pub counts: Counted,
    /// Units in a window.
    pub limit: Option<u64>,
    /// Units left, as last reported.
    pub remaining: Option<u64>,
    /// When it is full again, as last reported.
    pub reset_at: Option<Timestamp>,
    /// The length of its window, said, inferred or assumed.
    pub window: Span,
    /// What is left by our own picture, in thousandths.
    pub headroom_permille: u32,
}

impl<'a> PoolRow<'a> {
    pub(crate) fn of(pool: &'a Pool, now: Timestamp) -> Self {
        Self {
            name: &pool.name,
            counts: pool.counts,
            limit: pool.limit,
            remaining: pool.remaining,
            reset_at: pool.reset_at,
            window: pool.window,
            headroom_permille: pool.headroom_permille(now),
        }
    }
}
