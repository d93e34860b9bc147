//! The list of models, as each protocol writes it.

use serde_json::{Value, json};

use crate::Protocol;

/// One model, as `GET /v1/models/{id}` shows it. Who really serves it is the operator's business,
/// so the gateway owns it, and nobody knows when it was made.
pub fn model_json(protocol: Protocol, name: &str) -> Value {
    match protocol {
        Protocol::Anthropic => json!({
            "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        }),
        Protocol::Cohere | Protocol::Gemini | Protocol::OpenAi => {
            json!({"id": name, "object": "model", "created": 0, "owned_by": "tollgate"})
        }
    }
}

/// The models called `names`, as `GET /v1/models` lists them: all on one page.
pub fn models_json(protocol: Protocol, names: &[&str]) -> Value {
    let data: Vec<_> = names.iter().map(|name| model_json(protocol, name)).collect();
    match protocol {
        Protocol::Anthropic => json!({
            "data": data, "has_more": false, "first_id": names.first(), "last_id": names.last(),
        }),
        Protocol::Cohere | Protocol::Gemini | Protocol::OpenAi => {
            json!({"object": "list", "data": data})
        }
    }
}
