//! The OpenAPI description of the admin plane, and of what the data plane has beside the
//! providers' protocols.
//!
//! Written by hand, beside the handlers: a test compares its paths with the routes, and another the
//! published page with what is made here.
#![expect(clippy::needless_pass_by_value, reason = "JSON is made where it is handed in")]

use axum::Json;
use serde_json::{Map, Value, json};

use crate::draft::CHANGEABLE;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn serve() -> Json<Value> {
    Json(openapi())
}

/// The description, in OpenAPI 3.1.
pub fn openapi() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description": "The admin plane; and `/v1/limits` and `/v1/models` of the data plane, \
                            whose other paths are the providers' own protocols.",
        },
        "servers": [{"url": "http://127.0.0.1:9090", "description": "The admin plane."}],
        "security": [{"admin_token": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "admin_token": {"type": "http", "scheme": "bearer",
                    "description": "`admin_token` of the configuration."},
                "key": {"type": "http", "scheme": "bearer", "description": "A caller's key."},
            },
            "schemas": schemas(),
            "responses": {"error": {
                "description": "What was wrong, where, and what would be right.",
                "content": {"application/json": {"schema": refers("error")}},
            }},
        },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for part in [operations(), configuration(), keys(), limits(), data_plane()] {
        for (path, item) in part {
            paths.insert(path.to_owned(), item);
        }
    }
    paths.into()
}

