//! What the provider keeps between requests, by account: whoever has the account's key may have it.
//!
//! That is how real ones are, and why a gateway that many share has to say whose each thing is: a
//! leak in it shows here as an answer that it should never have asked for. Ids are told apart by
//! the number of the request that made them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::asked::{Asked, Endpoint, Keeping, Tongue};
use super::fault::{INVALID, ORGANISATION, error, in_tongue};
use super::pace::{Pace, Step};
use super::paths::usual;
use super::script::Act;
use super::turn::Turn;

/// Everything that is kept.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<String, Account>>);

#[derive(Default)]
struct Account {
    things: HashSet<String>,
    responses: HashMap<String, Work>,
}

/// A response, and how often it is still found unfinished.
struct Work {
    whole: Value,
    looks: Arc<AtomicU64>,
    turn: Turn,
    act: Act,
}

/// The steps of a stream.
pub(super) type Steps = Box<dyn Iterator<Item = Step> + Send>;

impl Kept {
    /// Keeps what the answer to `asked` makes.
    pub(super) fn keep(&self, asked: &Asked, act: &Act, turn: &Turn) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(name_of(&asked.headers)).or_default();
        let number = turn.number;
        if act.stores {
            let made = ["audio", "cfile", "ci", "cntr", "conv", "container", "file"];
            account.things.extend(made.map(|kind| format!("{kind}_sim{number:06}")));
        }
        if asked.endpoint == Endpoint::Responses && asked.keeping != Keeping::NotKept {
            let id = format!("resp_sim{number:06}");
            account.things.extend([id.clone(), format!("msg_sim{number:06}")]);
            let mut whole = turn.whole_in_json();
            if act.work_fails {
                whole["status"] = "failed".into();
                let message = format!("Something broke in organization {ORGANISATION}.");
                whole["error"] = json!({"code": "server_error", "message": message});
                whole["output"] = json!([]);
                whole["usage"] = Value::Null;
            }
            let is_work = asked.keeping == Keeping::Background;
            let looks = if is_work { act.work_looks } else { 0 };
            let looks = Arc::new(AtomicU64::new(looks));
            let act = Act { fault: None, ..act.clone() };
            account.responses.insert(id, Work { whole, looks, turn: turn.clone(), act });
        }
    }

    /// The refusal of a request that names what its account does not have.
    pub(super) fn missing(&self, asked: &Asked) -> Option<(StatusCode, String)> {
        let body: Value = serde_json::from_slice(&asked.body).ok()?;
        let mut named = Vec::new();
        names(&body, &mut named);
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.get(&name_of(&asked.headers));
        let has = |id: &String| account.is_some_and(|account| account.things.contains(id));
        let missing = named.iter().find(|id| !has(id))?;
        let message = format!("Nothing with id '{missing}' found.");
        let tongue = asked.endpoint.tongue();
        let kind = if tongue == Tongue::Anthropic { "not_found_error" } else { INVALID };
        let told = in_tongue(tongue, 404, kind, &message);
        Some((StatusCode::NOT_FOUND, told.to_string()))
    }

    /// The stream of a stored response, with how many bytes go out at a time: its events after the
    /// one that is named, paced as they were at first. Nothing where no stream is asked for.
    pub(super) fn replay(&self, request: &Request<Incoming>) -> Option<(Steps, Option<usize>)> {
        let id = usual(request.uri().path());
        let id = id.strip_prefix("/v1/responses/")?;
        let query = request.uri().query().filter(|_| request.method() == Method::GET)?;
        let said = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(said, _)| *said == name).map(|(_, value)| value).next_back()
        };
        said("stream").filter(|value| *value == "true")?;
        let after = said("starting_after").and_then(|value| value.parse::<usize>().ok());
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let work = accounts.get(&name_of(request.headers()))?.responses.get(id)?;
        let events = work.turn.events()?.skip(after.map_or(0, |after| after + 1));
        let paced = Pace::streamed(Box::new(events), &work.turn, &work.act);
        let looks = work.looks.clone();
        // Whoever has read it to its end has seen the work done.
        let end = core::iter::from_fn(move || {
            looks.store(0, Ordering::Relaxed);
            None
        });
        Some((Box::new(paced.chain(end)), work.act.packet))
    }

    /// Answers what is asked of a stored response; nothing where the path is another.
    pub(super) fn serve(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, Value)> {
        let path = usual(path);
        let rest = path.strip_prefix("/v1/responses/")?;
        let (id, act) = rest.split_once('/').unwrap_or((rest, ""));
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(name_of(headers)).or_default();
        let Some(work) = account.responses.get_mut(id) else {
            let message = format!("Response with id '{id}' not found.");
            return Some((StatusCode::NOT_FOUND, error(&message, INVALID, None)));
        };
        let body = match (method, act) {
            (&Method::GET, "") => work.look(),
            (&Method::GET, "input_items") => json!({"object": "list", "data": []}),
            (&Method::POST, "cancel") => work.cancel(),
            (&Method::DELETE, "") => {
                account.responses.remove(id);
                account.things.remove(id);
                json!({"id": id, "object": "response", "deleted": true})
            }
            _ => return None,
        };
        Some((StatusCode::OK, body))
    }
}

