//! What is replayed: the rows of a trace with callers, caps and limits that bind.
//!
//! Traces have no callers and no caps. Callers are drawn by seed from a Zipf distribution; half of
//! the requests name a cap, the next power of two above twice the answer; half are streamed.
//! Answers take 200 ms and 20 ms a token, in the trace's own time. Limits are shares of what the
//! trace asks for, so that they bind whatever the trace.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use tollgate_sim::traces::{Arrival, Traffic};
use tollgate_sim::{Dice, text_of};
use tollgate_units::{Span, Tokens};

/// One replay.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The trace's name.
    pub(crate) name: String,
    /// Its requests.
    pub(crate) arrivals: Vec<Arrival>,
    /// How many callers there are.
    pub(crate) callers: usize,
    /// Of how many in a thousand the provider reports more than was reserved.
    pub(crate) lies: u64,
    /// The seed of callers, caps and lies.
    pub(crate) seed: u64,
    /// How long it takes, however long the trace is.
    pub(crate) lasts: Span,
    /// The window of every limit.
    pub(crate) window: Span,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) at: Span,
    pub(crate) caller: usize,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cap: Option<u64>,
    pub(crate) is_stream: bool,
    pub(crate) is_lie: bool,
    /// How long the answer takes.
    pub(crate) takes: Span,
}

/// The limits of a replay, all of the same window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Tokens of everybody together.
    pub(crate) everyone: u64,
    /// Tokens of one key.
    pub(crate) key: u64,
    /// Requests of one key.
    pub(crate) requests: u64,
}

impl Plan {
    /// Its requests, in order of time.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let from = self.arrivals.last().map_or(Span::ZERO, |last| last.at);
        let (from, to) = (from.as_millis().max(1), self.lasts.as_millis());
        let traffic = Traffic::new(self.arrivals.iter().copied(), self.callers, self.seed);
        let visits = traffic.compressed(Span::from_millis(from), self.lasts);
        let rows = (0..).zip(visits).map(|(number, visit)| {
            let mut dice = Dice::of(self.seed, number);
            let output = visit.arrival.output.get().max(1);
            let names_cap = dice.in_thousand(500);
            Row {
                at: visit.arrival.at,
                caller: visit.caller,
                input: visit.arrival.input.get().max(OVERHEAD + 1),
                output,
                cap: names_cap.then(|| (2 * output).max(16).next_power_of_two()),
                is_stream: dice.in_thousand(500),
                is_lie: dice.in_thousand(self.lies),
                takes: Span::from_millis((200 + 20 * output) * to / from),
            }
        });
        rows.collect()
    }

    /// Limits that bind: half of what everybody wants together, and about two thirds of what the
    /// most frequent of fifty callers wants.
    pub(crate) fn limits(&self, rows: &[Row]) -> Limits {
        let lasts = self.lasts.as_millis().max(1);
        let in_window = |whole: u64| whole * self.window.as_millis() / lasts;
        let tokens = in_window(rows.iter().map(|row| row.input + row.output).sum());
        Limits {
            everyone: tokens / 2,
            key: tokens * 3 / 20,
            requests: (in_window(rows.len() as u64) * 3 / 20).max(2),
        }
    }

    /// The gateway's configuration.
    pub(crate) fn config(&self, limits: &Limits, provider: &str, directory: &Path) -> String {
        let (seconds, data) = (self.window.as_secs_ceil(), directory.join("tollgate.db"));
        let Limits { everyone, key, requests } = limits;
        let mut text = format!(
            "listen: 127.0.0.1:0
admin: 127.0.0.1:0
admin_token: {ADMIN_TOKEN}
data: {}
providers:
  sim: {{kind: openai, base_url: \"{provider}\", api_key: sk-provider-secret-0001}}
models:
  {MODEL}: {{serve: [sim/{MODEL}]}}
tiers:
  user:
    models: [{MODEL}]
    limits:
      - {key} tokens per {seconds} seconds per key
      - {requests} requests per {seconds} seconds per key
limits:
  - {everyone} tokens per {seconds} seconds, named {EVERYONE}
guardrails:
  max_output_tokens: {OUTPUT_MAX}
keys:
",
            data.display()
        );
        for caller in 0..self.callers {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  - {{name: u{caller}, secret: \"{}\", tier: user}}",
                secret(caller)
            );
        }
        text
    }
}

impl Row {
    /// The request that is sent; `number` finds its row again at the provider.
    pub(crate) fn body(&self, number: usize) -> Value {
        let prompt = text_of(Tokens::new(self.input - OVERHEAD));
        let mut body = json!({
            "model": MODEL,
            "messages": [{"role": "user", "content": prompt}],
            "stream": self.is_stream,
            "user": number.to_string(),
        });
        if let Some(cap) = self.cap {
            body["max_tokens"] = json!(cap);
        }
        body
    }

    /// What the provider says the prompt was.
    pub(crate) fn reported(&self) -> u64 {
        if self.is_lie { self.input + LIE } else { self.input }
    }
}

/// The secret of a caller's key.
pub(crate) fn secret(caller: usize) -> String {
    format!("replay-caller-secret-{caller:05}")
}

/// The admin plane's token.
pub(crate) const ADMIN_TOKEN: &str = "replay-admin-token-000000000000";

/// The name of everybody's limit.
pub(crate) const EVERYONE: &str = "everyone";

/// The most output tokens that anybody gets.
const OUTPUT_MAX: u64 = 2048;

/// More than any cap: a request with so many more input tokens than were counted always overruns.
const LIE: u64 = 2 * OUTPUT_MAX;

const MODEL: &str = "gpt-4o-mini";

/// What one message of one user costs besides its text: three tokens, its role, and three for the
/// answer's beginning.
const OVERHEAD: u64 = 7;
