//! The answers that generate nothing: embeddings, moderations, the list of models.

use serde_json::{Value, json};

use super::turn::{CREATED, Turn};

pub(super) fn embeddings(turn: &Turn) -> Value {
    let vectors: Vec<Value> = (0..turn.inputs)
        .map(|index| {
            let embedding = if turn.wants_base64 { VECTOR_BASE64.into() } else { json!(VECTOR) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut body = json!({"object": "list", "data": vectors, "model": turn.model});
    if turn.usage {
        body["usage"] = json!({"prompt_tokens": turn.prompt, "total_tokens": turn.prompt});
    }
    body
}

pub(super) fn moderations(turn: &Turn) -> Value {
    let result = json!({
        "flagged": false,
        "categories": {"harassment": false, "hate": false, "violence": false},
        "category_scores": {"harassment": 0.001, "hate": 0.001, "violence": 0.001},
    });
    let results = vec![result; usize::try_from(turn.inputs).unwrap_or(1)];
    json!({"id": format!("modr-sim{:06}", turn.number), "model": turn.model, "results": results})
}

pub(super) fn models() -> Value {
    let models: Vec<Value> = MODELS
        .iter()
        .map(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"}))
        .collect();
    json!({"object": "list", "data": models})
}

/// What the provider says it has; it answers for any name.
const MODELS: [&str; 5] =
    ["gpt-4o", "gpt-4o-mini", "gpt-5-mini", "omni-moderation-latest", "text-embedding-3-small"];

/// Every text has this vector: exact in binary, so that both forms are the same numbers.
const VECTOR: [f32; 4] = [0.5, -0.5, 0.25, 1.0];

/// The same as four little-endian floats.
const VECTOR_BASE64: &str = "AAAAPwAAAL8AAIA+AACAPw==";
