//! `/api/v1/config`: what is in force, and reading the file again.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use crate::by::By;
use crate::objection::Objection;
use crate::plane::{Admin, Configuration, Configured, blocking};

/// `GET /api/v1/config`.
pub(crate) async fn show(State(admin): State<Admin>) -> Result<Json<Configured>, Objection> {
    let configuration = configuration(&admin)?;
    blocking(move || Ok(Json(configuration.stands()))).await
}

/// `POST /api/v1/config/reload`.
pub(crate) async fn reload(
    State(admin): State<Admin>,
    Extension(by): Extension<By>,
) -> Result<Json<Configured>, Objection> {
    let configuration = configuration(&admin)?;
    blocking(move || {
        let before = configuration.stands();
        let target = before.file.as_deref().unwrap_or("the configuration");
        let note = |action, details: &Value| {
            let entry = by.entry(action, target, admin.gateway.clock().now(), details);
            admin.gateway.issued().desk().note(&entry)
        };
        note("config.reload", &Value::Null)?;
        match configuration.reload() {
            Ok(stands) => Ok(Json(stands)),
            Err(mistake) => {
                note("config.reload.failed", &json!({"mistake": mistake}))?;
                Err(Objection::new(StatusCode::UNPROCESSABLE_ENTITY, mistake))
            }
        }
    })
    .await
}

fn configuration(admin: &Admin) -> Result<Arc<dyn Configuration>, Objection> {
    admin.configuration.clone().ok_or_else(|| {
        let message = "this gateway was not made from a configuration".to_owned();
        Objection::new(StatusCode::NOT_FOUND, message)
    })
}
