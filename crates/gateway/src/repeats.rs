//! Answers that are given again: found before a provider is asked, or when none answers, and kept
//! when one has.
//!
//! An answer is found by what its request means and by whom it is for: both are in the hash, and
//! the scope is in the store's key besides, so that no answer crosses from one scope into another.
//! Callers without a key are nobody, and have none. A request that the gateway has changed in its
//! meaning (another model, no tools) is neither found nor kept; the output cap that it was given is
//! part of what was asked.
//! When it is wrong: a model's name that leads elsewhere since a reload is answered from where it
//! led before, for as long as answers are good.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tollgate_policy::CacheUse;
use tollgate_store::{ANSWER_BYTES_MAX, AnswerKey, Answers, Found, Kept};
use tollgate_units::Tokens;
use tollgate_wire::{Repeat, Usage, normal_form};

use crate::admit::Admitted;
use crate::answer::Outgoing;
use crate::gate::Gateway;
use crate::identify::Inbound;
use crate::telemetry::Cached;

/// Under what an answer to this request is found and kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeatable {
    key: AnswerKey,
    /// Whether it may be given though a provider could be asked.
    always: bool,
    /// The output cap that is part of what is asked.
    cap: Option<Tokens>,
}

/// An answer that is being kept while it goes by, as the caller gets it.
#[derive(Debug)]
pub(crate) struct Keeping {
    answers: Arc<Answers>,
    key: AnswerKey,
    content_type: String,
    model: String,
    body: BytesMut,
    usage: Option<(Tokens, Tokens)>,
    is_too_long: bool,
}

/// Whether an answer to this admitted request may be given again, and what it is found by.
pub(crate) async fn repeatable(
    gate: &Gateway,
    inbound: &Inbound,
    admitted: &Admitted,
    body: &Bytes,
) -> Option<Repeatable> {
    gate.answers.as_ref()?;
    let cache = inbound.live.cache?;
    let (plan, candidate) = (&admitted.plan, admitted.candidate());
    if candidate.without_tools() || plan.is_stripped() || plan.downgraded_from().is_some() {
        return None;
    }
    let repeat = Repeat::of(plan.ask(), body);
    let always = match (repeat, cache.used) {
        (Repeat::Never, _) => return None,
        (Repeat::Always, CacheUse::Always) => true,
        (Repeat::Always | Repeat::IfError, _) => false,
    };
    let scope = plan.caller().cache_scope(cache.scope)?;
    let cap = plan.cap_set(candidate, admitted.output());
    let (ask, headers) = (plan.ask(), &inbound.parts.headers);
    let form = if body.len() <= FORM_HERE {
        normal_form(ask, body, headers)
    } else {
        let (ask, headers, body) = (ask.clone(), headers.clone(), body.clone());
        let form = move || normal_form(&ask, &body, &headers);
        gate.scales.aside(form).await.ok().flatten()
    };
    Some(Repeatable { key: key(scope, cap, &form?), always, cap })
}

/// The key of a form, within a scope.
fn key(scope: u128, cap: Option<Tokens>, form: &[u8]) -> AnswerKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&scope.to_be_bytes());
    hasher.update(&cap.map_or(u64::MAX, Tokens::get).to_be_bytes());
    hasher.update(form);
    AnswerKey { scope, request: *hasher.finalize().as_bytes() }
}

impl Repeatable {
    /// The answer that may be given now, though a provider could be asked: as good as new.
    pub(crate) async fn fresh(&self, gate: &Gateway) -> Option<Found> {
        if !self.always {
            return None;
        }
        self.find(gate).await.filter(|found| found.is_fresh)
    }

    /// The answer that may be given when no provider answers.
    pub(crate) async fn find(&self, gate: &Gateway) -> Option<Found> {
        let (answers, key) = (gate.answers.clone()?, self.key);
        if !answers.may_have(key) {
            return None;
        }
        match gate.scales.aside(move || answers.get(key)).await {
            Ok(Ok(found)) => found,
            Ok(Err(trouble)) => {
                tracing::error!(%trouble, "kept answers cannot be read");
                None
            }
            Err(_busy) => None,
        }
    }

    /// Keeps the answer with this head, once all of it has gone by; not where another model stood
    /// in, or the output cap is another one there.
    pub(crate) fn keep(
        &self,
        gate: &Gateway,
        (status, headers): (StatusCode, &HeaderMap),
        admitted: &Admitted,
    ) -> Option<Keeping> {
        let (plan, candidate) = (&admitted.plan, admitted.candidate());
        let is_other = plan.downgraded_from().is_some()
            || plan.cap_set(candidate, admitted.output()) != self.cap;
        if is_other || status != StatusCode::OK {
            return None;
        }
        let deployment = candidate.deployment();
        let model = format!("{}/{}", deployment.provider(), deployment.model());
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.to_owned();
        let (answers, key) = (gate.answers.clone()?, self.key);
        let (body, usage, is_too_long) = (BytesMut::new(), None, false);
        Some(Keeping { answers, key, content_type, model, body, usage, is_too_long })
    }
}

impl Keeping {
    /// This goes out to the caller.
    pub(crate) fn goes_by(&mut self, piece: &Bytes) {
        if self.body.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
            (self.is_too_long, self.body) = (true, BytesMut::new());
        }
        if !self.is_too_long {
            self.body.extend_from_slice(piece);
        }
    }

    /// It is a whole answer, and used this.
    pub(crate) fn is_whole(&mut self, usage: &Usage) {
        self.usage = Some((usage.input, usage.output));
    }

    /// All of it has gone out.
    pub(crate) fn done(self) {
        let Some((input, output)) = self.usage.filter(|_| !self.is_too_long) else {
            return;
        };
        let Self { content_type, model, .. } = self;
        let kept = Kept { content_type, body: self.body.into(), model, input, output };
        self.answers.put(self.key, kept);
    }
}

/// The answer as it was given before, and how it was found.
pub(crate) fn given_again(gate: &Gateway, found: Found) -> Response<Outgoing> {
    let how = if found.is_fresh { Cached::Hit } else { Cached::Stale };
    gate.metrics.cached(how);
    let mut response = Response::new(Outgoing::Whole(Bytes::from(found.kept.body)));
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(found.kept.content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if let Ok(model) = HeaderValue::try_from(found.kept.model) {
        headers.insert(MODEL, model);
    }
    headers.insert(header::AGE, (found.age.as_millis() / 1000).into());
    mark(headers, how);
    response
}

/// Says whether the answer was found.
pub(crate) fn mark(headers: &mut HeaderMap, how: Cached) {
    headers.insert(CACHE, HeaderValue::from_static(how.label()));
}

/// A body of this length is hashed where it is.
const FORM_HERE: usize = 64 * 1024;
const CACHE: HeaderName = HeaderName::from_static("x-tollgate-cache");
const MODEL: HeaderName = HeaderName::from_static("x-tollgate-model");
