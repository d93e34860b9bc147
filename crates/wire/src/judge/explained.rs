//! An error's body, read loosely: whatever shape it has, its codes and its message.
//!
//! A code may be a string, a number or null, and is called `code`, `type`, `status` or `reason`;
//! the whole may be wrapped in a list. What cannot be read says nothing.

use serde_json::Value as Json;

/// What an error says.
#[derive(Debug, Default)]
pub(crate) struct Explained {
    answer: Json,
}

impl Explained {
    /// Reads a body; what is no JSON says nothing.
    pub(crate) fn read(body: &[u8]) -> Self {
        let answer = serde_json::from_slice::<Json>(body).unwrap_or_default();
        let answer = match answer {
            Json::Array(items) => items.into_iter().next().unwrap_or_default(),
            answer => answer,
        };
        Self { answer }
    }

    /// The object that tells of the error: the answer's own where there is no other.
    fn error(&self) -> &Json {
        let nested = self.answer.get("error").filter(|error| error.is_object());
        nested.unwrap_or(&self.answer)
    }

    /// Whether `code` is one of its codes.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        let error = self.error();
        let is_code = |owner: &Json, name: &str| match owner.get(name) {
            Some(Json::String(text)) => text == code,
            Some(Json::Number(number)) => number.to_string() == code,
            _ => false,
        };
        let names = ["code", "type", "status"];
        names.iter().any(|name| is_code(error, name))
            || error.get("details").is_some_and(|details| is_code(details, "error_code"))
            || self.all_details().any(|detail| is_code(detail, "reason"))
    }

    /// What it calls itself: its code, its status and its type, in this order.
    pub(crate) fn codes(&self) -> impl Iterator<Item = String> {
        let error = self.error();
        ["code", "status", "type"].into_iter().filter_map(|name| match error.get(name)? {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// Its message for people, or nothing.
    pub(crate) fn message(&self) -> &str {
        let said = |owner: &'_ Json, name: &str| owner.get(name).is_some_and(Json::is_string);
        let error = self.error();
        let names = ["message", "error", "detail"];
        let found = names.iter().find(|name| said(error, name));
        found.and_then(|name| error.get(*name)?.as_str()).unwrap_or_default()
    }

    /// Google's details whose type ends in `kind`.
    pub(crate) fn details<'e>(&'e self, kind: &'e str) -> impl Iterator<Item = &'e Json> {
        self.all_details().filter(move |detail| {
            let name = detail.get("@type").and_then(Json::as_str);
            name.is_some_and(|name| name.ends_with(kind))
        })
    }

    fn all_details(&self) -> impl Iterator<Item = &Json> {
        let details = self.error().get("details").and_then(Json::as_array);
        details.into_iter().flatten().take(DETAILS_MAX)
    }
}

const DETAILS_MAX: usize = 16;
