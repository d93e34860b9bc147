//! How requests find a provider: which route is tried first, how often another is, when one is left
//! alone, and which answers may be given again.

use tollgate_units::Span;

/// How the first among the routes with room is chosen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Prefer {
    /// The one with the most room, then the cheapest, then the fastest.
    #[default]
    Headroom,
    /// The cheapest.
    Cheapest,
    /// The one that begins to answer soonest.
    Fastest,
    /// The one that is written first.
    Listed,
}

/// Whose requests go first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Before all others, and into the share of an account that is kept for them.
    Critical,
    /// Before the ordinary ones.
    High,
    /// The ordinary ones.
    #[default]
    Normal,
    /// When nobody else wants to.
    Low,
}

impl Priority {
    /// The word for it in the configuration and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// How requests are tried again, and when a route is left alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RoutingSettings {
    /// When a request that failed is tried again.
    pub retry: RetrySettings,
    /// When a route is left alone.
    pub breaker: BreakerSettings,
}

/// When a request that failed is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetrySettings {
    /// How often a request is tried at most, each time by every route that it may take.
    pub attempts: u32,
    /// The most that is waited before the second attempt; doubled for each further one.
    pub base: Span,
    /// The most that is waited before any.
    pub cap: Span,
    /// How many retries there may be for a hundred requests.
    pub budget: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { attempts: 5, base: Span::from_millis(100), cap: Span::from_secs(30), budget: 10 }
    }
}

/// When a route is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// After so many failures in a row.
    pub failures: u32,
    /// When so many of a hundred requests fail.
    pub error_rate: u32,
    /// For how long at first.
    pub cooldown: Span,
    /// What is kept of an account's own limits for critical requests, in a hundredth.
    pub safe_remaining: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, error_rate: 50, cooldown: Span::from_secs(5), safe_remaining: 5 }
    }
}

/// Which answers are kept, to be given again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CacheSettings {
    /// When they are given again.
    pub used: CacheUse,
    /// To whom.
    pub scope: CacheScope,
    /// How long they are good.
    pub ttl: Span,
    /// How much is kept, in bytes.
    pub bytes: u64,
}

/// When a kept answer is given again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheUse {
    /// Whenever it would have come out the same: embeddings, and temperature 0.
    Always,
    /// When no provider answers.
    StaleIfError,
}

/// Who is given the answers to whose requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheScope {
    /// Each user those to its own.
    User,
    /// Each key those to its own.
    Key,
    /// The callers of a team each other's; who has no team, those to its own key.
    Team,
    /// The callers of an organisation each other's; who has none, those to its own key.
    Org,
}
