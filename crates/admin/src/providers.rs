//! How the routes to providers stand.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::plane::Admin;

/// `GET /api/v1/providers`: every route that has been asked, with its breaker and what was learned
/// of the provider's own limits.
pub(crate) async fn list(State(admin): State<Admin>) -> Json<Value> {
    Json(json!({"routes": admin.gateway.providers()}))
}
