//! How Cohere's protocol says no: a status and a message. Its clients know a fault by the status
//! alone, and repeat a 429 whatever is said beside it; so what waiting does not help is a 402,
//! which none of them repeats.

use http::StatusCode;
use serde::Serialize;

use crate::openai::dialect::status_and_code;
use crate::reply::{Tollgate, answered};
use crate::{Notice, NoticeKind, Reply};

/// A notice in Cohere's protocol.
pub(crate) fn reply(notice: &Notice) -> Reply {
    let status = status(notice.kind);
    let (id, message) = (notice.request_id.as_str(), notice.message.as_str());
    answered(status, notice, &ErrorBody { id, message, tollgate: Tollgate::of(notice) })
}

/// OpenAI's, but for what is spent.
pub(crate) const fn status(kind: NoticeKind) -> StatusCode {
    match kind {
        NoticeKind::LimitSpent => StatusCode::PAYMENT_REQUIRED,
        NoticeKind::PreviousResponseNotFound => StatusCode::NOT_FOUND,
        _ => status_and_code(kind).0,
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    id: &'a str,
    message: &'a str,
    tollgate: Tollgate<'a>,
}

#[cfg(test)]
mod tests;
