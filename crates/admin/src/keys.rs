//! `/api/v1/keys`: make, list, show, change, rotate and revoke keys while the gateway runs.
//!
//! A change is looked at, written down and put in force while no other is; the threads that serve
//! requests wait for none of it. A secret is in the answer that makes it and nowhere else.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_gateway::{Desk, Gateway, KEYS_MAX};
use tollgate_store::IssuedKey;
use tollgate_units::{Span, Timestamp};
use tollgate_wire::rfc3339;

use crate::KeySecret;
use crate::by::{By, PAGE, PAGE_MAX};
use crate::draft::{self, CHANGEABLE};
use crate::fields::Fields;
use crate::objection::Objection;
use crate::plane::{Admin, blocking, page};

type Answer = Result<(StatusCode, Json<Value>), Objection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    after: Option<String>,
    most: Option<usize>,
    team: Option<String>,
    tier: Option<String>,
}

/// `GET /api/v1/keys`.
pub(crate) async fn list(State(admin): State<Admin>, uri: Uri) -> Answer {
    let wanted: Wanted = page(&uri)?;
    let most = wanted.most.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    blocking(move || {
        let is = |asked: &Option<String>, value: Option<&str>| {
            asked.as_deref().is_none_or(|asked| Some(asked) == value)
        };
        let is_wanted = |key: &IssuedKey| {
            is(&wanted.team, key.team.as_deref()) && is(&wanted.tier, Some(&key.tier))
        };
        let issued = admin.gateway.issued();
        let mut keys = issued.page(wanted.after.as_deref(), most + 1, is_wanted);
        let has_more = keys.len() > most;
        keys.truncate(most);
        let next = keys.last().filter(|_| has_more).map(|key| key.name.clone());
        let keys: Vec<_> = keys.iter().map(|key| shown(&admin.gateway, key)).collect();
        Ok((StatusCode::OK, Json(json!({"keys": keys, "next": next}))))
    })
    .await
}

/// `GET /api/v1/keys/{name}`.
pub(crate) async fn show(State(admin): State<Admin>, Path(name): Path<String>) -> Answer {
    let key = known(&admin.gateway, &name)?;
    Ok((StatusCode::OK, Json(json!({"key": shown(&admin.gateway, &key)}))))
}

/// `POST /api/v1/keys`.
pub(crate) async fn create(
    State(admin): State<Admin>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let known = [&["name"][..], &CHANGEABLE].concat();
    let fields = Fields::read(&headers, &body, &known)?;
    blocking(move || {
        let gate = &admin.gateway;
        let (name, now, secret) = (draft::name(&fields)?, gate.clock().now(), fresh()?);
        fields.required("tier")?;
        let mut key = blank(&name, &secret, now);
        draft::apply(&fields, &mut key, &gate.live().policy, now)?;
        let desk = gate.issued().desk();
        vacant(gate, &desk, &name)?;
        let details = json!({"before": null, "after": shown(gate, &key)});
        desk.put(key.clone(), &by.entry("key.create", &name, now, &details))?;
        Ok((StatusCode::CREATED, told(gate, &key, &secret)))
    })
    .await
}

/// `PATCH /api/v1/keys/{name}`.
pub(crate) async fn update(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let fields = Fields::read(&headers, &body, &CHANGEABLE)?;
    blocking(move || {
        let (gate, now) = (&admin.gateway, admin.gateway.clock().now());
        let desk = gate.issued().desk();
        let mut key = usable(gate, &name)?;
        let before = shown(gate, &key);
        draft::apply(&fields, &mut key, &gate.live().policy, now)?;
        let details = json!({"before": before, "after": shown(gate, &key)});
        desk.put(key.clone(), &by.entry("key.update", &name, now, &details))?;
        Ok((StatusCode::OK, Json(json!({"key": shown(gate, &key)}))))
    })
    .await
}

/// `POST /api/v1/keys/{name}/rotate`.
pub(crate) async fn rotate(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let fields = Fields::read(&headers, &body, &["grace"])?;
    let grace = fields.span("grace")?.unwrap_or(GRACE);
    blocking(move || {
        let (gate, now, secret) = (&admin.gateway, admin.gateway.clock().now(), fresh()?);
        let desk = gate.issued().desk();
        let former = usable(gate, &name)?;
        let key = IssuedKey {
            digest: *secret.digest().as_bytes(),
            previous: (!grace.is_zero()).then(|| (former.digest, now.plus(grace))),
            hint: secret.hint(),
            ..former.clone()
        };
        let details = json!({"before": shown(gate, &former), "after": shown(gate, &key)});
        desk.put(key.clone(), &by.entry("key.rotate", &name, now, &details))?;
        Ok((StatusCode::OK, told(gate, &key, &secret)))
    })
    .await
}

