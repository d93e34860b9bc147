//! What a provider's status and body mean for the caller, the limits and the breaker.
//!
//! What the body says comes first where a dialect knows the saying: one status means a rate limit,
//! an empty account, a plan without the model, and a request that no waiting makes fit. Then comes
//! the status. What cannot be read decides nothing.

pub(crate) mod explained;
pub(crate) mod inside;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use tollgate_units::{Span, Timestamp};

use self::explained::Explained;
use crate::dialect::{Dialect, ErrorRule, Meaning, Says, compatible};
use crate::limits::hints::find_ignoring_case;
use crate::limits::{Report, report_with};
use crate::walk::Value;
use crate::{Place, sse};

/// What an answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// It is the answer.
    Answered,
    /// The provider refused this request for what it says: passes on.
    CallerFault,
    /// The account has nothing left to spend: it ends by paying, not by waiting. Never retried.
    Exhausted,
    /// The provider is in trouble: another may not be.
    Failed {
        /// It has too much to do, whoever asks: its every account and model may be concerned.
        overloaded: bool,
    },
    /// The account's plan has none of this at all: a mistake of configuration. Never retried, and
    /// no sign of ill health.
    NoQuota,
    /// The provider refuses the account: wrong key, no access.
    OperatorFault,
    /// The account is over a rate limit.
    Throttled {
        /// When the provider says it recovers.
        retry_after: Option<Span>,
    },
    /// The request alone is larger than the account's limit: it never fits there as it is.
    TooLarge,
}

/// Judges an answer of a provider that speaks `dialect` by its status, headers and (for an error)
/// body, read at `now`.
pub fn judge(
    dialect: &Dialect,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Judgement {
    if status.is_success() {
        return Judgement::Answered;
    }
    let explained = Explained::read(body);
    let rules = dialect.errors.iter().chain(compatible::ERRORS);
    let mut said = rules.filter(|rule| is_said(rule, status, &explained));
    match said.next().map(|rule| rule.means) {
        Some(Meaning::Exhausted) => Judgement::Exhausted,
        Some(Meaning::NoQuota) => Judgement::NoQuota,
        Some(Meaning::OperatorFault) => Judgement::OperatorFault,
        Some(Meaning::Overloaded) => Judgement::Failed { overloaded: true },
        Some(Meaning::TooLarge) => Judgement::TooLarge,
        None => by_status(dialect, status, headers, (&explained, now)),
    }
}

fn by_status(
    dialect: &Dialect,
    status: StatusCode,
    headers: &HeaderMap,
    (explained, now): (&Explained, Timestamp),
) -> Judgement {
    match status.as_u16() {
        401 | 403 => Judgement::OperatorFault,
        402 => Judgement::Exhausted,
        429 => throttled(&report_with(dialect, headers, explained, now), explained),
        // 498 is Groq's "no capacity", 529 Anthropic's "overloaded".
        498 | 529 => Judgement::Failed { overloaded: true },
        // 408 is the provider's own time-out.
        408 => Judgement::Failed { overloaded: false },
        400..=499 => Judgement::CallerFault,
        // A redirect is not followed: a base URL that redirects is as good as none.
        _ => Judgement::Failed { overloaded: false },
    }
}

/// A rate limit, unless what refused is a limit of nothing, or less than what was requested.
fn throttled(report: &Report, explained: &Explained) -> Judgement {
    let message = explained.message();
    let is_nothing = |limit: Option<u64>| limit == Some(0);
    let told = report.limits.iter().any(|limit| is_nothing(limit.limit) && !limit.is_aside);
    let limit = number_after(message, "limit: ").or_else(|| number_after(message, "limit "));
    if told || is_nothing(limit) {
        return Judgement::NoQuota;
    }
    let requested = number_after(message, "requested ");
    if requested.zip(limit).is_some_and(|(requested, limit)| requested > limit) {
        return Judgement::TooLarge;
    }
    Judgement::Throttled { retry_after: report.retry_after }
}

/// The whole number that stands in `message` after `words`, which are in lower case.
fn number_after(message: &str, words: &str) -> Option<u64> {
    let at = find_ignoring_case(message, words)?.checked_add(words.len())?;
    let rest = message.get(at..)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at_checked(end)?;
    // "limit: 0.5" is a price, and "limit: 0" the end of a sentence.
    let goes_on = after
        .strip_prefix('.')
        .is_some_and(|decimals| decimals.starts_with(|letter: char| letter.is_ascii_digit()));
    digits.parse().ok().filter(|_| !goes_on)
}

fn is_said(rule: &ErrorRule, status: StatusCode, explained: &Explained) -> bool {
    rule.at.contains(&status.as_u16())
        && match rule.says {
            Says::Code(code) => explained.has_code(code),
            Says::Opening(words) => {
                let opening = explained.message().as_bytes().get(..words.len());
                opening.is_some_and(|opening| opening.eq_ignore_ascii_case(words.as_bytes()))
            }
            Says::Words(words) => find_ignoring_case(explained.message(), words).is_some(),
        }
}

/// The key of an operator's account, which no caller may learn; none where it has none.
#[derive(Clone, Default)]
pub struct AccountKey(Bytes);

impl AccountKey {
    /// For an account that is asked with this key.
    pub fn new(key: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(key))
    }

    /// A piece of an answer without the key, as long as it was: wherever a provider repeats it. A
    /// short one is no secret, and could be a word of any answer.
    pub fn masked(&self, piece: Bytes) -> Bytes {
        if self.0.len() < SECRET_BYTES_MIN || memmem::find(&piece, &self.0).is_none() {
            return piece;
        }
        let places: Vec<usize> = memmem::find_iter(&piece, &self.0).collect();
        let mut clean = piece.to_vec();
        for at in places {
            let key = clean.iter_mut().skip(at).take(self.0.len());
            key.for_each(|byte| *byte = b'*');
        }
        Bytes::from(clean)
    }

    /// The length of the key, where `rest` begins with it, or zero.
    fn at(&self, rest: &[u8]) -> usize {
        if rest.starts_with(&self.0) { self.0.len() } else { 0 }
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey")
    }
}

