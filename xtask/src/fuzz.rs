//! Fuzzing of what reads hostile bytes: builds `fuzz/` and runs it for a while.
//!
//! It builds on the stable compiler, so the flags that cargo-fuzz would set stand here: they are
//! what makes the code tell libFuzzer where it has been. They are for the target alone, not for
//! build scripts, which is why the target is named. libFuzzer itself is C++: g++ compiles it.
//! The first inputs are made of what the tests of `wire` read; what is found new stays in
//! `fuzz/target/corpus`, and an input that breaks something in `fuzz/target/artifacts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::e2e::cargo;
use crate::shell::{Failure, run};

/// How long CI does it.
pub(crate) const SECONDS: u32 = 60;

/// Builds the target and runs it for `seconds`.
pub(crate) fn fuzz(root: &Path, seconds: u32) -> Result<(), Failure> {
    let folder = root.join("fuzz");
    let host = host()?;
    let target = folder.join("target");
    let mut build = cargo(&folder);
    build.args(["build", "--release", "--locked", "--bin", "wire", "--target", &host]);
    build.env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &target);
    run(&mut build)?;
    let (corpus, artifacts) = (target.join("corpus"), target.join("artifacts"));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).map_err(|error| Failure::at(folder, &error))?;
    }
    for (name, bytes) in seeds(&root.join("crates/wire/tests/data"))? {
        let path = corpus.join(name);
        fs::write(&path, bytes).map_err(|error| Failure::at(&path, &error))?;
    }
    let mut fuzz = Command::new(target.join(&host).join("release/wire"));
    fuzz.current_dir(&folder).arg(&corpus);
    fuzz.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzz.arg(format!("-max_total_time={seconds}"));
    run(fuzz.args(["-max_len=8192", "-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"]))
}

/// What cargo-fuzz sets, as the stable compiler takes it.
const FLAGS: &[&str] = &[
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// The target that the compiler builds for when nobody says another.
fn host() -> Result<String, Failure> {
    let answer = Command::new("rustc").arg("-vV").output();
    let answer = answer.map_err(|error| Failure::new(format!("cannot start rustc: {error}")))?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc does not say its host"))
}

/// A name and the bytes.
type Seed = (String, Vec<u8>);

/// Inputs for a start: streams for every endpoint, headers for every dialect, a few bodies. What
/// the first three bytes mean stands in `fuzz/src/wire.rs`.
fn seeds(folder: &Path) -> Result<Vec<Seed>, Failure> {
    let mut seeds = Vec::new();
    let read = |path: &PathBuf| fs::read(path).map_err(|error| Failure::at(path, &error));
    for entry in fs::read_dir(folder).map_err(|error| Failure::at(folder, &error))? {
        let path = entry.map_err(|error| Failure::at(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "sse") {
            let stream = read(&path)?;
            for endpoint in 0..ENDPOINTS_MAX {
                for hide in [0, 0x80] {
                    let bytes = [&[b's', endpoint | hide, 7], &*stream].concat();
                    seeds.push((format!("s-{}-{name}", endpoint | hide), bytes));
                }
            }
        } else if name == "ratelimit_headers.json" {
            let text = String::from_utf8_lossy(&read(&path)?).into_owned();
            seeds.extend(headers(&text));
        }
    }
    for endpoint in 0..ENDPOINTS_MAX {
        for (at, body) in BODIES.iter().enumerate() {
            for kind in [b'a', b'b'] {
                let bytes = [&[kind, endpoint, 0x3f], body.as_bytes()].concat();
                seeds.push((format!("{}-{endpoint}-{at}", char::from(kind)), bytes));
            }
        }
    }
    Ok(seeds)
}

/// The headers of each vector, for each dialect, as an answer and as a refusal.
fn headers(vectors: &str) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (at, part) in vectors.split("\"headers\": {").skip(1).enumerate() {
        let members = part.split('}').next().unwrap_or_default();
        let lines = members.lines().filter_map(|line| {
            let (name, value) = line.trim().trim_end_matches(',').split_once("\": \"")?;
            let value = value.strip_suffix('"')?.replace("\\\"", "\"");
            Some(format!("{}: {value}\n", name.trim_start_matches('"')))
        });
        let lines: String = lines.collect();
        for dialect in 0..DIALECTS_MAX {
            for status in [0, 1] {
                let bytes = [&[b'h', dialect, status], lines.as_bytes()].concat();
                seeds.push((format!("h-{dialect}-{status}-{at}"), bytes));
            }
        }
    }
    seeds
}

/// At least as many as there are of each: more come around again.
const ENDPOINTS_MAX: u8 = 16;
const DIALECTS_MAX: u8 = 16;

/// A body of each protocol, and errors of each shape.
const BODIES: &[&str] = &[
    r#"{"model":"m","stream":true,"max_tokens":9,"n":2,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"auto"}"#,
    r#"{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"}}"#,
    r#"{"model":"m","input":[{"role":"user","content":"hi"}],"max_output_tokens":9,"previous_response_id":"resp_1","tools":[{"type":"mcp","server_label":"l","server_url":"https://x"}]}"#,
    r#"{"model":"m","prompt":["a","b"],"max_tokens":9,"best_of":2,"stream_options":{"include_usage":false}}"#,
    r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}"#,
    r#"{"id":"x","choices":[{"message":{"content":"hi","tool_calls":[{"id":"1","function":{"name":"f"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    r#"{"error":{"message":"Limit 10, Requested 20, org-1. Try again in 84ms.","type":"tokens"}}"#,
    r#"[{"error":{"code":429,"details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure",
            "violations":[{"quotaId":"GenerateRequestsPerDay","quotaValue":"20"}]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"40s"}]}}]"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_headers_is_a_seed_for_every_dialect() {
        let root = crate::tree::root();
        let seeds = seeds(&root.join("crates/wire/tests/data")).unwrap();
        let of = |prefix: &str| seeds.iter().filter(|(name, _)| name.starts_with(prefix)).count();
        assert_eq!(of("h-3-1-"), 54);
        assert!(of("s-") > 0 && of("a-") > 0 && of("b-") > 0);
        let (_, first) = seeds.iter().find(|(name, _)| name.starts_with("h-0-0-0")).unwrap();
        assert!(first.starts_with(b"h\0\0x-ratelimit-limit-requests: 500\n"));
    }
}
