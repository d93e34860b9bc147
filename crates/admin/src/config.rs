//! `/api/v1/config`: what is in force, and reading the file again.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Admin, blocking};
use crate::by::By;
use crate::objection::Objection;

/// The configuration of a running gateway, as far as the admin plane may ask.
pub trait Configuration: fmt::Debug + Send + Sync {
    /// How the configuration stands.
    fn stands(&self) -> Configured;

    /// Reads the file again and puts it in force, whole or not at all. Blocks for as long as that
    /// takes.
    ///
    /// # Errors
    /// Every mistake in the file, as `tollgate check` shows it; then nothing has changed.
    fn reload(&self) -> Result<Configured, String>;
}

/// How the configuration stands.
#[derive(Clone, Debug, Serialize)]
pub struct Configured {
    /// The file; nothing where the gateway serves what the environment gives.
    pub file: Option<String>,
    /// How often the file has been put in force since the start.
    pub reloads: u64,
    /// Why the file as it stands is not in force.
    pub mistake: Option<String>,
    /// Why the file of the policy that is only watched, as it stands, is not watched.
    pub shadow_mistake: Option<String>,
    /// What the file says and only a restart changes.
    pub after_restart: Vec<&'static str>,
    /// What each caller may do, in words.
    pub in_force: String,
}

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
