//! The paths of the admin plane.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollgate_gateway::{Asker, Gateway, foreign, telemetry};
use tollgate_wire::{Endpoint, Protocol};
use tower::ServiceExt;

use crate::by::{By, Remote};
use crate::config::Configuration;
use crate::objection::Objection;
use crate::{Token, by, config, keys, openapi, raises};

/// What the admin plane asks, and what opens it.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The gateway in question.
    pub gateway: Arc<Gateway>,
    /// What opens everything but the health checks.
    pub token: Token,
    /// Whether the listener is on loopback, where a foreign `Host` is refused.
    pub loopback: bool,
    /// Where the gateway's configuration can be asked for and read again.
    pub configuration: Option<Arc<dyn Configuration>>,
}

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

/// What somebody wants explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The key's name, or the JWT's for its caller; absent for an anonymous caller.
    key: Option<String>,
    /// The issuer of a JWT.
    issuer: Option<String>,
    /// The JWT's tier.
    tier: Option<String>,
    /// The user that the request names.
    user: Option<String>,
    /// The caller's address; absent for loopback.
    ip: Option<std::net::IpAddr>,
    /// The session that the request belongs to.
    session: Option<String>,
    /// The model: where no request is given, or in the place of the one that it names.
    model: Option<String>,
    /// The path of the request.
    path: Option<String>,
    /// The request, as it would be sent.
    request: Option<Box<RawValue>>,
}

async fn explain(State(admin): State<Admin>, Json(question): Json<Question>) -> Response {
    let endpoint = match question.path.as_deref().map(|path| (path, Endpoint::of_path(path))) {
        Some((path, None)) => {
            return mistake(StatusCode::NOT_FOUND, &format!("there is no path {path} to explain"));
        }
        Some((_, Some(endpoint))) => endpoint,
        None => usual_endpoint(&admin, &question),
    };
    let body = match (&question.request, &question.model) {
        (Some(request), None) => request.get().to_owned(),
        (Some(request), Some(model)) => match for_model(request, model) {
            Some(request) => request,
            None => return mistake(StatusCode::BAD_REQUEST, "the request is not a JSON object"),
        },
        (None, Some(model)) => json!({
            "model": model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": (endpoint == Endpoint::Messages).then_some(1024),
        })
        .to_string(),
        (None, None) => {
            return mistake(StatusCode::BAD_REQUEST, "name a model, or give a whole request");
        }
    };
    let Question { key, issuer, tier, user, ip, session, .. } = question;
    let asker = Asker { key, issuer, tier, user, ip, session };
    match admin.gateway.explain(&asker, endpoint, &body.into()).await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(unnamed) => Objection::field(unnamed.field, unnamed.message).into_response(),
    }
}

/// Where the model in question is usually asked for.
fn usual_endpoint(admin: &Admin, question: &Question) -> Endpoint {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Known {
        model: Option<String>,
        input: Option<IgnoredAny>,
        messages: Option<IgnoredAny>,
    }
    let request = question.request.as_deref();
    let known: Option<Known> = request.and_then(|it| serde_json::from_str(it.get()).ok());
    let known = known.unwrap_or_default();
    let live = admin.gateway.live();
    let model = question.model.as_ref().or(known.model.as_ref());
    match model.and_then(|model| live.policy.protocol_of(model)) {
        Some(Protocol::Anthropic) => Endpoint::Messages,
        _ if known.input.is_some() && known.messages.is_none() => Endpoint::Responses,
        Some(Protocol::OpenAi) | None => Endpoint::ChatCompletions,
    }
}

/// The same request for another model.
fn for_model(request: &RawValue, model: &str) -> Option<String> {
    let mut request: Value = serde_json::from_str(request.get()).ok()?;
    request.as_object_mut()?.insert("model".to_owned(), model.into());
    Some(request.to_string())
}

/// The usual bound of a body (`max_body`), and room around it.
const QUESTION_BYTES_MAX: usize = 33 * 1024 * 1024;

/// More than any change needs.
const CHANGE_BYTES_MAX: usize = 64 * 1024;

async fn unknown() -> Response {
    mistake(StatusCode::NOT_FOUND, "there is nothing at this path of the admin plane")
}

/// What the query of `uri` asks for.
pub(crate) fn page<T: DeserializeOwned>(uri: &Uri) -> Result<T, Objection> {
    match Query::try_from_uri(uri) {
        Ok(Query(asked)) => Ok(asked),
        Err(error) => Err(Objection::new(StatusCode::BAD_REQUEST, error.body_text())),
    }
}

/// Does what waits for the disk, or looks at many keys, away from the threads that serve requests.
/// It is done to its end even where nobody waits for the answer any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Objection> + Send + 'static,
) -> Result<T, Objection> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = format!("what was asked for broke off: {error}");
        Err(Objection::new(StatusCode::INTERNAL_SERVER_ERROR, message))
    })
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

fn mistake(status: StatusCode, message: &str) -> Response {
    Objection::new(status, message).into_response()
}

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
