//! The words that metric labels may hold: closed sets where there is one, shared names elsewhere.
//!
//! A label set lives for ever, so nothing that a caller names freely may become one: names come
//! from the configuration, and everything else is `other`.
//! When this is wrong: a new word here needs a line in the documentation of the metrics.

use std::{fmt, sync::Arc};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// A configured name: made once with the policy, shared by every label that holds it.
pub type Name = Arc<str>;

/// How a request ended, as its caller saw it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// The provider answered, to the end.
    Answered,
    /// The provider refused what the caller sent.
    CallerFault,
    /// The caller hung up first.
    Disconnected,
    /// The provider or its connection failed, or nothing was left to try.
    Failed,
    /// The gateway refused it.
    Refused,
    /// The provider took too long.
    TimedOut,
}

impl Outcome {
    /// All of them, in the order of their discriminants.
    pub(super) const ALL: [Self; 6] = [
        Self::Answered,
        Self::CallerFault,
        Self::Disconnected,
        Self::Failed,
        Self::Refused,
        Self::TimedOut,
    ];

    /// The word in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::CallerFault => "caller_fault",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Which way tokens went.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// To the model.
    Input,
    /// From the model.
    Output,
}

impl Direction {
    /// The word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// What was reserved was used.
    Exact,
    /// Nobody ended it in time.
    Expired,
    /// More was used than reserved.
    Overrun,
    /// Less was used than reserved.
    Refund,
    /// Nothing was used, because nothing was sent or nothing came of it.
    Voided,
}

impl Ending {
    /// All of them, in the order of their discriminants.
    pub(super) const ALL: [Self; 5] =
        [Self::Exact, Self::Expired, Self::Overrun, Self::Refund, Self::Voided];

    /// The word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Expired => "expired",
            Self::Overrun => "overrun",
            Self::Refund => "refund",
            Self::Voided => "voided",
        }
    }
}

/// What was asked of the store of meters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StoreOp {
    /// A group of changes was written to disk.
    Commit,
    /// Meters were read and not changed.
    Peek,
    /// A reservation was changed.
    Rebook,
    /// A reservation was asked for.
    Reserve,
    /// A reservation was ended.
    Settle,
}

impl StoreOp {
    /// All of them, in the order of their discriminants.
    pub(super) const ALL: [Self; 5] =
        [Self::Commit, Self::Peek, Self::Rebook, Self::Reserve, Self::Settle];

    /// The word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Peek => "peek",
            Self::Rebook => "rebook",
            Self::Reserve => "reserve",
            Self::Settle => "settle",
        }
    }
}

/// What kind of tokens, such that the kinds of one direction sum to its tokens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Kind {
    /// Input that was written to a cache.
    CacheWrite,
    /// Input that came from a cache.
    Cached,
    /// Output that the caller does not see.
    Reasoning,
    /// Everything else.
    Text,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::CacheWrite => "cache_write",
            Self::Cached => "cached",
            Self::Reasoning => "reasoning",
            Self::Text => "text",
        }
    }
}

/// Writes the word of a closed set as the label's value.
macro_rules! encoded_by_label {
    ($($set:ty),+) => {$(
        impl EncodeLabelValue for $set {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                EncodeLabelValue::encode(&self.label(), encoder)
            }
        }
    )+};
}

encoded_by_label!(Direction, Ending, Kind, Outcome, StoreOp);

/// One way through the gateway: the configured names of all three.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Route {
    pub(super) model: Name,
    pub(super) provider: Name,
    pub(super) tier: Name,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RequestLabels {
    pub(super) model: Name,
    pub(super) provider: Name,
    pub(super) tier: Name,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RefusalLabels {
    pub(super) unit: &'static str,
    pub(super) tier: Name,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct TokenLabels {
    pub(super) model: Name,
    pub(super) direction: Direction,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CostLabels {
    pub(super) model: Name,
    pub(super) provider: Name,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RetryLabels {
    pub(super) provider: Name,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ShadowLabels {
    pub(super) tier: Name,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct LessenedLabels {
    pub(super) tier: Name,
    pub(super) action: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RunawayLabels {
    pub(super) kind: &'static str,
    pub(super) action: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct SavedLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct EstimateLabels {
    pub(super) model: Name,
    pub(super) direction: Direction,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct OpLabels {
    pub(super) op: StoreOp,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct EndingLabels {
    pub(super) kind: Ending,
}
