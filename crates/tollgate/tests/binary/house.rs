//! A directory with a configuration and a data file, and the provider that they lead to.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_sim::{Provider, text_of};
use tollgate_units::Tokens;

use crate::outside::caller::Caller;
use crate::outside::process::{Process, serve};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");

/// The secret of the one key.
pub(crate) const KEY: &str = "tests-caller-secret-0001";

/// What opens the admin plane.
pub(crate) const ADMIN_TOKEN: &str = "tests-admin-token-000000000000";

/// How many tokens every prompt of these tests has, chat overhead included.
pub(crate) const PROMPT: u64 = 12;

/// A directory of its own, gone when the test is.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-binary-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("tollgate.db")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("tollgate.yaml")
    }

    /// Writes the configuration of these tests: one key, counted by the day.
    pub(crate) fn serving(self, provider: &Provider) -> Self {
        let text = format!(
            "listen: 127.0.0.1:0
admin: 127.0.0.1:0
admin_token: {ADMIN_TOKEN}
data: {}
providers:
  sim: {{kind: openai, base_url: \"{}\", api_key: sk-provider-secret-0001}}
models:
  gpt-4o-mini: {{serve: [sim/gpt-4o-mini]}}
tiers:
  user:
    models: [gpt-4o-mini]
    limits:
      - 1M requests per day per key
      - 1M tokens per day per key
keys:
  - {{name: web, secret: {KEY}, tier: user}}
",
            self.data().display(),
            provider.base_url()
        );
        std::fs::write(self.config(), text).unwrap();
        self
    }

    pub(crate) async fn start(&self, arguments: &[&str]) -> Process {
        let config = self.config();
        let process = within(Process::start(BINARY.as_ref(), &config, arguments)).await;
        process.unwrap_or_else(|said| panic!("it did not start: {said}"))
    }

    /// Starts where it cannot serve: how it ends, and what it says.
    pub(crate) async fn fails(&self) -> (Option<i32>, String) {
        let Output { status, stderr, .. } =
            within(serve(BINARY.as_ref(), &self.config()).output()).await.unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind in the temporary directory is nobody's test failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A chat request of [`PROMPT`] tokens with at most `cap` more.
pub(crate) fn chat(cap: u64) -> Value {
    let prompt = text_of(Tokens::new(PROMPT - 7));
    let messages = json!([{"role": "user", "content": prompt}]);
    json!({"model": "gpt-4o-mini", "messages": messages, "max_tokens": cap})
}

/// What the day has counted for the key, and when the day ends.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Day {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) held: u64,
    pub(crate) ends: String,
}

pub(crate) async fn day(process: &Process) -> Day {
    let answer = within(Caller::new(&process.listen, KEY).get("/v1/limits")).await.unwrap();
    let rows = answer.json()["limits"].clone();
    let row = |unit: &str| {
        let rows = rows.as_array().unwrap();
        rows.iter().find(|row| row["unit"] == unit).unwrap_or_else(|| panic!("{rows:?}")).clone()
    };
    let (requests, tokens) = (row("requests"), row("tokens"));
    let number = |value: &Value| value.as_u64().unwrap();
    Day {
        requests: number(&requests["used"]),
        tokens: number(&tokens["used"]),
        held: number(&requests["held"]) + number(&tokens["held"]),
        ends: requests["resets_at"].as_str().unwrap().to_owned(),
    }
}

/// A test that waits for something that never comes should say where.
pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_mins(1), what).await.expect("it never came")
}
