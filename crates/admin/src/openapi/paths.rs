//! What may be asked: each path, its methods, and what they answer.

use serde_json::{Map, Value, json};

use super::schemas::key_fields;
use super::words::{
    answers, asks, list, most, object, page, path, query, reads, refers, text, with,
};

/// All paths.
pub(super) fn all() -> Value {
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
