//! The plain interface: `cargo run -p tollgate-client --example plain`. It needs no account; the
//! provider is a function that throttles twice before it answers.

use std::error::Error;
use std::io::Write as _;

use http::{HeaderMap, HeaderValue, StatusCode};
use tollgate_client::{
    Amount, CallError, Config, Failure, FailureKind, Refusal, Tollgate, dialect_of,
};

/// As an HTTP client would hand it over.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: &'static str,
}

/// The first two attempts come too early, the third is answered.
async fn ask(attempt: u32) -> Result<Answer, std::io::Error> {
    tokio::task::yield_now().await;
    let mut headers = HeaderMap::new();
    if attempt < 3 {
        headers.insert("retry-after-ms", HeaderValue::from_static("150"));
        let body = r#"{"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}"#;
        return Ok(Answer { status: StatusCode::TOO_MANY_REQUESTS, headers, body });
    }
    Ok(Answer { status: StatusCode::OK, headers, body: r#"{"answer": 42}"# })
}

/// What an attempt came to, read from the whole answer: only so `insufficient_quota` is seen.
async fn attempt(number: u32) -> Result<&'static str, Failure<String>> {
    let answer = ask(number).await.map_err(|err| Failure::failed(err.to_string()))?;
    let dialect = dialect_of("openai", "api.openai.com");
    let body = answer.body.as_bytes();
    match FailureKind::of_answer(dialect, answer.status, &answer.headers, body) {
        None => Ok(answer.body),
        Some(kind) => Err(Failure { cause: answer.body.to_owned(), kind }),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let config = Config::from_yaml("bucket: {capacity: 20, refill: 5 per second, burst: 4}")?;
    let gate = Tollgate::new(config)?;
    match gate.call(Amount::ONE, attempt).await {
        Ok(body) => writeln!(out, "answered: {body}")?,
        Err(CallError::Refused(refusal)) => writeln!(out, "not sent: {refusal}")?,
        Err(failed @ CallError::Failed { .. }) => writeln!(out, "{failed}")?,
    }
    // A request whose cost is known only afterwards: taken beforehand, settled by what it was.
    let permit = gate.acquire(Amount::new(15)).await?;
    permit.settle(Amount::new(6));
    writeln!(out, "{} of 24 left", gate.standing().left.get())?;
    match gate.try_acquire(Amount::new(24)) {
        Ok(_permit) => writeln!(out, "all of it")?,
        Err(Refusal::Limited { retry_after }) => {
            writeln!(out, "all of it in {} ms", retry_after.as_millis())?;
        }
        Err(refusal) => writeln!(out, "never: {refusal}")?,
    }
    Ok(())
}
