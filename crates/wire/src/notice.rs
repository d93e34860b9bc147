//! What the gateway itself has to say to a caller, before any protocol words it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tollgate_units::Span;

/// A refusal or failure, protocol-neutral.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What kind: decides the status and the code.
    pub kind: NoticeKind,
    /// For people: what happened and what to do.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The limit that refused.
    pub limited: Option<Limited>,
    /// When to come back, exactly, where no limit but something else is in the way: the provider,
    /// a gateway that is busy or going down. None: not by itself.
    pub retry_after: Option<Span>,
    /// What the headers add to that, so that a crowd does not return at once.
    pub jitter: Span,
    /// The request, for support.
    pub request_id: String,
}

/// The kinds of notice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NoticeKind {
    /// The prompt is longer than allowed.
    ContextLength,
    /// The caller may not send this field.
    FieldNotAllowed,
    /// The gateway is at fault.
    Internal,
    /// An unknown, expired or revoked key, or none where one is needed.
    InvalidKey,
    /// The request is malformed, or asks for what is not served here.
    InvalidRequest,
    /// A limit refused, and waiting helps.
    LimitExceeded,
    /// A limit refused that waiting for a while does not help.
    LimitSpent,
    /// The caller may not use this model.
    ModelNotAllowed,
    /// There is no such model.
    ModelNotFound,
    /// There is no such path.
    NotFound,
    /// A money limit applies, and this has no price.
    NotPriced,
    /// Shed: the gateway has more work than it can take.
    Overloaded,
    /// The body is over the bound.
    TooLarge,
    /// The caller may not use this tool.
    ToolNotAllowed,
    /// The request body is encoded.
    UnsupportedEncoding,
    /// The provider failed.
    UpstreamError,
    /// The provider took too long.
    UpstreamTimeout,
    /// There is no such earlier response to go on from.
    PreviousResponseNotFound,
    /// There is no such thing stored.
    StoredNotFound,
    /// No provider can be asked.
    UpstreamUnavailable,
}

/// Which limit refused, as far as the caller may know.
#[derive(Clone, Debug)]
pub struct Limited {
    /// The limit in the operator's words.
    pub limit: String,
    /// The caller's tier.
    pub tier: String,
    /// Who is counted: `user:ana`.
    pub subject: Option<String>,
    /// What is counted.
    pub unit: String,
    /// How much the limit allows; none where that is not the caller's to know.
    pub amount: Option<Value>,
    /// How much is settled; none where that is not the caller's to know.
    pub used: Option<Value>,
    /// How much is reserved and not settled; none where that is not the caller's to know.
    pub held: Option<Value>,
    /// How much this request asked for.
    pub requested: Value,
    /// The exact wait; none means never.
    pub wait: Option<Span>,
    /// The wait with jitter, for headers; none means never.
    pub retry_after: Option<Span>,
    /// Every limit that refused.
    pub refused_by: Vec<String>,
    /// Whether the limit is about tokens or cost.
    pub about_tokens: bool,
}

/// An answer that the gateway gives itself.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// A notice that says nothing but its kind.
#[cfg(test)]
impl Notice {
    pub(crate) fn plain(kind: NoticeKind) -> Self {
        Self {
            kind,
            message: "What happened.".to_owned(),
            param: None,
            limited: None,
            retry_after: None,
            jitter: Span::ZERO,
            request_id: "req-1".to_owned(),
        }
    }
}

/// Every kind of notice.
#[cfg(test)]
pub(crate) fn every_kind() -> [NoticeKind; 20] {
    [
        NoticeKind::ContextLength,
        NoticeKind::FieldNotAllowed,
        NoticeKind::Internal,
        NoticeKind::InvalidKey,
        NoticeKind::InvalidRequest,
        NoticeKind::LimitExceeded,
        NoticeKind::LimitSpent,
        NoticeKind::ModelNotAllowed,
        NoticeKind::ModelNotFound,
        NoticeKind::NotFound,
        NoticeKind::NotPriced,
        NoticeKind::Overloaded,
        NoticeKind::PreviousResponseNotFound,
        NoticeKind::StoredNotFound,
        NoticeKind::TooLarge,
        NoticeKind::ToolNotAllowed,
        NoticeKind::UnsupportedEncoding,
        NoticeKind::UpstreamError,
        NoticeKind::UpstreamTimeout,
        NoticeKind::UpstreamUnavailable,
    ]
}