type Paths = Vec<(&'static str, Value)>;

fn operations() -> Paths {
    let open = |mut operation: Value| {
        operation["security"] = json!([]);
        operation
    };
    let page_of_metrics = json!({"text/plain": {"schema": {"type": "string"}}});
    let status = || object(&[("status", text("`ok` or `draining`"))]);
    vec![
        ("/healthz", json!({"get": open(reads("Whether the process runs", status(), &[]))})),
        ("/readyz", json!({"get": open(reads("Whether it takes requests", status(), &["503"]))})),
        (
            "/metrics",
            json!({"get": {
                "summary": "Prometheus metrics",
                "responses": answers("200", &page_of_metrics, &[]),
            }}),
        ),
        (
            "/api/v1/openapi.json",
            json!({"get":
            reads("This description", json!({"type": "object"}), &[])}),
        ),
        (
            "/api/v1/audit",
            json!({"get": with(
                reads("Who changed what, the latest first", page("audit", "audited", "integer"),
                    &["400"]),
                &[query("before", "integer", "Lines before this `seq`."), most()],
            )}),
        ),
        (
            "/api/v1/providers",
            json!({"get": reads(
                "How the routes to providers stand: breakers, and what was learned of their limits",
                object(&[("routes", list(refers("route")))]),
                &[])}),
        ),
        (
            "/api/v1/explain",
            json!({"post": asks(
                reads("What would happen to a request now; nothing is charged",
                    refers("explanation"),
                    &["400", "404"]),
                refers("question"),
            )}),
        ),
    ]
}

fn configuration() -> Paths {
    vec![
        (
            "/api/v1/config",
            json!({"get":
            reads("What is in force", refers("configured"), &["404"])}),
        ),
        (
            "/api/v1/config/reload",
            json!({"post":
            reads("Read the file again; all of it is put in force, or nothing",
                refers("configured"), &["404", "422", "503"])}),
        ),
    ]
}

fn keys() -> Paths {
    let one = || object(&[("key", refers("key"))]);
    let told = || object(&[("secret", text("Shown once.")), ("key", refers("key"))]);
    let name = || path("name", "The key's name.");
    let failures = &["400", "404", "409", "503"];
    let grace = text("How long both are taken: 24h; 0s ends the former.");
    let filters = [
        query("after", "string", "Keys after this name."),
        most(),
        query("team", "string", "Only keys of this team."),
        query("tier", "string", "Only keys of this tier."),
    ];
    let mut created = reads("Issue a key", told(), &["400", "409", "503"]);
    if let Some(answers) = created["responses"].as_object_mut()
        && let Some(answer) = answers.remove("200")
    {
        answers.insert("201".to_owned(), answer);
    }
    vec![
        (
            "/api/v1/keys",
            json!({
                "get": with(reads("Issued keys by name", page("keys", "key", "string"), &["400"]),
                    &filters),
                "post": asks(created, key_fields(true)),
            }),
        ),
        (
            "/api/v1/keys/{name}",
            json!({
                "parameters": [name()],
                "get": reads("One key", one(), &["404", "409"]),
                "patch": asks(reads("Change a key; null takes away", one(), failures),
                    key_fields(false)),
                "delete": reads("Revoke a key, for ever", one(), &["404", "409", "503"]),
            }),
        ),
        (
            "/api/v1/keys/{name}/rotate",
            json!({
                "parameters": [name()],
                "post": asks(reads("Give a key another secret", told(), failures),
                    object(&[("grace", grace)])),
            }),
        ),
    ]
}

fn limits() -> Paths {
    let change = json!({
        "type": "object",
        "required": ["subject", "limit"],
        "properties": {
            "subject": text("user:ana, key:web, team:acme, everybody, …"),
            "key": text("The key whose subject is meant, or `anonymous`."),
            "issuer": text("The issuer of the caller's JWT."),
            "user": text("The user that the key's requests name."),
            "limit": text("The sentence, as configured or as raised; or its `named` name."),
            "amount": text("Another amount, such as 20k or $50."),
            "for": text("For how long, such as 2h."),
            "reset": {"type": "boolean", "description": "Forget what is used, instead."},
        },
        "additionalProperties": false,
    });
    let done = json!({"type": "object", "properties": {
        "raises": list(refers("raise")), "reset": list(refers("forgotten"))}});
    vec![
        (
            "/api/v1/limits",
            json!({
                "get": with(reads("Where limits stand", page("holders", "holder", "string"),
                    &["400"]),
                    &[query("subject", "string", "Only this subject, as user:ana."),
                      query("key", "string", "Of this key, or `anonymous`."),
                      query("issuer", "string", "Of the JWTs of this issuer."),
                      query("user", "string", "With this user, whom the key's requests name."),
                      query("after", "string", "Holders after this key."), most()]),
                "post": asks(reads("Raise a limit for a while, or forget what is used", done,
                    &["400", "409", "503"]), change),
            }),
        ),
        (
            "/api/v1/limits/raises",
            json!({"get":
            reads("What is raised now", object(&[("raises", list(refers("raise")))]), &[])}),
        ),
        (
            "/api/v1/limits/raises/{id}",
            json!({
                "parameters": [path("id", "The raise's id.")],
                "delete": reads("End a raise", object(&[("raise", refers("raise"))]),
                    &["404", "503"]),
            }),
        ),
    ]
}

/// What an application may ask of the data plane, beside the providers' protocols.
fn data_plane() -> Paths {
    let server = json!([{"url": "http://127.0.0.1:8080", "description": "The data plane."}]);
    let keyed = |mut operation: Value| {
        operation["security"] = json!([{"key": []}, {}]);
        operation
    };
    let model = json!({"type": "object", "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "description": "In OpenAI's shape, or with `anthropic-version` theirs."});
    let models = object(&[("data", list(model.clone()))]);
    vec![
        (
            "/v1/limits",
            json!({"servers": server, "get": keyed(reads(
            "What applies to this caller", object(&[("limits", list(refers("standing")))]), &[]))}),
        ),
        (
            "/v1/models",
            json!({"servers": server, "get":
            keyed(reads("The models that this caller may use", models, &[]))}),
        ),
        (
            "/v1/models/{id}",
            json!({"servers": server, "parameters": [path("id", "The model.")],
            "get": keyed(reads("One of them", model, &["404"]))}),
        ),
    ]
}

fn schemas() -> Value {
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
fn key_fields(is_new: bool) -> Value {
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

fn reads(summary: &str, answer: Value, failures: &[&str]) -> Value {
    let content = json!({"application/json": {"schema": answer}});
    json!({"summary": summary, "responses": answers("200", &content, failures)})
}

fn answers(status: &str, content: &Value, failures: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert(status.to_owned(), json!({"description": "Done.", "content": content}));
    // A wrong token, and a request from a foreign origin.
    for failure in ["401", "403"].iter().chain(failures) {
        answers.insert((*failure).to_owned(), json!({"$ref": "#/components/responses/error"}));
    }
    answers.into()
}

fn asks(mut operation: Value, body: Value) -> Value {
    let content = json!({"application/json": {"schema": body}});
    operation["requestBody"] = json!({"required": true, "content": content});
    operation
}

fn with(mut operation: Value, parameters: &[Value]) -> Value {
    operation["parameters"] = parameters.into();
    operation
}

fn query(name: &str, kind: &str, what: &str) -> Value {
    json!({"name": name, "in": "query", "description": what, "schema": {"type": kind}})
}

fn most() -> Value {
    query("most", "integer", "How many at most.")
}

fn path(name: &str, what: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": what,
        "schema": {"type": "string"}})
}

fn page(list_name: &str, item: &str, next: &str) -> Value {
    let next = json!({"type": [next, "null"], "description": "What to ask for next."});
    object(&[(list_name, list(refers(item))), ("next", next)])
}

/// An object that has all of these members.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let members: Map<_, _> =
        members.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())).collect();
    json!({"type": "object", "required": names, "properties": members})
}

fn list(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

fn refers(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn maybe(what: &str) -> Value {
    json!({"type": ["string", "null"], "description": what})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths and methods that the router is made of, from its own text.
    fn routes() -> BTreeSet<String> {
        let text = include_str!("api.rs");
        let mut found = BTreeSet::new();
        for route in text.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once('"').unwrap();
            let rest = rest.split(".route(").next().unwrap();
            for method in ["get", "post", "patch", "delete"] {
                let is_called = rest.lines().next().unwrap().contains(&format!("{method}("));
                if is_called {
                    found.insert(format!("{method} {path}"));
                }
            }
        }
        found
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let described = openapi()["paths"].as_object().unwrap().clone();
        let methods = |(path, item): (&String, &Value)| {
            let keys: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
            let keys = keys.into_iter().filter(|key| !matches!(&**key, "parameters" | "servers"));
            keys.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
        };
        let described = described.iter().filter(|(path, _)| !path.starts_with("/v1/"));
        let described: BTreeSet<String> = described.flat_map(methods).collect();
        assert!(routes().len() > 10);
        assert_eq!(described, routes());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = openapi();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn the_published_description_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == format!("{:#}\n", openapi()),
            "docs/openapi.json is of another version; write it again with: cargo run -q -p \
             tollgate -- schema --openapi > docs/openapi.json"
        );
    }
}
