//! Requests whose end two servers in a row could see in two places (request smuggling).

use super::*;

/// What is sent behind each bad request, and must never be seen.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
/// What each row of [`AMBIGUOUS`] begins with.
const LINE: &str = "POST / HTTP/1.1\r\n";

/// What could be read in two ways, by name: the headers, and the body.
const AMBIGUOUS: [(&str, &str, &str); 20] = [
    (
        "length, then coding",
        "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
    ),
    (
        "coding, then length",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        "0\r\n\r\n",
    ),
    ("two lengths", "Host: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", "abcd"),
    ("a length twice", "Host: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n", "abcd"),
    ("a list of lengths", "Host: a\r\nContent-Length: 4, 4\r\n\r\n", "abcd"),
    ("a signed length", "Host: a\r\nContent-Length: +4\r\n\r\n", "abcd"),
    ("an empty length", "Host: a\r\nContent-Length:\r\n\r\n", "abcd"),
    ("identity", "Host: a\r\nTransfer-Encoding: identity\r\n\r\n", ""),
    ("gzip, chunked", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "0\r\n\r\n"),
    ("chunked, identity", "Host: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", "0\r\n\r\n"),
    (
        "two codings",
        "Host: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\n\r\n",
    ),
    ("a bare line feed", "Host: a\nContent-Length: 4\r\n\r\n", "abcd"),
    ("a bare line feed at the end", "Host: a\r\n\n", ""),
    ("a bare carriage return", "Host: a\rX: b\r\n\r\n", ""),
    ("a folded line", "Host: a\r\nX: b\r\n c\r\n\r\n", ""),
    ("a folded coding", "Host: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", "0\r\n\r\n"),
    ("a space before the colon", "Host: a\r\nTransfer-Encoding : chunked\r\n\r\n", "0\r\n\r\n"),
    ("two hosts", "Host: a\r\nHost: b\r\n\r\n", ""),
    ("no host", "\r\n", ""),
    ("a NUL", "Host: a\r\nX: \0\r\n\r\n", ""),
];

#[tokio::test]
async fn requests_that_can_be_read_in_one_way_are_answered() {
    let server = Running::start(PATIENT, None).await;
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upgrade = "HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ";
    for (request, answer) in [
        ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "GET /a "),
        (
            "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            "POST /b hello",
        ),
        (format!("{chunked}3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"), "POST /c hello"),
        // Nothing is ever upgraded: these are ordinary requests.
        (format!("GET /d {upgrade}websocket\r\n\r\n"), "GET /d "),
        (format!("GET /e {upgrade}h2c\r\n\r\n"), "GET /e "),
        ("GET /f HTTP/1.0\r\n\r\n".to_owned(), "GET /f "),
    ] {
        let said = server.talk(request.as_bytes()).await;
        assert_eq!(statuses(&said), ["200"], "{request:?}: {said}");
        assert_eq!(said.split("\r\n\r\n").nth(1), Some(answer), "{request:?}: {said}");
    }
}

#[tokio::test]
async fn two_requests_sent_at_once_are_answered_in_order() {
    let server = Running::start(PATIENT, None).await;
    let one = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let two = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = server.talk([one, two].concat().as_bytes()).await;
    assert_eq!(statuses(&said), ["200", "200"]);
    assert!(said.find("POST /1 hi") < said.find("GET /2 "), "{said}");
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let server = Running::start(PATIENT, None).await;
    for (what, head, body) in AMBIGUOUS {
        let said = server.talk([LINE, head, body, HIDDEN].concat().as_bytes()).await;
        assert_eq!(statuses(&said), ["400"], "{what}: {said}");
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_good_request_does_not_excuse_the_next() {
    let server = Running::start(PATIENT, None).await;
    let good = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for (what, head, body) in AMBIGUOUS {
        let before = server.requests.load(Ordering::SeqCst);
        let said = server.talk([good, LINE, head, body, HIDDEN].concat().as_bytes()).await;
        assert_eq!(statuses(&said), ["200", "400"], "{what}: {said}");
        assert_eq!(server.requests.load(Ordering::SeqCst), before + 1, "{what}");
    }
}

#[tokio::test]
async fn a_body_that_can_be_read_in_two_ways_fails_its_request_and_ends_the_connection() {
    let server = Running::start(PATIENT, None).await;
    let head = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (what, body) in [
        ("a bare line feed after a size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("a bare line feed after the last size", "0;a\n\r\n"),
        ("a chunk longer than its size", "4\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size that wraps", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a signed size", "+5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let before = server.requests.load(Ordering::SeqCst);
        let said = server.talk([LINE, head, body, HIDDEN].concat().as_bytes()).await;
        assert_eq!(statuses(&said), ["400"], "{what}: {said}");
        assert_eq!(server.requests.load(Ordering::SeqCst), before + 1, "{what}");
    }
}

#[tokio::test]
async fn a_coding_is_refused_where_the_version_has_none() {
    let server = Running::start(PATIENT, None).await;
    let request = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&server.talk(request.as_bytes()).await), ["400"]);
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}
