//! What is told and taken: the shapes that the paths refer to.

use serde_json::{Map, Value, json};

use super::words::{list, maybe, object, refers, text};
use crate::draft::CHANGEABLE;

/// All schemas that are referred to by name.
pub(super) fn all() -> Value {
    let owner = || maybe("Whose the subject's name is and whose the limit, as org:o1.");
    let any = || json!({"type": ["integer", "string"], "description": "Dollars are a string."});
    let standing = [
        ("limit", text("In the operator's words.")),
        ("subject", maybe("Whom it counts here, or whose it is; nothing for everybody.")),
        ("unit", text("What it counts.")),
        ("amount", any()),
        ("used", any()),
        ("held", any()),
        ("remaining", any()),
        ("resets_at", maybe("When all of it is back (RFC 3339).")),
    ];
    let mut standing = object(&standing);
    standing["properties"]["raised_until"] = text("Until when the amount is another (RFC 3339).");
    standing["properties"]["raised_from"] = text("The limit as configured, where it is raised.");
    standing["properties"]["owner"] =
        text("Whose the subject's name is and whose the limit; not told to callers.");
    json!({
        "error": object(&[("error", json!({
            "type": "object",
            "required": ["message"],
            "properties": {"message": text("For people."), "field": text("The field at fault.")},
        }))]),
        "key": shown_key(),
        "standing": standing,
        "holder": object(&[("key", text("The key, or `anonymous`.")),
            ("limits", list(refers("standing")))]),
        "raise": object(&[("id", text("What ends it.")), ("subject", text("Whose it is.")),
            ("owner", owner()), ("limit", text("The sentence.")), ("amount", text("How much now.")),
            ("until", text("RFC 3339."))]),
        "forgotten": object(&[("subject", text("Whose it was.")), ("owner", owner()),
            ("limit", text("The sentence.")), ("forgotten", any())]),
        "route": route(),
        "audited": object(&[("seq", json!({"type": "integer"})), ("at", text("RFC 3339.")),
            ("actor", maybe("As `x-tollgate-actor` said.")),
            ("token", text("A fingerprint of the token.")), ("remote", text("From where.")),
            ("action", text("key.create, limit.raise, …")), ("target", text("What was changed.")),
            ("details", json!({"description": "Before and after."}))]),
        "configured": object(&[("file", maybe("The file.")),
            ("reloads", json!({"type": "integer"})),
            ("mistake", maybe("Why the file as it stands is not in force.")),
            ("shadow_mistake", maybe("Why the watched file is not watched as it stands.")),
            ("after_restart", list(json!({"type": "string"}))),
            ("in_force", text("What each caller may do, in words."))]),
        "question": question(),
        "explanation": explanation(any()),
    })
}

fn route() -> Value {
    let number = |what: &str| json!({"type": "integer", "minimum": 0, "description": what});
    let known =
        |what: &str| json!({"type": ["integer", "null"], "minimum": 0, "description": what});
    let limit = object(&[
        ("name", text("The provider's name for it.")),
        ("unit", text("`requests`, `tokens`, `input_tokens` or `output_tokens`.")),
        ("amount", known("Its amount.")),
        ("remaining", known("What was left when the provider last said so.")),
        ("resets_at", maybe("When it said that all of it is back: RFC 3339.")),
        ("window_ms", number("Its window, said or inferred.")),
        ("headroom_permille", number("What is left now by the gateway's own count.")),
    ]);
    object(&[
        ("provider", text("The account.")),
        ("model", text("The provider's own name for the model.")),
        ("breaker", json!({"enum": ["closed", "open", "half_open", "ramping"]})),
        ("probes_at", maybe("When a probe is let through, where nothing else is: RFC 3339.")),
        ("ramp_percent", known("The share of requests that pass while traffic comes back.")),
        ("refused_until", maybe("Until when the provider has refused: RFC 3339.")),
        ("refused_why", maybe("Why until then, in words.")),
        ("in_flight", number("Requests on their way.")),
        ("concurrency", known("How many there may be, once the provider has pushed back.")),
        ("first_token_ms", known("The usual time to the first token of a stream.")),
        ("headroom_permille", number("What the provider's limits have left, the least of them.")),
        ("limits", list(limit)),
    ])
}

fn question() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {
        "key": text("The key's name, or the JWT's for its caller; absent for one without either."),
        "issuer": text("The issuer of the caller's JWT."),
        "tier": text("The tier that the JWT says."),
        "user": text("The user that the request names."),
        "ip": text("The caller's address."),
        "session": text("The session."),
        "model": text("The model: where no request is given, or in the place of the one it names."),
        "path": text("The path of the request."),
        "request": {"type": "object", "description": "The request, as it would be sent."},
    }})
}

fn explanation(any: Value) -> Value {
    let verdict = object(&[
        ("limit", text("In the operator's words.")),
        ("shadow", json!({"type": "boolean"})),
        ("verdict", json!({"enum": ["room", "wait", "never"]})),
        ("requested", any.clone()),
        ("amount", any.clone()),
        ("used", any.clone()),
        ("held", any),
        ("wait_ms", json!({"type": ["integer", "null"]})),
    ]);
    object(&[
        ("admitted", json!({"type": "boolean"})),
        ("refusal", maybe("What the caller would be told.")),
        ("tier", text("The caller's tier.")),
        ("deployment", maybe("Who would serve it.")),
        ("downgraded_from", maybe("The model that was asked for.")),
        ("without_tools", json!({"type": "boolean"})),
        ("input_tokens", json!({"type": ["integer", "null"]})),
        ("counted", json!({"enum": ["bound", "exact", "ratio", null]})),
        ("output_tokens_max", json!({"type": ["integer", "null"]})),
        ("limits", list(verdict)),
    ])
}

fn shown_key() -> Value {
    let states = ["active", "expired", "revoked", "tier_missing", "name_in_configuration"];
    object(&[
        ("name", text("Its name.")),
        ("hint", text("The secret's end.")),
        ("state", json!({"enum": states})),
        ("tier", text("Its tier.")),
        ("team", maybe("Its team.")),
        ("user", maybe("Its user.")),
        ("project", maybe("Its project.")),
        ("org", maybe("Its organisation.")),
        ("limits", list(json!({"type": "string"}))),
        ("models", json!({"type": ["array", "null"], "items": {"type": "string"}})),
        ("trust_user", json!({"type": "boolean"})),
        ("created_at", text("RFC 3339.")),
        ("expires_at", maybe("RFC 3339.")),
        ("revoked_at", maybe("RFC 3339.")),
        ("previous_until", maybe("Until when the former secret is taken.")),
    ])
}

/// What a request may say of a key: what the handlers take, each field once.
pub(super) fn key_fields(is_new: bool) -> Value {
    let shape = |field: &str| match field {
        "limits" | "models" => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        "trust_user" => json!({"type": ["boolean", "null"]}),
        "expires_in" => maybe("Such as 30d; or `expires_at`."),
        "expires_at" => maybe("RFC 3339."),
        _ => json!({"type": ["string", "null"]}),
    };
    let fields = CHANGEABLE.iter().map(|&field| (field.to_owned(), shape(field)));
    let mut schema = json!({"type": "object", "additionalProperties": false,
        "properties": fields.collect::<Map<_, _>>()});
    if is_new {
        schema["properties"]["name"] = text("Letters, digits, `-`, `_` and `.`, at most 64.");
        schema["required"] = json!(["name", "tier"]);
    }
    schema
}
