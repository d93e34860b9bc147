//! What the admin plane says to a request that it does not do: what was wrong, where, what would be
//! right.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tollgate_policy::Mistake;
use tollgate_store::Trouble;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Objection {
    status: StatusCode,
    message: String,
    field: Option<String>,
}

impl Objection {
    /// For a reason that no field of the request is to blame for.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), field: None }
    }

    /// A field that is wrong.
    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        let (status, message) = (StatusCode::BAD_REQUEST, message.into());
        Self { status, message, field: Some(name.to_owned()) }
    }

    /// A name that leads nowhere, with the one that was probably meant.
    pub(crate) fn unknown<'r>(
        field: &str,
        what: &str,
        word: &str,
        right: impl IntoIterator<Item = &'r str>,
    ) -> Self {
        let message = match Mistake::nearest(word, right) {
            Some(nearest) => format!("no such {what}; did you mean \"{nearest}\"?"),
            None => format!("no such {what}"),
        };
        Self::field(field, message)
    }

    /// A mistake in a sentence, shown under its words.
    pub(crate) fn sentence(field: &str, text: &str, mistake: &Mistake) -> Self {
        let before = text.get(..mistake.at.start).unwrap_or_default().chars().count();
        let under = text.get(mistake.at.clone()).unwrap_or_default().chars().count().max(1);
        let place = format!("{}{}", " ".repeat(before), "^".repeat(under));
        Self::field(field, format!("{text}\n{place} {mistake}"))
    }
}

impl From<Trouble> for Objection {
    fn from(trouble: Trouble) -> Self {
        tracing::error!(%trouble, "the registry cannot be written, so nothing was changed");
        let message = format!("the registry cannot be reached, so nothing has changed: {trouble}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl IntoResponse for Objection {
    fn into_response(self) -> Response {
        let Self { status, message, field } = self;
        let body = match field {
            Some(field) => json!({"error": {"message": message, "field": field}}),
            None => json!({"error": {"message": message}}),
        };
        (status, Json(body)).into_response()
    }
}

/// A reason that no field is to blame for, as an answer.
pub(crate) fn mistake(status: StatusCode, message: &str) -> Response {
    Objection::new(status, message).into_response()
}
