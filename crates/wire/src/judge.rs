//! What a provider's status and body mean for the caller, the limits and the breaker.
//!
//! Statuses come first; the body only tells an exhausted account from a rate limit, because one of
//! them ends by waiting and the other by paying. Error bodies vary: the code may be a string or a
//! number, the whole may be wrapped in a list. What cannot be read decides nothing.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use serde_json::Value as Json;
use tollgate_units::Span;

use crate::walk::Value;
use crate::{Place, sse};

/// What an answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// It is the answer.
    Answered,
    /// The provider refused this request for what it says: passes on.
    CallerFault,
    /// The provider is in trouble: another may not be.
    Failed,
    /// The account is at fault: wrong key, no access, quota exhausted. The operator's business.
    OperatorFault,
    /// The account is over a rate limit.
    Throttled {
        /// When the provider says it recovers.
        retry_after: Option<Span>,
    },
}

/// Judges an answer by its status, headers and (for an error) body.
pub fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Judgement {
    match status.as_u16() {
        200..=299 => Judgement::Answered,
        401..=403 => Judgement::OperatorFault,
        // 408 is the provider's own time-out, 498 Groq's "no capacity".
        408 | 498 => Judgement::Failed,
        400 | 429 if is_account_exhausted(body) => Judgement::OperatorFault,
        429 => Judgement::Throttled { retry_after: retry_after(headers) },
        400..=499 => Judgement::CallerFault,
        // A redirect is not followed: a base URL that redirects is as good as none.
        _ => Judgement::Failed,
    }
}

/// Whether an error says that the account has nothing left to spend.
fn is_account_exhausted(body: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<Json>(body) else {
        return false;
    };
    let error = answer.get(0).unwrap_or(&answer).get("error").unwrap_or(&Json::Null);
    let said = |owner: &Json, name: &str| owner.get(name)?.as_str().map(str::to_owned);
    let codes = [said(error, "code"), said(error, "type"), {
        let details = error.get("details").unwrap_or(&Json::Null);
        said(details, "error_code")
    }];
    let is_spent = codes.iter().flatten().any(|code| is_exhausted(code));
    // A limit that the operator set for itself at Anthropic has no code of its own.
    is_spent || said(error, "message").is_some_and(|message| message.starts_with(OWN_LIMIT))
}

const OWN_LIMIT: &str = "You have reached your specified API usage limits";

fn is_exhausted(code: &str) -> bool {
    matches!(
        code,
        "billing_error"
            | "billing_hard_limit_reached"
            | "billing_not_active"
            | "credit_balance_exhausted"
            | "enforced_spend_limit_reached"
            | "insufficient_quota"
            | "organization_usage_limit_exceeded"
    ) || code.ends_with("_spend_limit_exceeded")
}

/// Longer than this a provider does not mean it.
const RETRY_AFTER_MAX: Span = Span::from_secs(24 * 60 * 60);

/// When to come back; none if nothing sensible is said. Zero is not: some send it with a limit that
/// is still spent. A date would need a clock to mean anything.
fn retry_after(headers: &HeaderMap) -> Option<Span> {
    let millis = |name, factor| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(Span::from_millis(decimal_times(value.trim(), factor)?))
    };
    let sane = |span: &Span| !span.is_zero() && *span <= RETRY_AFTER_MAX;
    let exact = millis("retry-after-ms", 1).filter(sane);
    exact.or_else(|| millis("retry-after", 1000).filter(sane))
}

/// `7.66` times `factor`, rounded up.
fn decimal_times(text: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scaled = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    // Nine places are more than any clock has; what comes after them can only round up.
    let places = fraction.get(..9).unwrap_or(fraction);
    let unit = 10_u64.pow(u32::try_from(places.len()).ok()?);
    let part = if places.is_empty() { 0 } else { places.parse::<u64>().ok()? };
    scaled.checked_add(part.checked_mul(factor)?.div_ceil(unit))
}

/// An error body without the ids of the operator's account.
pub fn without_account(body: &[u8]) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut at = 0;
    let mut before = b' ';
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let inside_word = before.is_ascii_alphanumeric();
        let length = if inside_word { 0 } else { id_at(rest) };
        if length > 0 {
            clean.extend_from_slice(b"[removed]");
            before = b']';
            at = at.saturating_add(length);
        } else if let Some(&byte) = rest.first() {
            clean.push(byte);
            before = byte;
            at = at.saturating_add(1);
        }
    }
    Bytes::from(clean)
}

/// The same for an answer that was accepted, and may tell in its `error` how it failed: only there
/// ids are taken out.
pub fn answer_without_account(body: Bytes) -> Bytes {
    let places = errors(Value::root(&body));
    if places.is_empty() { body } else { with_clean(&body, 0, &places) }
}

/// The same for an event of a stream that tells an error: all of it is the error, unless it has
/// members that are.
pub(crate) fn event_without_account(event: &[u8]) -> Bytes {
    // Lines that are joined stand nowhere as they are read.
    let Some(Cow::Borrowed(data)) = sse::event(event).data else {
        return without_account(event);
    };
    let Some(start) = memmem::find(event, data) else {
        return without_account(event);
    };
    let places = errors(Value::root(data));
    if places.is_empty() { without_account(event) } else { with_clean(event, start, &places) }
}

/// Where an answer, or an event, has its error, in order.
fn errors(root: Value<'_>) -> Vec<Place> {
    let owners = [Some(root), root.member("response"), root.member("x_groq")];
    let errors = owners.into_iter().filter_map(|owner| owner?.member("error"));
    let mut places: Vec<Place> =
        errors.filter(|error| !error.is_null()).map(Value::place).collect();
    places.sort_unstable_by_key(|place| place.start);
    places
}

/// `body` with ids taken out at `places`, which are counted from `start` on.
fn with_clean(body: &[u8], start: usize, places: &[Place]) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut at = 0;
    for place in places {
        let (from, to) = (start.saturating_add(place.start), start.saturating_add(place.end));
        clean.extend_from_slice(body.get(at..from).unwrap_or_default());
        clean.extend_from_slice(&without_account(body.get(from..to).unwrap_or_default()));
        at = to;
    }
    clean.extend_from_slice(body.get(at..).unwrap_or_default());
    Bytes::from(clean)
}

/// The length of the account id that `rest` begins with, or zero.
fn id_at(rest: &[u8]) -> usize {
    let Some(prefix) = ACCOUNT_IDS.iter().find(|prefix| rest.starts_with(prefix)) else {
        return 0;
    };
    let tail = rest.get(prefix.len()..).unwrap_or_default();
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let length = tail.iter().take_while(|byte| is_id(byte)).count();
    let id = tail.get(..length).unwrap_or_default();
    // "org-wide" is a word; ids have digits, or are longer than words.
    let looks_made = length >= 16 || id.iter().any(u8::is_ascii_digit);
    if looks_made { prefix.len().saturating_add(length) } else { 0 }
}

const ACCOUNT_IDS: &[&[u8]] = &[b"acct-", b"acct_", b"org-", b"org_", b"proj-", b"proj_", b"user-"];

#[cfg(test)]
mod tests;
