//! A request that is refused for what it says: what is wrong, where, and what would be right.

use std::fmt;

use crate::walk::{Path, Value};

/// Why a body was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// For the caller: what is wrong and what would be right.
    pub message: String,
    /// The field at fault, as `messages[0].content`; none for what is not JSON at all.
    pub param: Option<String>,
    /// The byte at fault.
    pub offset: Option<usize>,
    /// Whether it is wrong, or right but not served here.
    pub kind: MalformedKind,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MalformedKind {
    /// It breaks the protocol, or could be read in more than one way.
    Invalid,
    /// The protocol has it, this gateway does not serve it: state stored at the provider's account
    /// (every tenant shares that account), other models, background work.
    Unsupported,
}

impl Malformed {
    /// The body as a whole is at fault, from `offset` on.
    pub(crate) fn body(message: String, offset: usize) -> Self {
        Self { message, param: None, offset: Some(offset), kind: MalformedKind::Invalid }
    }

    /// `value` is not what it should be.
    pub(crate) fn wrong(value: Value<'_>, path: &Path<'_>, expected: &str) -> Self {
        let message = format!("`{path}` is {}; expected {expected}", value.shown());
        Self::at(message, value, path, MalformedKind::Invalid)
    }

    /// `owner` lacks `key`.
    pub(crate) fn missing(owner: Value<'_>, path: &Path<'_>, key: &str, expected: &str) -> Self {
        let path = path.key(key);
        let message = format!("`{path}` is missing; expected {expected}");
        Self::at(message, owner, &path, MalformedKind::Invalid)
    }

    /// `value` is right, but this gateway does not serve it.
    pub(crate) fn unsupported(value: Value<'_>, path: &Path<'_>, why: &str) -> Self {
        let message = format!("`{path}` is not supported: {why}");
        Self::at(message, value, path, MalformedKind::Unsupported)
    }

    /// A field that decides something is spelt in a way that some providers take for the field.
    pub(crate) fn spelling(value: Value<'_>, path: &Path<'_>, right: &str) -> Self {
        let message = format!("`{path}` is spelt differently from `{right}`; write `{right}`");
        Self::at(message, value, path, MalformedKind::Invalid)
    }

    /// A field should name somebody and does not.
    pub fn not_a_name(field: &str, expected: &str) -> Self {
        let message = format!("`{field}` must be {expected} where it names the end user");
        let param = Some(field.to_owned());
        Self { message, param, offset: None, kind: MalformedKind::Invalid }
    }

    /// Two fields name two end users.
    pub(crate) fn two_users() -> Self {
        let message = "`user` and `safety_identifier` name different end users; send one of them";
        Self {
            message: message.to_owned(),
            param: Some("safety_identifier".to_owned()),
            offset: None,
            kind: MalformedKind::Invalid,
        }
    }

    fn at(message: String, value: Value<'_>, path: &Path<'_>, kind: MalformedKind) -> Self {
        let param = path.to_string();
        Self {
            message,
            param: (!param.is_empty()).then_some(param),
            offset: Some(value.place().start),
            kind,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}
