//! What a refusal promised, and how far it is believed.
//!
//! A provider that refuses says when to come back, or does not, or lies. Believed is what lies
//! between a moment and a day. What is longer than a minute is obeyed but checked by one probe a
//! minute, since a promise too long costs more than a probe. What proves too short is doubled. An
//! account that is empty or misconfigured promises nothing: one probe a minute at first, an hour at
//! last. It would be wrong to count every refusal of one volley as a refusal in a row.

use tollgate_units::{Span, Timestamp};

use crate::backoff::doubled;

/// The shortest wait where nothing is said.
pub const WAIT_MIN: Span = Span::from_secs(1);
/// What doubling ends at, and how often a longer promise is checked.
pub const WAIT_CHECKED: Span = Span::from_secs(60);
/// A longer promise is not believed.
pub const WAIT_BELIEVED_MAX: Span = Span::from_secs(24 * 3600);
/// What the wait for an empty account doubles up to.
pub const EXHAUSTED_MAX: Span = Span::from_secs(3600);

/// Why a route is shut for as long as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// The provider promised, and it is more than a minute: obeyed, and checked every minute.
    Checked,
    /// It refused again right after the last wait, so this one is longer than it says.
    Doubled,
    /// The account is empty or misconfigured: nothing but a probe will tell.
    Exhausted,
    /// It promised nothing, or no time at all: what its meters let expect, at least a second.
    Predicted,
    /// It promised.
    Promised,
    /// It promised more than a day, which is taken as if it had promised nothing.
    Unbelieved,
}

/// A route that is shut by a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shut {
    /// When it opens by itself; [`Timestamp::MAX`] when only a probe can open it.
    pub until: Timestamp,
    /// When a probe may be sent before that.
    pub next_probe: Option<Timestamp>,
    /// Why so long.
    pub why: Why,
}

/// Whether a refusal stands in the way of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    /// It may start from then on.
    From(Timestamp),
    /// It may start now, as a probe.
    Probe,
    /// Ask again then.
    Shut(Timestamp),
}

/// The last refusal, until a success.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    shut: Option<Shut>,
    /// Flights from this number on were sent after the refusal.
    since: u64,
    in_a_row: u32,
    /// How long the last wait was.
    wait: Span,
    is_probing: bool,
}

impl Promise {
    /// What holds at `now`, if anything does.
    pub(crate) fn shut(&self, now: Timestamp) -> Option<Shut> {
        self.shut.filter(|shut| now < shut.until)
    }

    /// Whether flight `number` was planned before the last refusal.
    pub(crate) fn is_older(&self, number: u64) -> bool {
        number < self.since
    }

    pub(crate) fn gate(&self, now: Timestamp) -> Gate {
        let Some(shut) = self.shut(now) else {
            return Gate::From(now);
        };
        match shut.next_probe {
            Some(at) if at <= now && !self.is_probing => Gate::Probe,
            Some(at) if shut.why == Why::Exhausted => Gate::Shut(at.max(now.plus(WAIT_MIN))),
            Some(_) | None => Gate::From(shut.until),
        }
    }

    /// A probe was let through.
    pub(crate) fn probing(&mut self) {
        self.is_probing = true;
    }

    /// A probe has ended, however; the next is due a while later unless the route opens.
    pub(crate) fn probed(&mut self, now: Timestamp) {
        self.is_probing = false;
        if let Some(shut) = &mut self.shut
            && let Some(at) = &mut shut.next_probe
        {
            *at = (*at).max(now.plus(WAIT_MIN));
        }
    }

    /// Flight `number` was refused; the next will be `next`. `predicted` is what the meters say.
    pub(crate) fn refused(
        &mut self,
        (number, next): (u64, u64),
        retry_after: Option<Span>,
        predicted: Span,
        now: Timestamp,
    ) {
        let is_same_volley = number < self.since;
        if is_same_volley && self.shut(now).is_none() {
            // Its promise is over already, and no flight since has been refused.
            return;
        }
        let in_a_row = if is_same_volley { self.in_a_row } else { self.in_a_row(now) + 1 };
        let (wait, why) = self.sentence(retry_after, predicted, in_a_row);
        let next_probe = (wait > WAIT_CHECKED).then(|| now.plus(WAIT_CHECKED));
        let shut = Shut { until: now.plus(wait), next_probe, why };
        if is_same_volley {
            let is_longer = self.shut.is_some_and(|known| known.until < shut.until);
            if is_longer && shut.why != Why::Predicted {
                self.shut = Some(shut);
                self.wait = wait;
            }
            return;
        }
        *self = Self { shut: Some(shut), since: next, in_a_row, wait, is_probing: false };
    }

    /// How many refusals there were in a row: what refuses long after the wait is over begins anew.
    fn in_a_row(&self, now: Timestamp) -> u32 {
        let is_recent = self.shut.is_some_and(|shut| now < shut.until.plus(WAIT_CHECKED));
        if is_recent { self.in_a_row } else { 0 }
    }

    /// How long to wait for the so-manieth refusal in a row, and why. What is doubled is the last
    /// wait, but never beyond what the same promise would have come to by now.
    fn sentence(&self, retry_after: Option<Span>, predicted: Span, in_a_row: u32) -> (Span, Why) {
        let said = retry_after.filter(|span| !span.is_zero());
        let believed = said.filter(|span| *span <= WAIT_BELIEVED_MAX);
        let base = believed.unwrap_or_else(|| predicted.min(WAIT_BELIEVED_MAX).max(WAIT_MIN));
        let times = in_a_row.saturating_sub(1);
        let longer = doubled(base, times).min(doubled(self.wait, 1)).min(WAIT_CHECKED);
        let wait = if times == 0 { base } else { base.max(longer) };
        let why = match (said, believed) {
            _ if wait > base => Why::Doubled,
            (_, Some(_)) if wait > WAIT_CHECKED => Why::Checked,
            (_, Some(_)) => Why::Promised,
            (Some(_), None) => Why::Unbelieved,
            (None, None) => Why::Predicted,
        };
        (wait, why)
    }

    /// The account of flight `number` is empty or misconfigured.
    pub(crate) fn exhausted(&mut self, (number, next): (u64, u64), now: Timestamp) {
        if number < self.since {
            return;
        }
        let is_again = self.shut.is_some_and(|shut| shut.why == Why::Exhausted);
        let in_a_row = if is_again { self.in_a_row + 1 } else { 1 };
        let wait = doubled(WAIT_CHECKED, in_a_row - 1).min(EXHAUSTED_MAX);
        let shut =
            Shut { until: Timestamp::MAX, next_probe: Some(now.plus(wait)), why: Why::Exhausted };
        *self = Self { shut: Some(shut), since: next, in_a_row, wait, is_probing: false };
    }

    /// Flight `number` succeeded. When it is the first after a refusal: by how many milliseconds
    /// the wait was too short, or, below zero, too long.
    pub(crate) fn succeeded(&mut self, number: u64, now: Timestamp) -> Option<i64> {
        if number < self.since {
            return None;
        }
        let shut = self.shut.take()?;
        self.in_a_row = 0;
        self.is_probing = false;
        if shut.until == Timestamp::MAX {
            return None;
        }
        let late = i64::try_from(now.since(shut.until).as_millis()).ok()?;
        let early = i64::try_from(shut.until.since(now).as_millis()).ok()?;
        Some(late - early)
    }
}
