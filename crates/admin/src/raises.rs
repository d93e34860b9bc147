//! `/api/v1/limits`: where limits stand, other amounts for a while, and a clean slate.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_gateway::{Found, Gateway, RAISES_MAX, Standings, Unnamed, Whose, shown};
use tollgate_policy::{Measure, amount_of, parse};
use tollgate_store::Raise;
use tollgate_units::Amount;
use tollgate_wire::rfc3339;

use crate::by::{By, PAGE, PAGE_MAX};
use crate::fields::Fields;
use crate::objection::Objection;
use crate::plane::{Admin, blocking, page};

type Answer = Result<Json<Value>, Objection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    subject: Option<String>,
    key: Option<String>,
    issuer: Option<String>,
    user: Option<String>,
    after: Option<String>,
    most: Option<usize>,
}

/// `GET /api/v1/limits`.
pub(crate) async fn stand(
    State(admin): State<Admin>,
    uri: Uri,
) -> Result<Json<Standings>, Objection> {
    let asked: Page = page(&uri)?;
    let most = asked.most.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    blocking(move || {
        let whose = Whose {
            subject: asked.subject.as_deref(),
            key: asked.key.as_deref(),
            issuer: asked.issuer.as_deref(),
            user: asked.user.as_deref(),
        };
        let standings = admin.gateway.standings(&whose, asked.after.as_deref(), most);
        Ok(Json(standings.map_err(unnamed)?))
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
    let known = ["subject", "key", "issuer", "user", "limit", "amount", "for", "reset"];
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

/// The meters that the request speaks of: of one subject of one owner, and of the limits that read
/// so, in the configuration's words or as they are raised.
fn meters(gate: &Gateway, fields: &Fields) -> Result<Vec<Found>, Objection> {
    let (subject, limit) = (fields.required("subject")?, fields.required("limit")?);
    let (key, issuer) = (fields.text("key")?, fields.text("issuer")?);
    let whose = Whose { subject: Some(subject), key, issuer, user: fields.text("user")? };
    if whose.user.is_some() && !whose.is_named() {
        return Err(Objection::field("user", "whose user is that? Say the key or the issuer too"));
    }
    let found = gate.meters_of(&whose).map_err(unnamed)?;
    if found.is_empty() {
        return Err(Objection::field("subject", UNCOUNTED));
    }
    let sentence = parse(limit).map(|limit| limit.to_string());
    let named = |found: &Found| found.watched.limit.limit().name.as_deref() == Some(limit);
    let reads = |words: &str| sentence.as_deref() == Ok(words);
    let (mut right, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|found| named(found) || reads(found.watched.configured.sentence()));
    let mut rest = Vec::new();
    for found in others {
        let is_raised_to = right.is_empty() && reads(found.watched.limit.sentence());
        if is_raised_to { &mut right } else { &mut rest }.push(found);
    }
    if right.is_empty() {
        let has = rest.iter().map(|found| format!("\"{}\"", found.watched.configured.sentence()));
        let has = has.take(SHOWN_MAX).collect::<Vec<_>>().join(", ");
        return Err(Objection::field("limit", format!("{subject} has these: {has}")));
    }
    let mut meters = std::collections::HashSet::new();
    right.retain(|found| meters.insert(found.watched.charge().meter));
    if whose.is_named() { Ok(right) } else { of_one_owner(subject, right) }
}

/// The same meters, where they are of one owner: two tenants may each have a user of one name.
fn of_one_owner(subject: &str, found: Vec<Found>) -> Result<Vec<Found>, Objection> {
    let mut owners: Vec<&Found> = Vec::new();
    for new in &found {
        if owners.iter().all(|old| old.watched.owner != new.watched.owner) {
            owners.push(new);
        }
    }
    if owners.len() < 2 {
        return Ok(found);
    }
    let owner = |found: &&Found| {
        let owner = found.watched.owner.as_deref().unwrap_or("nobody in particular");
        format!("of {owner} (key {})", found.key)
    };
    let listed = owners.iter().take(SHOWN_MAX).map(owner).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{subject} is {} different ones: {listed}; say which with the field key, or --key NAME",
        owners.len()
    );
    Err(Objection::new(StatusCode::CONFLICT, message))
}

fn unnamed(unnamed: Unnamed) -> Objection {
    Objection::field(unnamed.field, unnamed.message)
}

fn raise(gate: &Gateway, fields: &Fields, found: &[Found], by: &By) -> Answer {
    let (text, span) = (fields.required("amount")?, fields.span("for")?);
    let span = span.ok_or_else(|| Objection::field("for", "this field is required"))?;
    if span.is_zero() {
        return Err(Objection::field("for", "expected more than nothing"));
    }
    let now = gate.clock().now();
    let desk = gate.issued().desk();
    let mut raises = Vec::new();
    for Found { watched, .. } in found {
        let amount = amount_of(watched.limit.limit().unit, text)
            .map_err(|mistake| Objection::sentence("amount", text, &mistake))?;
        if amount > AMOUNT_MAX {
            return Err(Objection::field("amount", "expected less than 2^63"));
        }
        raises.push(Raise {
            meter: watched.charge().meter.get(),
            amount,
            until: now.plus(span),
            sentence: watched.configured.sentence().to_owned(),
            subject: watched.subject.as_deref().unwrap_or(EVERYBODY).to_owned(),
            owner: watched.owner.clone(),
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
    let subject = raises.first().map_or(EVERYBODY, |raise| &raise.subject);
    desk.raise(&raises, &by.entry("limit.raise", subject, now, &details))?;
    for Found { watched, .. } in found {
        gate.mark_anew(watched.charge().meter);
    }
    Ok(Json(json!({"raises": rows})))
}

fn reset(gate: &Gateway, found: &[Found], by: &By) -> Answer {
    let desk = gate.issued().desk();
    let mut rows = Vec::new();
    for Found { watched, .. } in found {
        let limit = watched.limit.limit();
        if limit.measure == Measure::AtOnce {
            let message = "a limit at once counts what runs now, and has nothing to forget";
            return Err(Objection::field("limit", message));
        }
        let used = watched.look().and_then(|look| gate.meters().peek(&look).ok());
        let used = used.and_then(|(_, standings)| standings.first().map(|stands| stands.used));
        let subject = watched.subject.as_deref().unwrap_or(EVERYBODY);
        let row = |used: Amount| {
            json!({
                "subject": subject,
                "owner": watched.owner,
                "limit": watched.configured.sentence(),
                "forgotten": shown(&watched.limit, used),
            })
        };
        // Written down first: nothing is forgotten that nobody can look up.
        let details = row(used.unwrap_or_default());
        desk.note(&by.entry("limit.reset", subject, gate.clock().now(), &details))?;
        rows.push(row(gate.meters().reset(watched.charge())));
        gate.mark_anew(watched.charge().meter);
    }
    Ok(Json(json!({"reset": rows})))
}

fn row(raise: &Raise) -> Value {
    let amount = parse(&raise.sentence).map(|limit| limit.show_amount(raise.amount));
    json!({
        "id": id(raise),
        "subject": raise.subject,
        "owner": raise.owner,
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
/// Who is counted where a limit divides among nobody.
const EVERYBODY: &str = "everybody";
/// What is right where no limit counts a subject.
const UNCOUNTED: &str = "no limit counts that; ask for key:NAME, user:NAME, team:NAME, \
     project:NAME, org:NAME, ip:ADDRESS, tier:NAME, model:NAME, or everybody, as \
     `tollgate limits` shows it; with the field key (--key NAME) for a user whom an application \
     or a proxy names and for session:NAME, with the field issuer for the callers of a JWT";
