//! The access log: one structured line a request, when it has ended. Never a prompt, an answer,
//! or a secret.
//!
//! It goes through `tracing` under a target of its own, so that operators turn it on and off
//! apart from everything else, and the binary decides between text and JSON. When it is off, a
//! line costs one comparison.
//! When this is wrong: names that callers choose (path, model) are in the log; they are cut, and
//! escaped by the subscriber.

use http::{Method, StatusCode};
use tollgate_units::{NanoUsd, Span, Tokens};
use tracing::{Level, enabled, event, field};

use super::Outcome;

/// The target of every line: `RUST_LOG=info,tollgate::access=off` leaves them out.
pub const TARGET: &str = "tollgate::access";

/// What is known of a request once it has ended. What does not apply is `None` and is left out.
#[derive(Clone, Debug)]
pub struct AccessLine<'a> {
    /// The gateway's id for it, which its caller has seen.
    pub request_id: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path, without its query.
    pub path: &'a str,
    /// The status that the caller got.
    pub status: StatusCode,
    /// How it ended.
    pub outcome: Outcome,
    /// `admitted`, `downgraded`, `without_tools`, or what refused it.
    pub decision: &'a str,
    /// The caller's tier.
    pub tier: Option<&'a str>,
    /// The operator's name for the caller's key; never the key.
    pub key: Option<&'a str>,
    /// The model as the caller named it.
    pub model: Option<&'a str>,
    /// Who served it: `openai/gpt-4o`.
    pub deployment: Option<&'a str>,
    /// Input tokens used.
    pub input_tokens: Option<Tokens>,
    /// Output tokens used.
    pub output_tokens: Option<Tokens>,
    /// Tokens reserved before it was sent.
    pub reserved_tokens: Option<Tokens>,
    /// Whether the tokens were counted here, because the provider said nothing.
    pub estimated: bool,
    /// What it cost.
    pub cost: Option<NanoUsd>,
    /// Time in the gateway itself, in microseconds.
    pub overhead_us: u64,
    /// From sending to the end of the answer.
    pub upstream: Option<Span>,
    /// From sending to the first token.
    pub first_token: Option<Span>,
    /// From the request's head to the last byte of its answer.
    pub duration: Span,
}

impl AccessLine<'_> {
    /// Whether anybody reads these lines. Ask before collecting what a line needs.
    pub fn is_wanted() -> bool {
        enabled!(target: TARGET, Level::INFO)
    }

    /// Writes the line, if anybody reads it.
    pub fn write(&self) {
        if !Self::is_wanted() {
            return;
        }
        event!(
            target: TARGET,
            Level::INFO,
            request_id = self.request_id,
            method = self.method.as_str(),
            path = cut(self.path),
            status = self.status.as_u16(),
            outcome = self.outcome.label(),
            decision = self.decision,
            tier = self.tier,
            key = self.key,
            model = self.model.map(cut),
            deployment = self.deployment,
            input_tokens = self.input_tokens.map(Tokens::get),
            output_tokens = self.output_tokens.map(Tokens::get),
            reserved_tokens = self.reserved_tokens.map(Tokens::get),
            estimated = self.estimated,
            cost = self.cost.map(field::display),
            overhead_us = self.overhead_us,
            upstream_ms = self.upstream.map(Span::as_millis),
            ttft_ms = self.first_token.map(Span::as_millis),
            duration_ms = self.duration.as_millis(),
        );
    }
}

/// The beginning of what a caller wrote.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(CALLER_TEXT_BYTES_MAX)]
}

const CALLER_TEXT_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write},
        sync::{Arc, Mutex},
    };

    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// Keeps the fields of every event of its target as `name=value;`.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl Subscriber for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == TARGET
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    impl Visit for Kept {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0.lock().unwrap(), "{field}={value:?};").unwrap();
        }
    }

    fn line() -> AccessLine<'static> {
        AccessLine {
            request_id: "r1",
            method: &Method::POST,
            path: "/v1/chat/completions",
            status: StatusCode::OK,
            outcome: Outcome::Answered,
            decision: "admitted",
            tier: Some("pro"),
            key: Some("web"),
            model: Some("gpt-4o"),
            deployment: Some("openai/gpt-4o"),
            input_tokens: Some(Tokens::new(10)),
            output_tokens: Some(Tokens::new(5)),
            reserved_tokens: Some(Tokens::new(26)),
            estimated: false,
            cost: Some(NanoUsd::new(75_000)),
            overhead_us: 180,
            upstream: Some(Span::from_millis(900)),
            first_token: Some(Span::from_millis(210)),
            duration: Span::from_millis(901),
        }
    }

    fn written(line: &AccessLine<'_>) -> String {
        let kept = Kept::default();
        tracing::subscriber::with_default(kept.clone(), || line.write());
        let text = kept.0.lock().unwrap();
        text.clone()
    }

    #[test]
    fn a_line_says_everything_that_is_known() {
        assert_eq!(
            written(&line()),
            "request_id=\"r1\";method=\"POST\";path=\"/v1/chat/completions\";status=200;\
             outcome=\"answered\";decision=\"admitted\";tier=\"pro\";key=\"web\";model=\"gpt-4o\";\
             deployment=\"openai/gpt-4o\";input_tokens=10;output_tokens=5;reserved_tokens=26;\
             estimated=false;cost=$0.000075;overhead_us=180;upstream_ms=900;ttft_ms=210;\
             duration_ms=901;"
        );
    }

    #[test]
    fn what_does_not_apply_is_left_out() {
        let refused = AccessLine {
            status: StatusCode::UNAUTHORIZED,
            outcome: Outcome::Refused,
            decision: "invalid_api_key",
            tier: None,
            key: None,
            model: None,
            deployment: None,
            input_tokens: None,
            output_tokens: None,
            reserved_tokens: None,
            cost: None,
            upstream: None,
            first_token: None,
            ..line()
        };
        assert_eq!(
            written(&refused),
            "request_id=\"r1\";method=\"POST\";path=\"/v1/chat/completions\";status=401;\
             outcome=\"refused\";decision=\"invalid_api_key\";estimated=false;overhead_us=180;\
             duration_ms=901;"
        );
    }

    #[test]
    fn what_callers_write_is_cut_between_characters() {
        let long = "ü".repeat(1000);
        let text = written(&AccessLine { model: Some(&long), ..line() });
        assert!(text.contains(&format!("model=\"{}\"", "ü".repeat(128))), "{text}");
        assert!(!text.contains(&"ü".repeat(129)));
    }

    #[test]
    fn nothing_is_written_when_nobody_reads() {
        assert!(!AccessLine::is_wanted());
        line().write();
    }
}
