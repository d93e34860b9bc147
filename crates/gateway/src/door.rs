//! The one door that every request comes through: whether anybody is home, who is turned away
//! unasked, and where each path leads.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tollgate_units::Span;
use tollgate_wire::{Destination, Errand, Notice, NoticeKind};

use crate::answer::{self, Outgoing, json, render};
use crate::gate::Gateway;
use crate::identify::{self, Inbound};
use crate::{models, pipeline, stopped, stored};

impl Gateway {
    /// Answers one request. Dropping the future, or the answer's body, gives back what is held.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Outgoing> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => json(StatusCode::OK, HEALTHY),
            (&Method::GET | &Method::HEAD, "/readyz") if self.is_ready() => {
                json(StatusCode::OK, HEALTHY)
            }
            (&Method::GET | &Method::HEAD, "/readyz") => {
                json(StatusCode::SERVICE_UNAVAILABLE, DRAINING)
            }
            _ => self.admit_or_explain(request, peer).await,
        }
    }

    async fn admit_or_explain(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Outgoing> {
        let (parts, body) = request.into_parts();
        let inbound = Inbound::new(parts, peer, &self);
        if let Some(notice) = self.turned_away(&inbound) {
            return stopped::turn_away(&self, &inbound, notice);
        }
        let path = inbound.parts.uri.path();
        if inbound.parts.method == Method::POST
            && let Some(to) = Destination::of_path(path)
        {
            // Boxed, so that it goes when the answer's head is there: a stream stays for minutes.
            let to = to.with_query(inbound.parts.uri.query());
            return Box::pin(pipeline::answer(&self, inbound, to, body)).await;
        }
        match identify::identify(&inbound, &self).await {
            Err(refusal) => stopped::refuse(&self, &inbound, refusal),
            Ok(caller) => {
                let uri = &inbound.parts.uri;
                let errand = Errand::of(&inbound.parts.method, path, uri.query());
                let mut response = match (&inbound.parts.method, path) {
                    _ if let Some(errand) = &errand => {
                        Box::pin(stored::answer(&self, &inbound, &caller, errand)).await
                    }
                    (&Method::GET, "/v1/limits") => models::limits(&self, &inbound, &caller),
                    (&Method::GET, "/v1/models") => models::list(&caller, &inbound),
                    (&Method::GET, path) if path.starts_with(models::ONE) => {
                        models::one(&caller, &inbound)
                    }
                    _ => {
                        let notice = inbound.notice(NoticeKind::NotFound, not_found(&inbound));
                        render(inbound.protocol(), &notice)
                    }
                };
                models::stand(&self, inbound.protocol(), &caller, response.headers_mut());
                answer::identify(response.headers_mut(), &inbound.request_id);
                stopped::log_look(&inbound, &caller, &response);
                response
            }
        }
    }

    /// What no caller is asked about: a gateway that is going down, and a request that a browser
    /// was tricked into.
    fn turned_away(&self, inbound: &Inbound) -> Option<Notice> {
        if !self.is_ready() {
            let mut notice = inbound.notice(
                NoticeKind::Overloaded,
                "This gateway is shutting down. Try again: another one will answer.".to_owned(),
            );
            notice.retry_after = Some(DRAIN_RETRY);
            return Some(notice);
        }
        let foreign = identify::foreign(&inbound.parts.headers, &inbound.parts.uri, self.loopback)?;
        Some(inbound.notice(NoticeKind::InvalidRequest, foreign))
    }
}

fn not_found(inbound: &Inbound) -> String {
    format!(
        "There is no {} {} here. \
         What is served: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses \
         and what stands under it, /v1/moderations, /v1/messages, /v1/messages/count_tokens, \
         /v1/models and /v1/limits; \
         /v2/chat, /v2/embed and /v2/rerank; /v1beta/models/{{model}} with :generateContent, \
         :streamGenerateContent and :countTokens.",
        inbound.parts.method,
        inbound.parts.uri.path()
    )
}

const DRAIN_RETRY: Span = Span::from_secs(1);
const HEALTHY: Bytes = Bytes::from_static(b"{\"status\":\"ok\"}");
const DRAINING: Bytes = Bytes::from_static(b"{\"status\":\"draining\"}");
