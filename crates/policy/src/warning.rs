//! Limits that have passed the mark at which somebody is to be warned.

use tollgate_limits::Standing;

use crate::bound::BoundLimit;
use crate::plan::{Candidate, Plan};

/// A limit whose meter has passed the mark at which somebody is to be warned.
#[derive(Clone, Debug)]
pub struct Warning<'a> {
    /// The limit.
    pub limit: &'a BoundLimit,
    /// Whom it counts here, as `team:acme`; nothing for everybody.
    pub subject: Option<String>,
    /// Where its meter stands.
    pub standing: Standing,
    /// Which meter.
    pub meter: u128,
}

impl Warning<'_> {
    /// How much of the limit is used, in percent, rounded down.
    pub fn percent(&self) -> u64 {
        let most = u128::from(self.limit.limit.most().get());
        let used = u128::from(self.standing.used.get()) * 100;
        u64::try_from(used.checked_div(most).unwrap_or(100)).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Display for Warning<'_> {
    /// As the caller is told: `83% of "$25 per month per team" is used`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}% of \"{}\" is used", self.percent(), self.limit.name_for_caller())
    }
}

impl Plan {
    /// The limits on `candidate` that have passed their mark, where their meters stand so.
    pub fn warnings<'a>(
        &'a self,
        candidate: &'a Candidate,
        standings: &'a [Standing],
    ) -> impl Iterator<Item = Warning<'a>> {
        let rows = candidate.limits.iter().zip(candidate.charges.iter()).zip(standings);
        rows.filter_map(|((limit, charge), &standing)| {
            let mark = u64::from(limit.limit.warn?);
            let meter = charge.meter.get();
            let mut warning = Warning { limit, subject: None, standing, meter };
            (warning.percent() >= mark).then(|| {
                warning.subject = self.subject_of(limit, candidate);
                warning
            })
        })
    }
}
