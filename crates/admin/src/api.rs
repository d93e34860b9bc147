//! The paths of the admin plane.

use std::net::SocketAddr;

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use hyper::body::Incoming;
use serde_json::json;
use tollgate_gateway::{foreign, telemetry};
use tower::ServiceExt;

use crate::by::{By, Remote};
use crate::explain::explain;
use crate::objection::mistake;
use crate::plane::Admin;
use crate::{by, config, keys, openapi, providers, raises};

/// The admin plane as a service.
pub fn router(admin: Admin) -> Router {
    let behind_token = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/audit", get(by::audit))
        .route("/api/v1/config", get(config::show))
        .route("/api/v1/config/reload", post(config::reload))
        .route("/api/v1/openapi.json", get(openapi::serve))
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{name}", get(keys::show).patch(keys::update).delete(keys::revoke))
        .route("/api/v1/keys/{name}/rotate", post(keys::rotate))
        .route("/api/v1/providers", get(providers::list))
        .route("/api/v1/limits", get(raises::stand).post(raises::change))
        .route("/api/v1/limits/raises", get(raises::list))
        .route("/api/v1/limits/raises/{id}", delete(raises::end))
        .layer(DefaultBodyLimit::max(CHANGE_BYTES_MAX))
        // Past its parsing it has the bounds of any request; the rest is the question around it.
        .route("/api/v1/explain", post(explain).layer(DefaultBodyLimit::max(QUESTION_BYTES_MAX)))
        .fallback(unknown)
        .route_layer(middleware::from_fn_with_state(admin.clone(), authorize));
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .merge(behind_token)
        .layer(middleware::from_fn_with_state(admin.clone(), own_origin))
        .layer(middleware::map_response(told_as_json))
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> Response {
    if admin.gateway.is_ready() {
        Json(json!({"status": "ok"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "draining"}))).into_response()
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let page = admin.gateway.render_metrics();
    ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], page).into_response()
}

/// The usual bound of a body (`max_body`), and room around it.
const QUESTION_BYTES_MAX: usize = 33 * 1024 * 1024;

/// More than any change needs.
const CHANGE_BYTES_MAX: usize = 64 * 1024;

async fn unknown() -> Response {
    mistake(StatusCode::NOT_FOUND, "there is nothing at this path of the admin plane")
}

async fn authorize(State(admin): State<Admin>, mut request: Request, next: Next) -> Response {
    let presented = request.headers().get(header::AUTHORIZATION);
    if admin.token.opens(presented.and_then(|value| value.to_str().ok())) {
        let remote = request.extensions().get::<Remote>();
        return match By::of(request.headers(), remote, admin.token.fingerprint()) {
            Ok(by) => {
                request.extensions_mut().insert(by);
                next.run(request).await
            }
            Err(objection) => objection.into_response(),
        };
    }
    mistake(StatusCode::UNAUTHORIZED, "send the admin token as \"Authorization: Bearer TOKEN\"")
}

async fn own_origin(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match foreign(request.headers(), request.uri(), admin.loopback) {
        Some(why) => mistake(StatusCode::FORBIDDEN, &why),
        None => next.run(request).await,
    }
}

/// What the framework refuses (a wrong method, a body too large, a broken question), told as
/// everything else here is.
async fn told_as_json(response: Response) -> Response {
    let status = response.status();
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let is_told = response.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
    if is_told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let text = to_bytes(response.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => mistake(status, "\"Allow\" says what this path takes"),
        _ => mistake(status, &String::from_utf8_lossy(&text)),
    }
}

const REFUSAL_BYTES_MAX: usize = 4096;

/// Answers one request from `peer`; the router is cloned for each, which costs a reference count.
pub async fn answer(
    router: Router,
    mut request: axum::http::Request<Incoming>,
    peer: SocketAddr,
) -> Response {
    request.extensions_mut().insert(Remote(peer));
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