impl Work {
    fn look(&self) -> Value {
        let one_less = |looks: u64| looks.checked_sub(1);
        if self.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            return self.whole.clone();
        }
        begun(&self.whole, "in_progress")
    }

    /// What was generated by then is billed: here always half.
    fn cancel(&mut self) -> Value {
        if self.looks.swap(0, Ordering::Relaxed) > 0 {
            self.whole["status"] = "cancelled".into();
            self.whole["output"] = json!([]);
            let half = self.whole["usage"]["output_tokens"].as_u64().unwrap_or_default() / 2;
            if self.whole["usage"].is_object() {
                let input = self.whole["usage"]["input_tokens"].as_u64().unwrap_or_default();
                self.whole["usage"]["output_tokens"] = half.into();
                self.whole["usage"]["total_tokens"] = (input + half).into();
            }
        }
        self.whole.clone()
    }
}

/// The answer to a request for work in the background, as long as it has not ended.
pub(super) fn begun(whole: &Value, status: &str) -> Value {
    let mut body = whole.clone();
    body["status"] = status.into();
    body["output"] = json!([]);
    body["usage"] = Value::Null;
    body["background"] = true.into();
    body
}

/// Every id that a body names, wherever it stands: read loosely, as a provider may.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(members) => {
            let is_reference = value["type"] == "item_reference" || value["type"] == "reasoning";
            // What a caller notes for itself, or a model wrote into a call, names nothing.
            let of_a_call = value["type"] == "tool_use";
            let counts = |key: &str| key != "metadata" && !(of_a_call && key == "input");
            for (key, inner) in members.iter().filter(|(key, _)| counts(key)) {
                let one = match key.as_str() {
                    "previous_response_id" | "container_id" | "file_id" => inner.as_str(),
                    "container" | "conversation" | "audio" => {
                        inner.as_str().or_else(|| inner["id"].as_str())
                    }
                    "id" if is_reference => inner.as_str(),
                    _ => None,
                };
                found.extend(one.map(str::to_owned));
                if key == "file_ids" {
                    let ids = inner.as_array().into_iter().flatten();
                    found.extend(ids.filter_map(Value::as_str).map(str::to_owned));
                }
                names(inner, found);
            }
        }
        _ => {}
    }
}

/// An account is whoever has its key.
fn name_of(headers: &HeaderMap) -> String {
    let others = ["x-api-key", "api-key", "x-goog-api-key"];
    let other = || others.iter().find_map(|name| headers.get(*name));
    let said = headers.get(AUTHORIZATION).or_else(other);
    let text = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.strip_prefix("Bearer ").unwrap_or(text).to_owned()
}
