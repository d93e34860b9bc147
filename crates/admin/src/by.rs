//! Who changes something, and the log of it.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_store::{Audited, Entry};
use tollgate_units::Timestamp;
use tollgate_wire::rfc3339;

use crate::objection::Objection;
use crate::plane::{Admin, blocking, page};

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Who asks, as far as can be said of somebody who has the token.
#[derive(Clone, Debug)]
pub(crate) struct By {
    actor: Option<String>,
    token: String,
    remote: String,
}

impl By {
    /// Who sends a request with these headers, from `remote`, to somebody whose token has this
    /// fingerprint.
    pub(crate) fn of(
        headers: &HeaderMap,
        remote: Option<&Remote>,
        token: String,
    ) -> Result<Self, Objection> {
        let actor = headers.get(ACTOR).map(|value| {
            let name = value.to_str().ok().map(str::trim).filter(|name| !name.is_empty());
            name.filter(|name| name.len() <= ACTOR_BYTES_MAX).map(str::to_owned).ok_or_else(|| {
                let message = format!("{ACTOR}: expected 1 to {ACTOR_BYTES_MAX} ASCII characters");
                Objection::new(StatusCode::BAD_REQUEST, message)
            })
        });
        let remote = remote.map_or_else(|| "unknown".to_owned(), |remote| remote.0.to_string());
        Ok(Self { actor: actor.transpose()?, token, remote })
    }

    /// A line of the audit log, which is logged as well. `details` holds no secret.
    pub(crate) fn entry(
        &self,
        action: &str,
        target: &str,
        at: Timestamp,
        details: &Value,
    ) -> Entry {
        let Self { actor, token, remote } = self.clone();
        tracing::info!(
            action,
            target = target,
            actor = actor.as_deref().unwrap_or("-"),
            token = %token,
            remote = %remote,
            "a change through the admin API"
        );
        let (action, target, details) = (action.to_owned(), target.to_owned(), details.to_string());
        Entry { at, actor, token, remote, action, target, details }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<u64>,
    most: Option<usize>,
}

/// `GET /api/v1/audit`: who changed what, the latest first.
pub(crate) async fn audit(State(admin): State<Admin>, uri: Uri) -> Result<Json<Value>, Objection> {
    let asked: Page = page(&uri)?;
    let most = asked.most.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    blocking(move || {
        let lines = admin.gateway.issued().audit(asked.before, most)?;
        let next = lines.last().filter(|line| lines.len() == most && line.seq > 1);
        let next = next.map(|line| line.seq);
        let lines: Vec<_> = lines.iter().map(shown).collect();
        Ok(Json(json!({"audit": lines, "next": next})))
    })
    .await
}

fn shown(line: &Audited) -> Value {
    let entry = &line.entry;
    json!({
        "seq": line.seq,
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "token": entry.token,
        "remote": entry.remote,
        "action": entry.action,
        "target": entry.target,
        "details": serde_json::from_str::<Value>(&entry.details).unwrap_or_default(),
    })
}

const ACTOR: &str = "x-tollgate-actor";
const ACTOR_BYTES_MAX: usize = 128;
/// How many lines or keys a page has where nobody says, and at most.
pub(crate) const PAGE: usize = 100;
pub(crate) const PAGE_MAX: usize = 1000;
