//! The fields of a request's body, read one by one, so that a wrong one is named.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::{Map, Value};
use tollgate_policy::instant;
use tollgate_units::{Span, Timestamp};

use crate::objection::Objection;

/// A JSON object whose fields are all known.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body: `application/json`, an object, no field that is not `known`. No body at all is
    /// an object without fields.
    pub(crate) fn read(
        headers: &HeaderMap,
        body: &[u8],
        known: &[&str],
    ) -> Result<Self, Objection> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = "send JSON, with \"Content-Type: application/json\"";
            return Err(Objection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let wrong = |message: String| Objection::new(StatusCode::BAD_REQUEST, message);
        let Members(map) =
            serde_json::from_slice(body).map_err(|error| match error.classify() {
                Category::Data => wrong(format!("the body: {error}")),
                _ => wrong(format!("the body is not JSON: {error}")),
            })?;
        match map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Objection::unknown(name, "field", name, known.iter().copied())),
            None => Ok(Self(map)),
        }
    }

    /// Whether the field is there and says something.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is there to take something away.
    pub(crate) fn clears(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// Text; nothing where there is none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Objection> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Objection::field(name, "expected a string")),
        }
    }

    /// Text that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Objection> {
        self.text(name)?.ok_or_else(|| Objection::field(name, "this field is required"))
    }

    /// Text that is shown to people.
    pub(crate) fn label(&self, name: &str) -> Result<Option<String>, Objection> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.is_empty() || text.len() > LABEL_BYTES_MAX || text.chars().any(char::is_control) {
            let message = "expected 1 to 128 characters, none of them a control character";
            return Err(Objection::field(name, message));
        }
        Ok(Some(text.to_owned()))
    }

    /// A list of text, at most `most` long.
    pub(crate) fn texts(&self, name: &str, most: usize) -> Result<Option<Vec<&str>>, Objection> {
        let items = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(Objection::field(name, "expected a list of strings")),
        };
        if items.len() > most {
            return Err(Objection::field(name, format!("expected at most {most}")));
        }
        let text = |(at, item): (usize, &'_ Value)| match item {
            Value::String(_) => Ok(()),
            _ => Err(Objection::field(&format!("{name}[{at}]"), "expected a string")),
        };
        items.iter().enumerate().try_for_each(text)?;
        Ok(Some(items.iter().filter_map(Value::as_str).collect()))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Objection> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Objection::field(name, "expected true or false")),
        }
    }

    /// A length of time, as `90m`.
    pub(crate) fn span(&self, name: &str) -> Result<Option<Span>, Objection> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let what = "expected a length of time such as \"30s\", \"90m\", \"2h\", \"7d\" or \"4w\", \
                    at most ten years";
        span(text).map(Some).ok_or_else(|| Objection::field(name, what))
    }

    /// An instant after `now`.
    pub(crate) fn instant(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Objection> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let what = "expected an instant such as \"2027-01-31T12:00:00Z\"";
        let instant = instant(text).ok_or_else(|| Objection::field(name, what))?;
        if instant <= now {
            return Err(Objection::field(name, "expected an instant to come; this one has passed"));
        }
        Ok(Some(instant))
    }
}

/// The members of an object, none of them there twice: which of two counts is nobody's to guess.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAnObject;

        impl<'de> Visitor<'de> for OfAnObject {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some(name) = access.next_key::<String>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!(
                            "the field \"{name}\" is there twice"
                        )));
                    }
                    members.insert(name, access.next_value()?);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(OfAnObject)
    }
}

/// `30s`, `90m`, `2h`, `7d`, `4w`: at most ten years.
fn span(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let secs = number.parse::<u64>().ok()?.checked_mul(secs)?;
    (secs <= SPAN_SECS_MAX).then(|| Span::from_secs(secs))
}

const LABEL_BYTES_MAX: usize = 128;
/// What lasts longer was meant otherwise.
const SPAN_SECS_MAX: u64 = 10 * 366 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        let table = [
            ("0s", Some(0)),
            ("90m", Some(5400)),
            ("24h", Some(86_400)),
            ("4w", Some(2_419_200)),
            ("24", None),
            ("h", None),
            ("1.5h", None),
            ("-1h", None),
            ("9999999d", None),
            ("18446744073709551615w", None),
            ("", None),
        ];
        for (text, secs) in table {
            assert_eq!(span(text), secs.map(Span::from_secs), "{text}");
        }
    }
}