/// Shorter keys are placeholders of servers that need none.
const SECRET_BYTES_MIN: usize = 16;

/// An error body without the ids of the operator's account, and without its key.
pub fn without_account(body: &[u8], key: &AccountKey) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut at = 0;
    let mut before = b' ';
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let inside_word = before.is_ascii_alphanumeric();
        let id = if inside_word { 0 } else { id_at(rest) };
        let length = id.max(key.at(rest));
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
/// something is taken out.
pub fn answer_without_account(body: Bytes, key: &AccountKey) -> Bytes {
    let places = errors(Value::root(&body));
    if places.is_empty() { body } else { with_clean((&body, key), 0, &places) }
}

/// The same for an event of a stream that tells an error: all of it is the error, unless it has
/// members that are.
pub(crate) fn event_without_account(event: &[u8], key: &AccountKey) -> Bytes {
    // Lines that are joined stand nowhere as they are read.
    let Some(Cow::Borrowed(data)) = sse::event(event).data else {
        return without_account(event, key);
    };
    let Some(start) = memmem::find(event, data) else {
        return without_account(event, key);
    };
    let places = errors(Value::root(data));
    if places.is_empty() {
        without_account(event, key)
    } else {
        with_clean((event, key), start, &places)
    }
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

/// `body` with ids and `key` taken out at `places`, which are counted from `start` on.
fn with_clean((body, key): (&[u8], &AccountKey), start: usize, places: &[Place]) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut at = 0;
    for place in places {
        let (from, to) = (start.saturating_add(place.start), start.saturating_add(place.end));
        clean.extend_from_slice(body.get(at..from).unwrap_or_default());
        clean.extend_from_slice(&without_account(body.get(from..to).unwrap_or_default(), key));
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
