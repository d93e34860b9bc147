//! Which of several routes to try first.
//!
//! Groups never mix: a fallback model comes after every route of the model itself. Within a group,
//! routes with room now come before routes with room soon, and closed ones stand last, since they
//! may have opened by the time they are reached. Headroom counts in coarse steps, because fine
//! ones would move every session from route to route and lose the provider's prompt cache.

use alloc::vec::Vec;
use core::cmp::Reverse;

use tollgate_units::Span;

/// What decides among routes with room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Prefer {
    /// The lowest price, then headroom.
    Cheapest,
    /// The shortest time to the first token, then headroom.
    Fastest,
    /// The most headroom in coarse steps, then price, then latency.
    #[default]
    Headroom,
    /// The order written, whatever has room; closed routes still stand last.
    Listed,
}

/// Whether a route can take the request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Room {
    /// At once.
    Now,
    /// After so long, which the caller would wait.
    Soon(Span),
    /// Not within the caller's patience.
    Closed,
}

/// One route, as it stands for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choice {
    /// Whether it has room.
    pub room: Room,
    /// The least of what is left over its pools, in thousandths.
    pub headroom_permille: u32,
    /// What the request would cost there; any unit, the same for all.
    pub price: u64,
    /// The usual time to the first token, where known.
    pub first_token: Option<Span>,
    /// The share of first places, relative to the others; all equal means no draw.
    pub weight: u32,
    /// A rendezvous hash of session and route; zero means no session.
    pub affinity: u64,
    /// Zero for the model itself, one and up for its fallbacks in their order.
    pub group: u32,
}

/// The positions of `choices` in the order to try them: every one exactly once. `die` is uniform
/// over all integers and draws by weight.
pub fn order(choices: &[Choice], prefer: Prefer, die: u64) -> Vec<usize> {
    let mut ranked: Vec<(usize, &Choice)> = choices.iter().enumerate().collect();
    ranked.sort_by_key(|&(position, choice)| rank(choice, prefer, position));
    if prefer != Prefer::Listed {
        for group in ranked.chunk_by_mut(|left, right| left.1.group == right.1.group) {
            promote(group, die);
        }
    }
    ranked.into_iter().map(|(position, _)| position).collect()
}

/// Compared from left to right; less is earlier. The position makes it total.
type Rank = (u32, u8, Span, [u64; 3], usize);

fn rank(choice: &Choice, prefer: Prefer, position: usize) -> Rank {
    let (class, wait) = match choice.room {
        Room::Now => (0, Span::ZERO),
        Room::Soon(wait) => (1, wait),
        Room::Closed => (2, Span::ZERO),
    };
    let step = u64::from(step(choice.headroom_permille));
    let latency = choice.first_token.map_or(u64::MAX, Span::as_millis);
    match prefer {
        Prefer::Cheapest => (choice.group, class, wait, [choice.price, step, latency], position),
        Prefer::Fastest => (choice.group, class, wait, [latency, step, choice.price], position),
        Prefer::Headroom => (choice.group, class, wait, [step, choice.price, latency], position),
        Prefer::Listed => (choice.group, class / 2, Span::ZERO, [0; 3], position),
    }
}

/// The steps in which headroom counts; the last is where no session is kept.
fn step(headroom_permille: u32) -> u8 {
    match headroom_permille {
        500.. => 0,
        250.. => 1,
        100.. => 2,
        _ => 3,
    }
}

const LOWEST_STEP: u8 = 3;

/// Moves the session's own route, or else the one drawn by weight, to the front of its group. Only
/// routes with room now take part, which are the first of it.
fn promote(group: &mut [(usize, &Choice)], die: u64) {
    let open = group.iter().take_while(|(_, choice)| choice.room == Room::Now).count();
    let Some(open) = group.get_mut(..open) else {
        return;
    };
    if let Some(at) = kept(open).or_else(|| drawn(open, die))
        && let Some(front) = open.get_mut(..=at)
    {
        front.rotate_right(1);
    }
}

/// Where the session's route is: the highest affinity that is not nearly used up.
fn kept(open: &[(usize, &Choice)]) -> Option<usize> {
    let candidates = open.iter().enumerate().filter(|(_, (_, choice))| {
        choice.affinity > 0 && step(choice.headroom_permille) < LOWEST_STEP
    });
    candidates
        .max_by_key(|(_, (position, choice))| (choice.affinity, Reverse(*position)))
        .map(|(at, _)| at)
}

/// Where the die falls, when the weights say more than the order.
fn drawn(open: &[(usize, &Choice)], die: u64) -> Option<usize> {
    let first = open.first()?.1.weight;
    if open.iter().all(|(_, choice)| choice.weight == first) {
        return None;
    }
    let sum: u64 = open.iter().map(|(_, choice)| u64::from(choice.weight)).sum();
    // By position, so that the draw does not depend on the rank.
    let mut by_position: Vec<(usize, usize, u32)> = open
        .iter()
        .enumerate()
        .map(|(at, (position, choice))| (*position, at, choice.weight))
        .collect();
    by_position.sort_unstable();
    let mut ball = u64::try_from((u128::from(die) * u128::from(sum)) >> 64).ok()?;
    for (_, at, weight) in by_position {
        match ball.checked_sub(u64::from(weight)) {
            Some(rest) => ball = rest,
            None => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests;
