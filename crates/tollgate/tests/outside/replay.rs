//! A trace through the real binary: the scripted provider behind it, the callers before it, and a
//! ledger of both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tollgate_sim::provider::{Asked, End, Seen};
use tollgate_sim::{Act, Provider, Script};
use tollgate_units::Tokens;

use super::caller::{Caller, whole};
use super::ledger::{Fate, Ledger};
use super::process::Process;
use super::report::{Report, sum_of};
use super::traffic::{ADMIN_TOKEN, EVERYONE, Plan, Row, secret};

/// Replays `plan` through `binary`, whose files go to `directory`.
pub(crate) async fn replay(binary: &Path, directory: &Path, plan: &Plan) -> Result<Report, String> {
    let rows = Arc::new(plan.rows());
    let limits = plan.limits(&rows);
    let ledger = Arc::new(Ledger::new(rows.iter().map(|row| row.caller)));
    let provider = Provider::start(script(&rows, &ledger)).await.map_err(|e| e.to_string())?;
    let config = directory.join("tollgate.yaml");
    std::fs::write(&config, plan.config(&limits, &provider.base_url(), directory))
        .map_err(|error| format!("{}: {error}", config.display()))?;
    let gateway = Process::start(binary, &config, &[]).await?;
    drive(&gateway.listen, &rows, &ledger).await;
    let records = ledger.records().clone();
    let answered = records.iter().filter(|one| one.fate == Fate::Answered).count();
    let metrics = settled(&gateway.admin, answered).await?;
    gateway.signal(Signal::TERM)?;
    let (status, said) = gateway.ended().await?;
    if !status.success() {
        return Err(format!("it ended with {status}: {said}"));
    }
    Ok(Report { name: plan.name.clone(), limits, window: plan.window, rows, records, metrics })
}

/// The provider answers each row as the trace says, and writes down when it did.
fn script(rows: &Arc<Vec<Row>>, ledger: &Arc<Ledger>) -> Script {
    let (asked_rows, asked_in) = (rows.clone(), ledger.clone());
    let ended_in = ledger.clone();
    let act = move |asked: &Asked| {
        let number = number_of(asked.user.as_deref());
        let Some((number, row)) = number.and_then(|at| Some((at, asked_rows.get(at)?))) else {
            return Act::default();
        };
        asked_in.note(number, |record| {
            record.received = Some(asked_in.now());
            // Without a cap nothing bounds the request, and the checks say so.
            record.cap = asked.cap.map_or(u64::MAX, Tokens::get);
            record.bound = row.input.saturating_add(record.cap);
        });
        Act {
            first_byte: row.takes,
            prompt_tokens: Some(Tokens::new(row.reported())),
            ..Act::tokens(row.output)
        }
    };
    let on_end = move |seen: &Seen| {
        let Some(number) = number_of(seen.user.as_deref()) else { return };
        ended_in.note(number, |record| {
            record.output = seen.output_tokens.get();
            record.used = seen.prompt_tokens.get() + record.output;
            // Who was cut off is never said to have ended: nothing is known of its settlement.
            record.ended = (seen.end == End::Done).then(|| ended_in.now());
        });
    };
    Script::by(act).on_end(on_end).forgetting()
}

/// Sends every row at its time, whatever became of those before.
async fn drive(base: &str, rows: &Arc<Vec<Row>>, ledger: &Arc<Ledger>) {
    let caller = Caller::new(base, "");
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..rows.len() {
        let at = rows.get(number).map_or(0, |row| row.at.as_millis());
        sleep_until(begun + Duration::from_millis(at)).await;
        calls.spawn(call(caller.clone(), rows.clone(), number, ledger.clone()));
    }
    calls.join_all().await;
}

async fn call(caller: Caller, rows: Arc<Vec<Row>>, number: usize, ledger: Arc<Ledger>) {
    let Some(row) = rows.get(number) else { return };
    let (caller, body) = (caller.with_key(&secret(row.caller)), row.body(number));
    ledger.note(number, |record| record.sent = ledger.now());
    let answer = match caller.chat(&body).await {
        Ok(answer) => whole(answer).await,
        Err(broken) => Err(broken),
    };
    let (fate, lost) = match answer {
        Err(broken) => (Fate::Lost, Some(broken.to_string())),
        Ok(answer) => match answer.status.as_u16() {
            200 => (Fate::Answered, None),
            429 => (Fate::Refused { by_everyone: names_everyone(&answer.json()) }, None),
            status => (Fate::Lost, Some(format!("{status}: {}", answer.text()))),
        },
    };
    ledger.note(number, |record| (record.fate, record.lost) = (fate, lost));
}

fn names_everyone(refused: &Value) -> bool {
    let names = refused["error"]["tollgate"]["refused_by"].as_array();
    names.is_some_and(|names| names.iter().any(|name| name == EVERYONE))
}

fn number_of(user: Option<&str>) -> Option<usize> {
    user?.parse().ok()
}

/// The metrics, once everything that was answered is settled: bodies end at the caller a moment
/// before they are booked.
async fn settled(admin: &str, answered: usize) -> Result<String, String> {
    let operator = Caller::new(admin, ADMIN_TOKEN);
    let looked = async {
        loop {
            let page = operator.get("/metrics").await.map_err(|broken| broken.to_string())?;
            let page = page.text();
            let settlements = sum_of(&page, "tollgate_settlements_total");
            if sum_of(&page, "tollgate_reservations_held") == 0.0
                && settlements.round() as usize >= answered
            {
                return Ok(page);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.map_err(|_| "it never settles".to_owned())?
}

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_mins(1);