/// `DELETE /api/v1/keys/{name}`. Done again, it changes nothing.
pub(crate) async fn revoke(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Extension(by): Extension<By>,
) -> Answer {
    blocking(move || {
        let (gate, now) = (&admin.gateway, admin.gateway.clock().now());
        let desk = gate.issued().desk();
        let former = known(gate, &name)?;
        if former.revoked_at.is_some() {
            return Ok((StatusCode::OK, Json(json!({"key": shown(gate, &former)}))));
        }
        let key = IssuedKey { revoked_at: Some(now), previous: None, ..former.clone() };
        let details = json!({"before": shown(gate, &former), "after": shown(gate, &key)});
        desk.put(key.clone(), &by.entry("key.revoke", &name, now, &details))?;
        Ok((StatusCode::OK, Json(json!({"key": shown(gate, &key)}))))
    })
    .await
}

fn fresh() -> Result<KeySecret, Objection> {
    KeySecret::random().map_err(|error| {
        Objection::new(StatusCode::SERVICE_UNAVAILABLE, format!("no random bytes: {error}"))
    })
}

fn blank(name: &str, secret: &KeySecret, now: Timestamp) -> IssuedKey {
    IssuedKey {
        name: name.to_owned(),
        digest: *secret.digest().as_bytes(),
        previous: None,
        hint: secret.hint(),
        tier: String::new(),
        team: None,
        user: None,
        project: None,
        org: None,
        limits: Vec::new(),
        models: None,
        trust_user: false,
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}

/// Sees that there is room for a key of that name. A name stays taken after a revocation: what it
/// has used and what was done with it are found by it.
fn vacant(gate: &Gateway, desk: &Desk<'_>, name: &str) -> Result<(), Objection> {
    let conflict = |message: String| Err(Objection::new(StatusCode::CONFLICT, message));
    if gate.live().policy.lists(name) {
        return conflict(format!("the configuration has a key called {name}; name it otherwise"));
    }
    match gate.issued().key(name) {
        Some(key) if key.revoked_at.is_some() => conflict(format!(
            "there was a key called {name}, which is revoked; names are not used twice"
        )),
        Some(_) => conflict(format!("there is a key called {name}; rotate it, or name another")),
        None if desk.count() >= KEYS_MAX => {
            conflict(format!("there are {KEYS_MAX} keys, which is the most"))
        }
        None => Ok(()),
    }
}

fn known(gate: &Gateway, name: &str) -> Result<IssuedKey, Objection> {
    gate.issued().key(name).ok_or_else(|| {
        if gate.live().policy.lists(name) {
            let message = format!("{name} is a key of the configuration: change it there");
            return Objection::new(StatusCode::CONFLICT, message);
        }
        Objection::new(StatusCode::NOT_FOUND, "no key of that name was issued")
    })
}

fn usable(gate: &Gateway, name: &str) -> Result<IssuedKey, Objection> {
    let key = known(gate, name)?;
    if key.revoked_at.is_some() {
        let message = format!("{name} is revoked, which is for ever; make another key");
        return Err(Objection::new(StatusCode::CONFLICT, message));
    }
    Ok(key)
}

fn told(gate: &Arc<Gateway>, key: &IssuedKey, secret: &KeySecret) -> Json<Value> {
    Json(json!({"secret": secret.expose(), "key": shown(gate, key)}))
}

/// A key as everybody with the token may see it: neither its secret nor a digest of it.
fn shown(gate: &Gateway, key: &IssuedKey) -> Value {
    let at = |at: Option<Timestamp>| at.map(rfc3339);
    let now = gate.clock().now();
    let previous = key.previous.map(|(_, until)| until).filter(|until| now < *until);
    json!({
        "name": key.name,
        "hint": key.hint,
        "state": gate.state_of(key, now).label(),
        "tier": key.tier,
        "team": key.team,
        "user": key.user,
        "project": key.project,
        "org": key.org,
        "limits": key.limits,
        "models": key.models,
        "trust_user": key.trust_user,
        "created_at": rfc3339(key.created_at),
        "expires_at": at(key.expires_at),
        "revoked_at": at(key.revoked_at),
        "previous_until": at(previous),
    })
}

/// How long the former secret is taken beside the new one, where nobody says.
const GRACE: Span = Span::from_secs(24 * 60 * 60);
