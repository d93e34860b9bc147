//! What of a streamed chat matters: its text, its calls, its end.

use serde_json::Value;

/// The message that an event adds to, if it does.
pub(crate) fn message(event: &Value) -> &Value {
    event.get("delta").and_then(|delta| delta.get("message")).unwrap_or(&Value::Null)
}

/// Whether the end of a message says that it broke off.
pub(crate) fn is_broken(delta: &Value) -> bool {
    let error = delta.get("error").is_some_and(|error| !error.is_null());
    let reason = delta.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    error || matches!(reason, "ERROR" | "TIMEOUT")
}
