//! `/api/v1/limits`: where limits stand, other amounts for a while, and a clean slate.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_gateway::{Gateway, RAISES_MAX, Standings, shown};
use tollgate_policy::{Measure, Watched, amount_of, parse};
use tollgate_store::Raise;
use tollgate_units::Amount;
use tollgate_wire::rfc3339;

use crate::api::{Admin, blocking, page};
use crate::by::{By, PAGE, PAGE_MAX};
use crate::fields::Fields;
use crate::objection::Objection;

type Answer = Result<Json<Value>, Objection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    subject: Option<String>,
    after: Option<String>,
    most: Option<usize>,
}

/// `GET /api/v1/limits`.
pub(crate) async fn stand(
    State(admin): State<Admin>,
    uri: Uri,
) -> Result<Json<Standings>, Objection> {
    let asked: Whose = page(&uri)?;
    let most = asked.most.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    blocking(move || {
        let (subject, after) = (asked.subject.as_deref(), asked.after.as_deref());
        Ok(Json(admin.gateway.standings(subject, after, most)))
    })
    .await
}

/// `POST /api/v1/limits`: a raise, or a reset.
pub(crate) async fn change(
    State(admin): State<Admin>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let known = ["subject", "limit", "amount", "for", "reset"];
    let fields = Fields::read(&headers, &body, &known)?;
    blocking(move || {
        let found = meters(&admin.gateway, &fields)?;
        match fields.flag("reset")? {
            Some(true) if fields.says("amount") || fields.says("for") => {
                Err(Objection::field("reset", "expected a reset, or amount and for, not both"))
            }
            Some(true) => reset(&admin.gateway, &found, &by),
            Some(false) | None => raise(&admin.gateway, &fields, &found, &by),
        }
    })
    .await
}

/// `GET /api/v1/limits/raises`.
pub(crate) async fn list(State(admin): State<Admin>) -> Json<Value> {
    let raises = admin.gateway.issued().raises(admin.gateway.clock().now());
    Json(json!({"raises": raises.iter().map(row).collect::<Vec<_>>()}))
}

/// `DELETE /api/v1/limits/raises/{id}`.
pub(crate) async fn end(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    Extension(by): Extension<By>,
) -> Answer {
    blocking(move || {
        let (issued, now) = (admin.gateway.issued(), admin.gateway.clock().now());
        let desk = issued.desk();
        let raise = issued.raises(now).into_iter().find(|raise| self::id(raise) == id);
        let raise = raise.ok_or_else(|| {
            Objection::new(StatusCode::NOT_FOUND, "nothing with that id is raised now")
        })?;
        let details = json!({"before": row(&raise), "after": null});
        desk.lower(raise.meter, &by.entry("limit.lower", &raise.subject, now, &details))?;
        Ok(Json(json!({"raise": row(&raise)})))
    })
    .await
}

/// The meters that the request speaks of: of one subject, and of the limits that read so.
fn meters(gate: &Gateway, fields: &Fields) -> Result<Vec<Watched>, Objection> {
    let (subject, limit) = (fields.required("subject")?, fields.required("limit")?);
    let found = gate.meters_of(subject);
    if found.is_empty() {
        let message = "no limit counts that; ask for key:NAME, user:NAME, team:NAME, project:NAME, \
                       org:NAME, ip:ADDRESS, tier:NAME, model:NAME, or everybody, as \
                       `tollgate limits` shows it";
        return Err(Objection::field("subject", message));
    }
    let sentence = parse(limit).map(|limit| limit.to_string());
    let has = |watched: &Watched| {
        let is_named = watched.limit.limit().name.as_deref() == Some(limit);
        is_named || sentence.as_deref() == Ok(watched.limit.sentence())
    };
    let (right, others): (Vec<_>, Vec<_>) = found.into_iter().partition(has);
    if right.is_empty() {
        let others = others.iter().map(|watched| format!("\"{}\"", watched.limit.sentence()));
        let others = others.take(SHOWN_MAX).collect::<Vec<_>>().join(", ");
        return Err(Objection::field("limit", format!("{subject} has these: {others}")));
    }
    Ok(right)
}

fn raise(gate: &Gateway, fields: &Fields, found: &[Watched], by: &By) -> Answer {
    let (text, span) = (fields.required("amount")?, fields.span("for")?);
    let span = span.ok_or_else(|| Objection::field("for", "this field is required"))?;
    if span.is_zero() {
        return Err(Objection::field("for", "expected more than nothing"));
    }
    let (subject, now) = (fields.required("subject")?, gate.clock().now());
    let desk = gate.issued().desk();
    let mut raises = Vec::new();
    for watched in found {
        let amount = amount_of(watched.limit.limit().unit, text)
            .map_err(|mistake| Objection::sentence("amount", text, &mistake))?;
        if amount > AMOUNT_MAX {
            return Err(Objection::field("amount", "expected less than 2^63"));
        }
        raises.push(Raise {
            meter: watched.charge().meter.get(),
            amount,
            until: now.plus(span),
            sentence: watched.limit.sentence().to_owned(),
            subject: subject.to_owned(),
        });
    }
    let before: Vec<_> = gate.issued().raises(now);
    if before.len() + raises.len() > RAISES_MAX {
        let message = format!("{RAISES_MAX} limits are raised, which is the most; end some");
        return Err(Objection::new(StatusCode::CONFLICT, message));
    }
    let same = |old: &&Raise| raises.iter().any(|new| new.meter == old.meter);
    let rows: Vec<_> = raises.iter().map(row).collect();
    let before: Vec<_> = before.iter().filter(same).map(row).collect();
    let details = json!({"before": before, "after": rows});
    desk.raise(&raises, &by.entry("limit.raise", subject, now, &details))?;
    Ok(Json(json!({"raises": rows})))
}

fn reset(gate: &Gateway, found: &[Watched], by: &By) -> Answer {
    let desk = gate.issued().desk();
    let mut rows = Vec::new();
    for watched in found {
        let limit = watched.limit.limit();
        if limit.measure == Measure::AtOnce {
            let message = "a limit at once counts what runs now, and has nothing to forget";
            return Err(Objection::field("limit", message));
        }
        let used = watched.look().and_then(|look| gate.meters().peek(&look).ok());
        let used = used.and_then(|(_, standings)| standings.first().map(|stands| stands.used));
        let subject = watched.subject.as_deref().unwrap_or("everybody");
        let row = |used: Amount| {
            json!({
                "subject": subject,
                "limit": watched.limit.sentence(),
                "forgotten": shown(&watched.limit, used),
            })
        };
        // Written down first: nothing is forgotten that nobody can look up.
        let details = row(used.unwrap_or_default());
        desk.note(&by.entry("limit.reset", subject, gate.clock().now(), &details))?;
        rows.push(row(gate.meters().reset(watched.charge())));
    }
    Ok(Json(json!({"reset": rows})))
}

fn row(raise: &Raise) -> Value {
    let amount = parse(&raise.sentence).map(|limit| limit.show_amount(raise.amount));
    json!({
        "id": id(raise),
        "subject": raise.subject,
        "limit": raise.sentence,
        "amount": amount.unwrap_or_else(|_| raise.amount.get().to_string()),
        "until": rfc3339(raise.until),
    })
}

fn id(raise: &Raise) -> String {
    format!("{:032x}", raise.meter)
}

/// The largest number that the registry keeps.
const AMOUNT_MAX: Amount = Amount::new(u64::MAX >> 1);
/// How many limits are listed to somebody who named none of them.
const SHOWN_MAX: usize = 20;
