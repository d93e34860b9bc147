//! Limits of which only the used share is told: as limits of ten thousand parts.

use std::borrow::Cow;

use tollgate_units::{Span, Timestamp};

use crate::limits::{Counted, Refill, Reported};

/// What is left of [`Reported::SHARES`] when `text` of `whole` is used.
pub(super) fn unused(text: &str, whole: u64) -> Option<u64> {
    let (before, after) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(before) || !digits(after) {
        return None;
    }
    // Four decimals of a share are two of a percentage; further ones round up what is used.
    let places: String = after.chars().chain(std::iter::repeat('0')).take(4).collect();
    let beyond = after.bytes().skip(4).any(|digit| digit != b'0');
    let used = before.parse::<u64>().ok()?.checked_mul(Reported::SHARES)?;
    let used = used.checked_add(places.parse().ok()?)?.checked_add(u64::from(beyond))?;
    Some(Reported::SHARES.saturating_sub(used.div_ceil(whole)))
}

/// A limit of which `left` is left, and when all of it is back.
pub(super) fn share(
    name: Cow<'static, str>,
    window: Option<Span>,
    (left, reset_at): (u64, Option<Timestamp>),
) -> Reported {
    Reported {
        name,
        counts: Counted::Other,
        refill: Refill::AtReset,
        window,
        calendar: None,
        limit: Some(Reported::SHARES),
        remaining: Some(left),
        reset_at,
        grain: 1,
        is_aside: false,
        partition: None,
    }
}
