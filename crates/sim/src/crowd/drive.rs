//! Sends the crowd's calls to a gate and tells it what came of them.
//!
//! An ordinary HTTP client with pooled connections, at the pace that the crowd sets. Everything it
//! starts ends with it: dropping the future drops the calls under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::task::JoinSet;
use tollgate_units::{Span, Tokens};

use super::{Call, Crowd, Ending, Outcome, Refused};

/// Sends `crowd` to the gate at `base_url` (`http://127.0.0.1:8080`) and reports each outcome.
///
/// `secret_of` gives the secret of a key by its name. It returns when the crowd has nothing more
/// to send and the calls under way have ended, or a few seconds later.
///
/// # Errors
///
/// When `base_url` is none.
pub async fn drive(
    mut crowd: Crowd,
    base_url: &str,
    secret_of: impl Fn(&str) -> Option<String>,
    mut report: impl FnMut(&Outcome),
) -> Result<(), http::Error> {
    let sender = Arc::new(Sender::new(&crowd, base_url, secret_of)?);
    let mut calls: JoinSet<Outcome> = JoinSet::new();
    while let Some(due) = crowd.due() {
        let has_room = calls.len() < CALLS_MAX;
        tokio::select! {
            // Whoever was just told to wait must not be sent first.
            biased;
            Some(Ok(outcome)) = calls.join_next(), if !calls.is_empty() => {
                crowd.heard(&outcome);
                report(&outcome);
            }
            () = sender.sleep_until(due), if has_room => {
                if let Some(call) = crowd.next_call() {
                    let sender = Arc::clone(&sender);
                    calls.spawn(async move { sender.send(call).await });
                }
            }
        }
    }
    let rest = async {
        while let Some(ended) = calls.join_next().await {
            ended.iter().for_each(&mut report);
        }
    };
    // What takes longer than that is not worth waiting for.
    let _ = tokio::time::timeout(GRACE, rest).await;
    Ok(())
}

/// More calls than this are never under way together.
const CALLS_MAX: usize = 128;

/// How long calls under way may take once nothing more is sent.
const GRACE: Duration = Duration::from_secs(5);

/// An answer is read to here, and no further.
const ANSWER_BYTES_MAX: usize = 4 << 20;

struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    /// The `Authorization` of each person, by number.
    credentials: Vec<Option<HeaderValue>>,
    started: Instant,
    uri: Uri,
}

impl Sender {
    fn new(
        crowd: &Crowd,
        base_url: &str,
        secret_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, http::Error> {
        let credentials = crowd.people().map(|person| {
            let secret = person.key().and_then(&secret_of);
            secret.map(|secret| HeaderValue::try_from(format!("Bearer {secret}"))).transpose()
        });
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            credentials: credentials.collect::<Result<_, _>>()?,
            started: Instant::now(),
            uri: Uri::try_from(format!("{}/v1/chat/completions", base_url.trim_end_matches('/')))?,
        })
    }

    fn now(&self) -> Span {
        Span::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, at: Span) {
        tokio::time::sleep(Duration::from_millis(at.less(self.now()).as_millis())).await;
    }

    async fn send(&self, call: Call) -> Outcome {
        let sent_at = self.now();
        let (ending, first_byte) = match self.exchange(&call, sent_at).await {
            Ok(answered) => answered,
            Err(_) => (Ending::Failed(None), None),
        };
        Outcome {
            ending,
            first_byte,
            input: call.input,
            model: call.model,
            output: call.output,
            person: call.person,
            sent_at,
            stream: call.stream,
            total: self.now().less(sent_at),
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        sent_at: Span,
    ) -> Result<(Ending, Option<Span>), Box<dyn core::error::Error + Send + Sync>> {
        let mut request = Request::post(self.uri.clone()).body(Full::new(call.body.clone()))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(credential) = self.credentials.get(call.person).cloned().flatten() {
            headers.insert(AUTHORIZATION, credential);
        }
        let (head, mut body) = self.client.request(request).await?.into_parts();
        let (mut answer, mut first_byte) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else {
                continue;
            };
            first_byte.get_or_insert_with(|| self.now().less(sent_at));
            if answer.len() + bytes.len() > ANSWER_BYTES_MAX {
                break;
            }
            answer.extend_from_slice(&bytes);
        }
        let ending = match head.status.as_u16() {
            200..=299 => answered(&answer, call.stream),
            status @ 400..=499 => Ending::Refused(refused(status, &head.headers, &answer)),
            status => Ending::Failed(Some(status)),
        };
        Ok((ending, first_byte))
    }
}

