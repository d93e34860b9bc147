//! How long a provider's window is, when it does not say.
//!
//! A bucket of which `used` units are gone is full again after used / limit of its window, so one
//! report tells the window (OpenAI's `limit-requests: 10000`, one used, reset in 8.64 s, is a day).
//! Reports are rounded: only lengths that providers have are believed.

use tollgate_units::{Span, Timestamp};

use crate::observed::{Observed, Refill};

/// What is assumed until something is known.
pub(crate) const DEFAULT: Span = Span::from_secs(60);
/// What providers have.
const LENGTHS: [Span; 5] = [
    Span::from_secs(1),
    Span::from_secs(10),
    Span::from_secs(60),
    Span::from_secs(3600),
    Span::from_secs(86_400),
];
/// A shorter reset is mostly rounding.
const RESET_MIN: Span = Span::from_millis(5);

/// The window that `seen` says or lets infer.
pub(crate) fn inferred(seen: &Observed<'_>, now: Timestamp) -> Option<Span> {
    if seen.window.is_some() {
        return seen.window;
    }
    if seen.refill == Refill::AtReset {
        return Some(at_least(seen.reset_at?.since(now)));
    }
    // Of a rounded number too little is known.
    if seen.grain > 1 {
        return None;
    }
    let used = seen.limit?.checked_sub(seen.remaining?)?;
    let reset = seen.reset_at?.since(now);
    if used == 0 || reset < RESET_MIN {
        return None;
    }
    let whole = u128::from(reset.as_millis()) * u128::from(seen.limit?);
    // `remaining` is cut down to whole units, so a part of the last one may have come back.
    let shortest = whole / u128::from(used);
    let longest = used.checked_sub(1).filter(|less| *less > 0).map(|less| whole / u128::from(less));
    let near = LENGTHS.into_iter().find(|length| is_near(shortest, *length));
    near.or_else(|| LENGTHS.into_iter().find(|length| is_within(shortest, longest, *length)))
}

/// The shortest window that has so much left: of a counter no more is known.
fn at_least(left: Span) -> Span {
    let is_long_enough = |length: &Span| *length >= left && *length >= DEFAULT;
    LENGTHS.into_iter().find(is_long_enough).unwrap_or(left)
}

/// Whether `millis` is within a fifth of `length`.
fn is_near(millis: u128, length: Span) -> bool {
    let length = u128::from(length.as_millis());
    millis * 5 >= length * 4 && millis * 5 <= length * 6
}

fn is_within(shortest: u128, longest: Option<u128>, length: Span) -> bool {
    let length = u128::from(length.as_millis());
    longest.is_some_and(|longest| shortest <= length && length <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::Counted;

    fn seen(limit: u64, remaining: u64, reset_ms: u64) -> Option<Span> {
        let observed = Observed {
            name: "requests",
            counts: Counted::Requests,
            refill: Refill::Continuous,
            window: None,
            limit: Some(limit),
            remaining: Some(remaining),
            reset_at: Some(Timestamp::from_millis(1_000_000 + reset_ms)),
            grain: 1,
        };
        inferred(&observed, Timestamp::from_millis(1_000_000))
    }

    /// Recorded and documented answers of OpenAI and Groq.
    #[test]
    fn a_window_is_inferred_from_what_is_used_and_when_it_is_full_again() {
        let second = Span::from_secs(1);
        let minute = Span::from_secs(60);
        let day = Span::from_secs(86_400);
        let table = [
            (500, 499, 120, Some(minute)),
            (10_000, 9999, 8640, Some(day)),
            (3500, 3499, 17, Some(minute)),
            (90_000, 89_985, 10, Some(minute)),
            (100, 99, 600, Some(minute)),
            (6000, 5974, 260, Some(minute)),
            (3000, 2999, 20, Some(minute)),
            (200, 197, 977_764, Some(day)),
            (200, 197, 1_185_394, Some(day)),
            (40_000, 39_929, 106, Some(minute)),
            (14_400, 14_370, 179_560, Some(day)),
            (100, 50, 500, Some(second)),
            // Nothing can be said of these.
            (1_000_000, 999_994, 0, None),
            (200_000, 199_996, 1, None),
            (500, 500, 120, None),
            (500, 499, 3000, None),
        ];
        for (limit, remaining, reset, window) in table {
            assert_eq!(seen(limit, remaining, reset), window, "{limit}/{remaining} {reset}");
        }
    }

    #[test]
    fn of_a_rounded_number_no_window_is_inferred() {
        let rounded = Observed {
            name: "tokens",
            counts: Counted::Tokens,
            refill: Refill::Continuous,
            window: None,
            limit: Some(30_000),
            remaining: Some(29_000),
            reset_at: Some(Timestamp::from_millis(1_001_000)),
            grain: 1000,
        };
        let now = Timestamp::from_millis(1_000_000);
        assert_eq!(inferred(&rounded, now), None);
        assert_eq!(inferred(&Observed { grain: 1, ..rounded }, now), None);
        let exact = Observed { grain: 1, reset_at: Some(now.plus(Span::from_secs(2))), ..rounded };
        assert_eq!(inferred(&exact, now), Some(DEFAULT));
        assert_eq!(inferred(&Observed { grain: 1000, ..exact }, now), None);
    }
}
