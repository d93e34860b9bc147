//! Limits with another amount for a while: what an operator gives, or takes, without a reload.
//!
//! A raise belongs to one meter, so it is one subject's and not everybody's. It makes another
//! [`BoundLimit`] of the one that is charged, with the same meters, so decisions, refusals, headers
//! and `explain` show the raised amount and none of them knows of raises. What was used stays used.
//! When it is wrong: a wait that is announced while a raise lasts, and that ends after it, was
//! reckoned with the raised amount.

use std::collections::HashMap;
use std::sync::Arc;

use tollgate_limits::MeterId;
use tollgate_units::{Amount, Timestamp};

use crate::bound::BoundLimit;
use crate::principal::Caller;
use crate::{Limit, Measure, Mistake, Unit, parse};

/// The amounts of meters that have another one for a while.
#[derive(Debug, Default)]
pub struct Raises {
    by_meter: HashMap<MeterId, Raised>,
}

/// Another amount, until it is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Raised {
    /// The amount meanwhile; for a bucket, what flows in each period.
    pub amount: Amount,
    /// From when the limit's own amount counts again.
    pub until: Timestamp,
}

impl Raises {
    /// Nothing where nothing is raised, which is how it is most of the time.
    pub fn new(raises: impl IntoIterator<Item = (MeterId, Raised)>) -> Option<Arc<Self>> {
        let by_meter: HashMap<_, _> = raises.into_iter().collect();
        (!by_meter.is_empty()).then(|| Arc::new(Self { by_meter }))
    }

    fn at(&self, meter: MeterId, now: Timestamp) -> Option<Raised> {
        self.by_meter.get(&meter).copied().filter(|raised| now < raised.until)
    }
}

impl Caller {
    /// The same caller, with the limits that are raised now.
    #[must_use]
    pub fn with_raises(mut self, raises: Option<Arc<Raises>>) -> Self {
        self.raises = raises;
        self
    }

    /// What is raised on a meter of this caller's.
    pub(crate) fn raised(&self, meter: MeterId, now: Timestamp) -> Option<Raised> {
        self.raises.as_ref().and_then(|raises| raises.at(meter, now))
    }

    /// `bound` as it counts on `meter`: with another amount, while there is one.
    pub(crate) fn in_force(
        &self,
        bound: &Arc<BoundLimit>,
        meter: MeterId,
        now: Timestamp,
    ) -> Arc<BoundLimit> {
        match self.raised(meter, now) {
            None => bound.clone(),
            Some(raised) => Arc::new(bound.of(raised_to(&bound.limit, raised.amount))),
        }
    }
}

/// `limit` with another amount; a bucket's burst grows and shrinks with it.
fn raised_to(limit: &Limit, amount: Amount) -> Limit {
    let mut raised = Limit { amount, ..limit.clone() };
    if let Measure::Bucket { burst, .. } = &mut raised.measure {
        let grown = u128::from(burst.get()) * u128::from(amount.get());
        let grown = grown.checked_div(u128::from(limit.amount.get())).unwrap_or_default();
        *burst = Amount::new(u64::try_from(grown).unwrap_or(u64::MAX));
    }
    raised
}

/// An amount of `unit` as people write it in a sentence: `50k`, `$2.50`.
///
/// # Errors
/// Where it is none, and what was expected.
pub fn amount_of(unit: Unit, text: &str) -> Result<Amount, Mistake> {
    let rest = if unit == Unit::Cost { "per day" } else { "requests per day" };
    let read = match text.find(char::is_whitespace) {
        Some(at) => Err(Mistake::new(at..text.len(), "expected an amount and nothing else")),
        None => parse(&format!("{text} {rest}")),
    };
    let read = read.map(|limit| (limit.amount, limit.unit));
    match read {
        Ok((amount, counted)) if (counted == Unit::Cost) == (unit == Unit::Cost) => Ok(amount),
        Err(mistake) if mistake.at.end <= text.len() => Err(mistake),
        Ok(_) | Err(_) => Err(Mistake::new(0..text.len(), expected(unit))),
    }
}

fn expected(unit: Unit) -> &'static str {
    if unit == Unit::Cost {
        "expected an amount of money, such as \"$25\""
    } else {
        "expected an amount, such as \"50k\""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_in_a_sentence() {
        let table = [
            (Unit::Tokens, "50k", Some(50_000)),
            (Unit::Tokens, "1.5M", Some(1_500_000)),
            (Unit::Requests, "0", Some(0)),
            (Unit::Cost, "$2.50", Some(2_500_000_000)),
            (Unit::Cost, "50k", None),
            (Unit::Tokens, "$5", None),
            (Unit::Tokens, "50k tokens", None),
            (Unit::Tokens, "5 requests per minute, named x, ", None),
            (Unit::Tokens, "-1", None),
            (Unit::Tokens, "", None),
            (Unit::Tokens, "1e9", None),
            (Unit::Tokens, "99999999999999999999999", None),
        ];
        for (unit, text, expected) in table {
            let read = amount_of(unit, text).map(Amount::get);
            assert_eq!(read.clone().ok(), expected, "{text}: {read:?}");
            if let Err(mistake) = read {
                assert!(mistake.at.end <= text.len(), "{text}: {mistake:?}");
            }
        }
    }

    #[test]
    fn a_buckets_burst_grows_with_its_rate() {
        let bucket = parse("100 tokens per second, burst 10k, per user").unwrap();
        let raised = raised_to(&bucket, Amount::new(250));
        assert_eq!(raised.to_string(), "250 tokens per second, burst 25k, per user");
        assert_eq!(raised.identity(), bucket.identity(), "the same meters");
        assert_eq!(raised_to(&bucket, Amount::ZERO).most(), Amount::ZERO);
    }
}