/// The usage that an answer tells; a stream that tells none has broken off.
fn answered(answer: &[u8], stream: bool) -> Ending {
    let text = String::from_utf8_lossy(answer);
    let usage = if stream {
        let events = text.lines().rev().filter_map(|line| line.strip_prefix("data: "));
        let values = events.filter_map(|event| serde_json::from_str::<Value>(event).ok());
        values.map(|event| event["usage"].clone()).find(Value::is_object)
    } else {
        serde_json::from_str::<Value>(&text).ok().map(|answer| answer["usage"].clone())
    };
    let count = |field| usage.as_ref().and_then(|usage| usage[field].as_u64()).map(Tokens::new);
    match (count("prompt_tokens"), count("completion_tokens")) {
        (Some(input), Some(output)) => Ending::Answered { input, output },
        _ => Ending::Failed(Some(200)),
    }
}

fn refused(status: u16, headers: &HeaderMap, answer: &[u8]) -> Refused {
    let body: Value = serde_json::from_slice(answer).unwrap_or_default();
    let error = &body["error"];
    let limits = error["tollgate"]["refused_by"].as_array().into_iter().flatten();
    Refused {
        code: clipped(error["code"].as_str().or(error["type"].as_str()).unwrap_or("unknown")),
        limits: limits.filter_map(Value::as_str).take(LIMITS_MAX).map(clipped).collect(),
        should_retry: header(headers, "x-should-retry").map(|value| value == "true"),
        status,
        wait: wait(headers),
    }
}

fn wait(headers: &HeaderMap) -> Option<Span> {
    let millis = header(headers, "retry-after-ms").and_then(|value| value.parse().ok());
    let secs = header(headers, RETRY_AFTER.as_str()).and_then(|value| value.parse().ok());
    millis.map(Span::from_millis).or(secs.map(Span::from_secs))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn clipped(text: &str) -> String {
    text.chars().take(LABEL_LEN_MAX).collect()
}

/// Nobody is refused by more limits than this at once, in a demo.
const LIMITS_MAX: usize = 8;

/// Longer than any limit's sentence.
const LABEL_LEN_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_found_in_whole_answers_and_at_the_end_of_streams() {
        let usage = r#"{"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
        let told = Ending::Answered { input: Tokens::new(7), output: Tokens::new(3) };
        assert_eq!(answered(usage.as_bytes(), false), told);
        let stream = format!("data: {{\"usage\":null}}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
        assert_eq!(answered(stream.as_bytes(), true), told);
        assert_eq!(answered(b"data: {\"usage\":null}\n\n", true), Ending::Failed(Some(200)));
        assert_eq!(answered(b"oops", false), Ending::Failed(Some(200)));
    }

    #[test]
    fn a_refusal_is_read_with_its_limits_and_its_wait() {
        let body = br#"{"error":{"code":"rate_limit_exceeded",
            "tollgate":{"refused_by":["5 requests per minute per ip"]}}}"#;
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("12"));
        headers.insert("retry-after-ms", HeaderValue::from_static("11640"));
        let read = refused(429, &headers, body);
        assert_eq!(read.reason(), "5 requests per minute per ip");
        assert_eq!((read.wait, read.should_retry), (Some(Span::from_millis(11_640)), None));

        headers.clear();
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
        let read = refused(400, &headers, br#"{"error":{"code":"context_length_exceeded"}}"#);
        assert_eq!((read.reason(), read.wait), ("context_length_exceeded", None));
        assert_eq!(read.should_retry, Some(false));
    }
}
