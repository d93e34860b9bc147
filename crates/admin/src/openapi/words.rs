//! The words that the description is written in: operations, parameters and shapes.
#![expect(clippy::needless_pass_by_value, reason = "JSON is made where it is handed in")]

use serde_json::{Map, Value, json};

/// An operation that takes no body.
pub(super) fn reads(summary: &str, answer: Value, failures: &[&str]) -> Value {
    let content = json!({"application/json": {"schema": answer}});
    json!({"summary": summary, "responses": answers("200", &content, failures)})
}

/// What an operation answers: one success, and the failures beside the usual two.
pub(super) fn answers(status: &str, content: &Value, failures: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert(status.to_owned(), json!({"description": "Done.", "content": content}));
    // A wrong token, and a request from a foreign origin.
    for failure in ["401", "403"].iter().chain(failures) {
        answers.insert((*failure).to_owned(), json!({"$ref": "#/components/responses/error"}));
    }
    answers.into()
}

/// The operation, with a body.
pub(super) fn asks(mut operation: Value, body: Value) -> Value {
    let content = json!({"application/json": {"schema": body}});
    operation["requestBody"] = json!({"required": true, "content": content});
    operation
}

/// The operation, with parameters.
pub(super) fn with(mut operation: Value, parameters: &[Value]) -> Value {
    operation["parameters"] = parameters.into();
    operation
}

pub(super) fn query(name: &str, kind: &str, what: &str) -> Value {
    json!({"name": name, "in": "query", "description": what, "schema": {"type": kind}})
}

pub(super) fn most() -> Value {
    query("most", "integer", "How many at most.")
}

pub(super) fn path(name: &str, what: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": what,
        "schema": {"type": "string"}})
}

/// A part of a list, and where the next part begins.
pub(super) fn page(list_name: &str, item: &str, next: &str) -> Value {
    let next = json!({"type": [next, "null"], "description": "What to ask for next."});
    object(&[(list_name, list(refers(item))), ("next", next)])
}

/// An object that has all of these members.
pub(super) fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let members: Map<_, _> =
        members.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())).collect();
    json!({"type": "object", "required": names, "properties": members})
}

pub(super) fn list(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

pub(super) fn refers(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

pub(super) fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

pub(super) fn maybe(what: &str) -> Value {
    json!({"type": ["string", "null"], "description": what})
}
