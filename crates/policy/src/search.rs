//! Walking a plan: which candidate to try next, and when to give up. Pure; the gateway does what it
//! says, and tells it what came of it.

use tollgate_limits::Denied;

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// Every candidate failed upstream, or none is left after the last failure.
    Failed,
    /// The limits refused: what the first candidate was told.
    Refuse(Denied),
    /// Try the candidate at this position.
    Try(usize),
}

/// The walk over one plan's candidates, in order.
#[derive(Debug)]
pub struct Search {
    at: usize,
    count: usize,
    denied: Option<Denied>,
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
            Some(denied) if !self.failed => Next::Refuse(denied),
            Some(_) | None => Next::Failed,
        }
    }

    /// The limits refused the candidate that was tried.
    pub fn denied(&mut self, denied: Denied) {
        self.denied.get_or_insert(denied);
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
    use super::*;

    fn denied() -> Denied {
        Denied { short: Vec::new(), standings: Vec::new() }
    }

    #[test]
    fn candidates_are_tried_in_order_and_the_first_refusal_is_told() {
        let mut search = Search::new(2);
        assert!(matches!(search.step(), Next::Try(0)));
        search.denied(denied());
        assert!(matches!(search.step(), Next::Try(1)));
        search.denied(denied());
        assert!(matches!(search.step(), Next::Refuse(_)));
    }

    #[test]
    fn an_admitted_candidate_that_failed_is_a_failure_not_a_refusal() {
        let mut search = Search::new(2);
        search.failed();
        assert!(matches!(search.step(), Next::Try(1)));
        search.denied(denied());
        assert!(matches!(search.step(), Next::Failed));
    }

    #[test]
    fn nothing_to_try_is_a_failure() {
        assert!(matches!(Search::new(0).step(), Next::Failed));
    }
}
