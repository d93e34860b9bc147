//! A model in the list of models, in OpenAI's shape.

use serde_json::{Value, json};

/// One model, as `GET /v1/models` lists it. Who really serves it is the operator's business, so the
/// gateway owns it, and nobody knows when it was made.
pub fn model_json(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "tollgate"})
}
