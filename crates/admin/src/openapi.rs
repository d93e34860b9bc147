//! The OpenAPI description of the admin plane, and of what the data plane has beside the
//! providers' protocols.
//!
//! Written by hand, beside the handlers: a test compares its paths with the routes, and another the
//! published page with what is made here.

use axum::Json;
use serde_json::{Value, json};

mod paths;
mod schemas;
mod words;

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
        "paths": paths::all(),
        "components": {
            "securitySchemes": {
                "admin_token": {"type": "http", "scheme": "bearer",
                    "description": "`admin_token` of the configuration."},
                "key": {"type": "http", "scheme": "bearer", "description": "A caller's key."},
            },
            "schemas": schemas::all(),
            "responses": {"error": {
                "description": "What was wrong, where, and what would be right.",
                "content": {"application/json": {"schema": words::refers("error")}},
            }},
        },
    })
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
