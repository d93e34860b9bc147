//! Which headers pass through the gateway, in either direction: lists of what passes.
//!
//! A list of what does *not* pass forgets something one day, and what it forgets is a credential,
//! an identity header of some proxy, or a switch that changes what a compatible server charges.
//! So both ways only what is named passes. Hop-by-hop headers, the caller's credentials,
//! `OpenAI-Organization`, `X-Forwarded-*` and `X-Tollgate-*` are simply not named.
//! When this is wrong: a provider invents a header that callers need; then it is named here.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What of a caller's headers goes to a provider, plus `accept-encoding: identity`, because the
/// gateway reads the answer as it passes. A header that `Connection` names was not meant for us to
/// pass on, whatever it is called. Nor does one that says who is asking (`is_ours`), whether it was
/// believed or not. Authorization is added by [`Upstreams`](crate::Upstreams).
pub fn forwardable(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(FORWARDED_USUALLY);
    for (name, value) in headers {
        if is_forwardable(name) && !is_hop_by_hop(headers, name) && !is_ours(name.as_str()) {
            passed.append(name, value.clone());
        }
    }
    passed.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // The gateway has read the body as JSON in UTF-8; nobody behind it is told otherwise.
    passed.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    passed
}

/// What of a provider's headers goes back to the caller: never a cookie, an organisation, or the
/// account's own rate limits.
pub fn returnable(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(RETURNED_USUALLY);
    for (name, value) in headers {
        if is_returnable(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// Whether a body comes as it is. The gateway asks for nothing else; a provider that compresses
/// all the same cannot be metered by reading, and its `content-encoding` passes with the bytes.
pub fn is_identity(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_forwardable(name: &HeaderName) -> bool {
    match name.as_str() {
        "accept"
        | "anthropic-beta"
        | "anthropic-version"
        | "idempotency-key"
        | "openai-beta"
        | "user-agent"
        | "x-client-request-id" => true,
        // What the official clients say of themselves: language, version, number of the retry.
        other => other.starts_with("x-stainless-"),
    }
}

fn is_returnable(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "cache-control"
            | "content-encoding"
            | "content-type"
            | "openai-model"
            | "openai-processing-ms"
            | "openai-version"
            | "request-id"
            | "x-debug-trace-id"
            | "x-request-id"
    )
}

/// Whether `Connection` names this header (RFC 9110, 7.6.1).
fn is_hop_by_hop(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// The official Python client sends eleven that pass.
const FORWARDED_USUALLY: usize = 16;
const RETURNED_USUALLY: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    #[test]
    fn no_credential_identity_or_connection_header_reaches_a_provider() {
        for name in [
            "anthropic-dangerous-direct-browser-access",
            "api-key",
            "authorization",
            "connection",
            "content-length",
            "cookie",
            "forwarded",
            "host",
            "keep-alive",
            "openai-organization",
            "openai-project",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "x-api-key",
            "x-consumer-username",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-goog-api-key",
            "x-tollgate-user",
        ] {
            let passed = forwardable(&map(&[(name, "secret"), ("accept", "*/*")]), |_| false);
            assert!(!passed.contains_key(name), "{name}");
            assert_eq!(passed["accept"], "*/*");
        }
    }

    #[test]
    fn what_the_official_clients_say_of_the_request_passes() {
        let sent = map(&[
            ("anthropic-beta", "context-1m-2025-08-07"),
            ("anthropic-version", "2023-06-01"),
            ("content-type", "application/json"),
            ("idempotency-key", "k1"),
            ("user-agent", "OpenAI/Python 3.1.0"),
            ("x-stainless-retry-count", "1"),
        ]);
        let passed = forwardable(&sent, |_| false);
        for (name, value) in &sent {
            assert_eq!(passed.get(name), Some(value));
        }
    }

    #[test]
    fn the_answer_is_asked_for_uncompressed_whatever_the_caller_accepts() {
        let passed =
            forwardable(&map(&[("accept-encoding", "gzip"), ("accept-encoding", "br")]), |_| false);
        let asked: Vec<_> = passed.get_all("accept-encoding").iter().collect();
        assert_eq!(asked, ["identity"]);
    }

    #[test]
    fn a_header_that_connection_names_stays_here() {
        let passed = forwardable(
            &map(&[
                ("connection", "close, OpenAI-Beta"),
                ("openai-beta", "x=1"),
                ("user-agent", "me"),
            ]),
            |_| false,
        );
        assert!(!passed.contains_key("openai-beta"));
        assert_eq!(passed["user-agent"], "me");
    }

    #[test]
    fn nothing_of_the_account_comes_back() {
        let passed = returnable(&map(&[
            ("content-type", "text/event-stream"),
            ("x-request-id", "req_1"),
            ("anthropic-organization-id", "org-1"),
            ("anthropic-ratelimit-tokens-remaining", "9"),
            ("openai-organization", "org-1"),
            ("openai-project", "proj-1"),
            ("retry-after", "1"),
            ("set-cookie", "a=b"),
            ("transfer-encoding", "chunked"),
            ("x-ratelimit-remaining-tokens", "9"),
        ]));
        let names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-request-id"]);
    }

    #[test]
    fn a_compressed_answer_is_known_as_such() {
        assert!(is_identity(&map(&[])));
        assert!(is_identity(&map(&[("content-encoding", "Identity")])));
        assert!(!is_identity(&map(&[("content-encoding", "gzip")])));
    }
}
