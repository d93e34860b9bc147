//! What the laws share: a route, its time, and the words for what happens to it.

use tollgate_routing::{
    Call, Closed, Counted, Ended, Need, News, Observed, Pass, Refill, Route, RouteSettings,
};
use tollgate_units::{Span, Timestamp};

pub(crate) const START: u64 = 1_700_000_040_000;
pub(crate) const ONE: Need = Need { requests: 1, tokens: 10, input_tokens: 10, output_tokens: 0 };
pub(crate) const CALL: Call =
    Call { need: ONE, is_critical: false, patience: Span::from_millis(0) };

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

pub(crate) fn seen(name: &str, counts: Counted, refill: Refill, limit: u64) -> Observed<'_> {
    Observed {
        name,
        counts,
        refill,
        window: Some(Span::from_secs(60)),
        limit: Some(limit),
        remaining: None,
        reset_at: None,
        grain: 1,
    }
}

pub(crate) fn success() -> Ended {
    Ended::Success {
        first_token: None,
        prompt_tokens: 10,
        afterwards: Need::default(),
        back: Need::default(),
    }
}

pub(crate) fn throttled(retry_after: Option<Span>) -> Ended {
    Ended::Throttled { retry_after, overloaded: false }
}

pub(crate) struct World {
    pub(crate) route: Route,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { route: Route::new(RouteSettings::default()), now: 0 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.now)
    }

    pub(crate) fn ask(&mut self) -> Result<Pass, Closed> {
        self.route.ask(&CALL, at(self.now), 0)
    }

    /// One call that is let through and ends so.
    pub(crate) fn call(&mut self, ended: Ended) -> News {
        let pass = self.ask().expect("passes");
        self.route.ended(pass, ended, at(self.now))
    }

    /// One call whose answer reports `seen`.
    pub(crate) fn learns(&mut self, seen: &[Observed<'_>]) {
        let mut pass = self.ask().expect("passes");
        self.route.heard(&mut pass, seen, at(self.now));
        self.route.ended(pass, success(), at(self.now));
    }

    /// One call that is refused for what it says, with an answer that reports `seen`.
    pub(crate) fn refused_with(&mut self, seen: &[Observed<'_>]) {
        let mut pass = self.ask().expect("passes");
        self.route.heard(&mut pass, seen, at(self.now));
        self.route.ended(pass, Ended::Ignored, at(self.now));
    }

    /// How long the same call would have to wait; `None` is for ever.
    pub(crate) fn wait(&self) -> Option<u64> {
        let outlook = self.route.outlook(&CALL, self.now());
        outlook.room_at.map(|room_at| room_at.since(self.now()).as_millis())
    }
}
