//! Walking a plan: which candidate to try next, and when to give up. Pure; the gateway does what it
//! says, and tells it what came of it.

use tollgate_limits::Denied;

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// Every candidate failed upstream, or none is left after the last failure.
    Failed,
    /// The limits refused: which candidate would have room first, and what it was told.
    Refuse(usize, Denied),
    /// Try the candidate at this position.
    Try(usize),
}

/// The walk over one plan's candidates, in order.
#[derive(Debug)]
pub struct Search {
    at: usize,
    count: usize,
    denied: Option<(usize, Denied)>,
    failed: bool,
}

impl Search {
    /// A walk over `count` candidates.
    pub const fn new(count: usize) -> Self {
        Self { at: 0, count, denied: None, failed: false }
    }

    /// What to do next. A refusal is final only when no candidate is left; a candidate that was
    /// admitted and then failed upstream leaves a failure, not a refusal.
    pub fn step(&mut self) -> Next {
        if self.at < self.count {
            return Next::Try(self.at);
        }
        match self.denied.take() {
            Some((at, denied)) if !self.failed => Next::Refuse(at, denied),
            Some(_) | None => Next::Failed,
        }
    }

    /// The limits refused the candidate that was tried. The shortest wait is the one that is told:
    /// any candidate will do.
    pub fn denied(&mut self, denied: Denied) {
        if self.denied.as_ref().is_none_or(|(_, told)| denied.wait() < told.wait()) {
            self.denied = Some((self.at, denied));
        }
        self.at += 1;
    }

    /// The provider failed before the first byte reached the caller.
    pub fn failed(&mut self) {
        self.failed = true;
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use tollgate_limits::{Short, Wait};
    use tollgate_units::{Amount, Timestamp};

    use super::*;

    fn denied(wait: Wait) -> Denied {
        let short = Short { charge: 0, wait, asked: Amount::ONE };
        Denied { short: vec![short], standings: Vec::new() }
    }

    #[test]
    fn candidates_are_tried_in_order_and_the_shortest_wait_is_told() {
        let at = |millis| Wait::Until(Timestamp::from_millis(millis));
        let table = [
            (vec![Wait::Never], 0),
            (vec![Wait::Never, at(9)], 1),
            (vec![at(5), at(9), Wait::Never], 0),
            (vec![at(9), at(5), at(5)], 1),
        ];
        for (waits, told) in table {
            let mut search = Search::new(waits.len());
            for (number, wait) in waits.iter().enumerate() {
                assert!(matches!(search.step(), Next::Try(at) if at == number));
                search.denied(denied(*wait));
            }
            assert!(matches!(search.step(), Next::Refuse(at, _) if at == told), "{waits:?}");
        }
    }

    #[test]
    fn an_admitted_candidate_that_failed_is_a_failure_not_a_refusal() {
        let mut search = Search::new(2);
        search.failed();
        assert!(matches!(search.step(), Next::Try(1)));
        search.denied(denied(Wait::Never));
        assert!(matches!(search.step(), Next::Failed));
    }

    #[test]
    fn nothing_to_try_is_a_failure() {
        assert!(matches!(Search::new(0).step(), Next::Failed));
    }
}
