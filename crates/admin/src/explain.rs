//! `POST /api/v1/explain`: what would happen to a request now, with nothing charged.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollgate_gateway::Asker;
use tollgate_wire::{Destination, Endpoint, Protocol};

use crate::objection::{Objection, mistake};
use crate::plane::Admin;

/// What somebody wants explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
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

pub(crate) async fn explain(
    State(admin): State<Admin>,
    Json(question): Json<Question>,
) -> Response {
    let mut to = match question.path.as_deref().map(|path| (path, Destination::of_path(path))) {
        Some((path, None)) => {
            return mistake(StatusCode::NOT_FOUND, &format!("there is no path {path} to explain"));
        }
        Some((_, Some(to))) => to,
        None => usual_endpoint(&admin, &question).into(),
    };
    let body = match (&question.request, &question.model) {
        (Some(request), None) => request.get().to_owned(),
        (Some(request), Some(model)) if is_named_by_path(&to) => {
            to.model = Some(model.clone());
            request.get().to_owned()
        }
        (Some(request), Some(model)) => match for_model(request, model) {
            Some(request) => request,
            None => return mistake(StatusCode::BAD_REQUEST, "the request is not a JSON object"),
        },
        (None, Some(model)) => hello(&mut to, model).to_string(),
        (None, None) => {
            return mistake(StatusCode::BAD_REQUEST, "name a model, or give a whole request");
        }
    };
    let Question { key, issuer, tier, user, ip, session, .. } = question;
    let asker = Asker { key, issuer, tier, user, ip, session };
    match admin.gateway.explain(&asker, to, &body.into()).await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(unnamed) => Objection::field(unnamed.field, unnamed.message).into_response(),
    }
}

/// Whether the path names the model, and the body does not.
fn is_named_by_path(to: &Destination) -> bool {
    to.model.is_some() || to.endpoint.protocol() == Protocol::Gemini
}

/// The least request to a model.
fn hello(to: &mut Destination, model: &str) -> Value {
    if is_named_by_path(to) {
        to.model = Some(model.to_owned());
    }
    if to.endpoint.protocol() == Protocol::Gemini {
        return json!({"contents": [{"parts": [{"text": "Hello"}]}]});
    }
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": (to.endpoint == Endpoint::Messages).then_some(1024),
    })
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
        Some(protocol) if protocol != Protocol::OpenAi => protocol.usual(),
        _ if known.input.is_some() && known.messages.is_none() => Endpoint::Responses,
        Some(_) | None => Endpoint::ChatCompletions,
    }
}

/// The same request for another model.
fn for_model(request: &RawValue, model: &str) -> Option<String> {
    let mut request: Value = serde_json::from_str(request.get()).ok()?;
    request.as_object_mut()?.insert("model".to_owned(), model.into());
    Some(request.to_string())
}
