//! What a caller may look at: its models, its limits. Authenticated, and charged nothing.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tollgate_limits::Standing;
use tollgate_policy::{AmountInJson, BoundLimit, Caller, Refusal, Shown, Watched};
use tollgate_units::{Amount, Span};
use tollgate_wire::{Protocol, model_json, models_json, rfc3339};

use crate::answer::{self, Outgoing, json, render};
use crate::gate::Gateway;
use crate::identify::Inbound;
use crate::sessions::join;

/// The path of one model, up to its name.
pub(crate) const ONE: &str = "/v1/models/";

/// `GET /v1/models`: the models this caller may use, and nothing else.
pub(crate) fn list(caller: &Caller, inbound: &Inbound) -> Response<Outgoing> {
    answered(&models_json(inbound.protocol(), &caller.models()))
}

/// `GET /v1/models/{id}`.
pub(crate) fn one(caller: &Caller, inbound: &Inbound) -> Response<Outgoing> {
    let name = inbound.parts.uri.path().strip_prefix(ONE).unwrap_or_default();
    if caller.models().contains(&name) {
        return answered(&model_json(inbound.protocol(), name));
    }
    let refusal = Refusal::ModelNotFound { model: name.to_owned() };
    render(inbound.protocol(), &refusal.notice(inbound.request_id.clone(), Span::ZERO))
}

/// `GET /v1/limits`: what applies to this caller, as far as it concerns nobody else.
pub(crate) fn limits(gate: &Gateway, inbound: &Inbound, caller: &Caller) -> Response<Outgoing> {
    let caller = match join(gate, inbound, caller.clone(), None) {
        Ok(caller) => caller,
        Err(unread) => return render(inbound.protocol(), &unread.notice(inbound)),
    };
    let rows = rows(gate, &caller, true);
    answered(&serde_json::json!({"limits": rows}))
}

/// One limit and where its meter stands.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The limit in the operator's words.
    pub limit: String,
    /// Whom it counts here, or whose it is where it counts all of them together; nothing for
    /// everybody.
    pub subject: Option<String>,
    /// Whose the subject's name is and whose the limit: for the operator, who sees many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it counts.
    pub unit: &'static str,
    /// How much it allows.
    pub amount: serde_json::Value,
    /// What is used and settled.
    pub used: serde_json::Value,
    /// What is reserved and not yet settled.
    pub held: serde_json::Value,
    /// What is left.
    pub remaining: serde_json::Value,
    /// When all of it is back (RFC 3339); nothing for limits at once.
    pub resets_at: Option<String>,
    /// Until when the amount is another than the configuration's (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raised_until: Option<String>,
    /// The limit in the configuration's words, where it is raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raised_from: Option<String>,
}

/// The limits on `caller` and where they stand; with `own_only`, those that count nobody else.
pub(crate) fn rows(gate: &Gateway, caller: &Caller, own_only: bool) -> Vec<Row> {
    let now = gate.clock().now();
    let watched = caller.watched(own_only, now);
    let rows = watched.iter().filter_map(|watched| seen(gate, watched));
    rows.map(|row| Row { owner: row.owner.filter(|_| !own_only), ..row }).collect()
}

/// One limit and where its meter stands now.
pub(crate) fn seen(gate: &Gateway, watched: &Watched) -> Option<Row> {
    Some(Row { owner: watched.owner.clone(), ..row(watched, look(gate, watched)?) })
}

fn look(gate: &Gateway, watched: &Watched) -> Option<Standing> {
    let (_, standings) = gate.meters.peek(&watched.look()?).ok()?;
    standings.first().copied()
}

fn row(watched: &Watched, standing: Standing) -> Row {
    let limit = watched.limit.limit();
    let show = |amount| shown(&watched.limit, amount);
    Row {
        limit: watched.limit.sentence().to_owned(),
        subject: watched.subject.clone(),
        owner: None,
        unit: limit.unit.label(),
        amount: show(limit.most()),
        used: show(standing.used),
        held: show(standing.held),
        remaining: show(standing.left),
        resets_at: watched.limit.resets().then(|| rfc3339(standing.resets_at)),
        raised_until: watched.raised_until.map(rfc3339),
        raised_from: watched.raised_until.map(|_| watched.configured.sentence().to_owned()),
    }
}

/// An amount as JSON shows it.
pub fn shown(limit: &BoundLimit, amount: Amount) -> serde_json::Value {
    match limit.amount_in_json(amount) {
        AmountInJson::Count(count) => count.into(),
        AmountInJson::Money(money) => money.to_string().trim_start_matches('$').into(),
    }
}

/// Tells the caller where it stands, on an answer that was not decided by its limits.
pub(crate) fn stand(gate: &Gateway, protocol: Protocol, caller: &Caller, headers: &mut HeaderMap) {
    let now = gate.clock().now();
    let watched = caller.watched(true, now);
    let looked: Vec<_> =
        watched.iter().filter_map(|watched| Some((watched, look(gate, watched)?))).collect();
    let shown = looked
        .iter()
        .map(|(watched, standing)| Shown { limit: &watched.limit, standing: *standing });
    answer::stand(headers, protocol, shown, now);
}

fn answered(body: &serde_json::Value) -> Response<Outgoing> {
    json(StatusCode::OK, Bytes::from(body.to_string()))
}
