//! The headers of an answer, one to a line, an empty line, and the body.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tollgate_units::Timestamp;
use tollgate_wire::{DIALECTS, Judgement, LIMITS_MAX, dialect_of, judge, report};

/// When everything is read: 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

pub(crate) fn read(dialect: u8, status: u8, text: &[u8]) {
    let compatible = dialect_of("openai", "");
    let dialect = DIALECTS.get(usize::from(dialect & 0x1f)).copied().unwrap_or(compatible);
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let status = StatusCode::from_u16(status).expect("a status that there is");
    let end = text.windows(2).position(|two| two == b"\n\n").unwrap_or(text.len());
    let (head, body) = text.split_at(end);
    let body = body.get(2..).unwrap_or_default();
    let headers = headers(head);
    let first = report(dialect, status, &headers, body, NOW);
    assert!(first.limits.len() <= LIMITS_MAX, "a report is bounded");
    for limit in &first.limits {
        let says = limit.limit.or(limit.remaining).is_some() || limit.reset_at.is_some();
        assert!(says, "a limit of which nothing is said: {limit:?}");
        let _ = limit.full_at(NOW);
    }
    let again = report(dialect, status, &headers, body, NOW);
    assert_eq!(first, again, "the same answer means the same");
    let judgement = judge(dialect, status, &headers, body, NOW);
    assert_eq!(judgement == Judgement::Answered, status.is_success());
}

/// One of each kind that is told apart.
const STATUSES: [u16; 16] =
    [200, 429, 400, 401, 402, 403, 404, 408, 413, 498, 500, 502, 503, 504, 529, 302];

fn headers(head: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in head.split(|&byte| byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value[1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
