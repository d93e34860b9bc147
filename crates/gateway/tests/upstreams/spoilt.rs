//! Answers that call themselves successes and are none: another account serves, the route hears of
//! it, and nobody pays for it.

use serde_json::Value;
use tollgate_sim::Act;
use tollgate_sim::provider::{Fault, Rebuff, Verbatim};
use tollgate_testkit::House;

use crate::account::{Account, CHAT, short, standing, streamed, total_tokens};
use crate::outages::before;

const BOTH: &str = "models:
  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], prefer: listed}
";

fn of_status(status: u16) -> Act {
    let verbatim =
        Verbatim { status, content_type: "text/plain", body: String::new(), breaks: false };
    Act { verbatim: Some(verbatim), ..Act::default() }
}

fn page() -> Act {
    Act::verbatim("text/html; charset=utf-8", "<html>Please sign in</html>".to_owned())
}

/// Serves `body` six times while the first account answers like `act`.
async fn served_elsewhere(act: &Act, body: &Value) -> (House, u64) {
    let first = Account::start(act.clone()).await;
    let house = before(&first, BOTH).await;
    let caller = house.caller(None);
    let mut tokens = 0;
    for _ in 0..6 {
        let answer = caller.post(CHAT, body).await;
        assert_eq!((answer.status.as_u16(), answer.whole), (200, true), "{act:?}: {answer:?}");
        assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini", "{act:?}");
        if body["stream"].is_null() {
            tokens += total_tokens(&answer);
        }
    }
    house.settled().await;
    assert_eq!(house.standing(&caller, "1M requests").await, (6, 0), "{act:?}");
    if body["stream"].is_null() {
        assert_eq!(house.standing(&caller, "900M tokens").await, (tokens, 0), "{act:?}");
    }
    (house, first.seen())
}

/// An empty 200 went to the caller though a second account stood ready, and cost the reservation.
#[tokio::test]
async fn a_success_that_is_no_answer_is_a_failure_and_another_account_serves() {
    let whole = [
        Act::json(""),
        of_status(204),
        page(),
        Act::json(r#"{"error":{"message":"Provider returned error","code":500},"user_id":"u"}"#),
        Act::json(r#"{"error":"CUDA out of memory"}"#),
        Act::json(" \n \n"),
        Act { packet: Some(3), ..Act::json("      \n      {\"error\":{\"code\":500}}") },
    ];
    let events = [
        Act::events(""),
        Act::events("data: [DONE]\n\n"),
        Act::events("data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n"),
        Act::events(": wait\n\nevent: error\ndata: {\"error\":{\"type\":\"api_error\"}}\n\n"),
        Act {
            packet: Some(9),
            ..Act::events(": wait\n\ndata: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n")
        },
        page(),
    ];
    let whole = whole.iter().map(|act| (act, short("gpt-4o-mini")));
    let events = events.iter().map(|act| (act, streamed("gpt-4o-mini")));
    for (act, body) in whole.chain(events) {
        let (house, _) = served_elsewhere(act, &body).await;
        assert_eq!(standing(&house, "first").breaker, "open", "{act:?}");
    }
}

#[tokio::test]
async fn an_error_inside_a_success_is_what_it_would_be_with_its_own_status() {
    let table = [
        (r#"{"error":{"message":"Slow down","code":429}}"#, Rebuff::Status(429)),
        (r#"{"error":{"message":"x","code":"insufficient_quota"}}"#, Rebuff::Quota),
        (r#"{"error":{"message":"x","type":"overloaded_error"}}"#, Rebuff::Status(529)),
        (r#"{"error":{"message":"x","code":401}}"#, Rebuff::InvalidKey),
    ];
    for (inside, rebuff) in table {
        let mut stands = Vec::new();
        for act in [Act::json(inside), Act::default().with(Fault::Refused(rebuff))] {
            let act = act.saying("retry-after", "20");
            let (house, seen) = served_elsewhere(&act, &short("gpt-4o-mini")).await;
            let stand = standing(&house, "first");
            stands.push((seen, stand.breaker, stand.refused_until, stand.refused_why));
        }
        assert_eq!(stands[0], stands[1], "{inside}");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_told_inside_a_success_as_it_came_and_costs_no_tokens() {
    let error = "{\"error\":{\"message\":\"No image at org-AbCdEf123456, \
                 sk-provider-secret-0001\",\"type\":\"invalid_request_error\"}}";
    let told = error.replace("org-AbCdEf123456", "[removed]");
    let told = told.replace("sk-provider-secret-0001", "[removed]");
    let event = |error: &str| format!("data: {error}\n\n");
    let table = [
        (Act::json(error), short("gpt-4o-mini"), told.clone()),
        (Act::events(event(error)), streamed("gpt-4o-mini"), event(&told)),
    ];
    for (act, body, told) in table {
        let first = Account::start(act).await;
        let house = before(&first, BOTH).await;
        let caller = house.caller(None);
        for _ in 0..6 {
            let answer = caller.post(CHAT, &body).await;
            assert_eq!((answer.status.as_u16(), answer.whole), (200, true), "{answer:?}");
            assert_eq!(String::from_utf8_lossy(&answer.body), told);
            assert_eq!(answer.header("x-tollgate-source"), "upstream");
        }
        house.settled().await;
        assert_eq!((first.seen(), house.provider.counters().seen), (6, 0));
        assert_eq!(standing(&house, "first").breaker, "closed");
        assert_eq!(house.standing(&caller, "900M tokens").await, (0, 0));
    }
}

/// Five prompts that a model refused in the middle of a stream opened the breaker for everybody.
#[tokio::test]
async fn what_the_caller_did_wrong_opens_no_breaker_in_the_middle_of_a_stream_either() {
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let table = [
        (r#"{"type":"invalid_request_error","code":"tool_use_failed"}"#, "closed"),
        (r#"{"type":"server_error","code":null}"#, "open"),
    ];
    for (error, breaker) in table {
        let act = Act::events(format!("{word}data: {{\"error\":{error}}}\n\n"));
        let first = Account::start(act).await;
        let house = before(&first, BOTH).await;
        let caller = house.caller(None);
        for _ in 0..5 {
            let answer = caller.post(CHAT, &streamed("gpt-4o-mini")).await;
            assert!(String::from_utf8_lossy(&answer.body).contains(error), "{answer:?}");
        }
        house.settled().await;
        assert_eq!((first.seen(), standing(&house, "first").breaker), (5, breaker), "{error}");
        // The prompt was read, and a word was written.
        let (tokens, _) = house.standing(&caller, "900M tokens").await;
        assert!(tokens >= 5 * 2, "{tokens}");
    }
}

/// A compatible server that ends its streams without `[DONE]` was left alone after five answers,
/// and each cost all that was reserved.
#[tokio::test]
async fn a_stream_without_a_last_event_is_whole_once_every_choice_has_ended() {
    let choice = |finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}},\
             \"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n";
    let (open, stop) = (choice("null"), choice("\"stop\""));
    let whole = Act::events(format!("{open}{stop}{usage}"));
    let cut = Act::events(format!("{open}{open}"));
    let mut reset = whole.clone();
    reset.verbatim.as_mut().unwrap().breaks = true;
    for (act, breaker, used) in
        [(whole, "closed", Some(5 * 12)), (cut, "open", None), (reset, "open", None)]
    {
        let first = Account::start(act).await;
        let house = before(&first, BOTH).await;
        let caller = house.caller(None);
        for _ in 0..5 {
            let answer = caller.post(CHAT, &streamed("gpt-4o-mini")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        house.settled().await;
        assert_eq!((first.seen(), standing(&house, "first").breaker), (5, breaker));
        let (tokens, held) = house.standing(&caller, "900M tokens").await;
        assert_eq!(held, 0);
        assert!(used.is_none_or(|used| used == tokens), "{tokens}");
    }
}

/// A server that names its type wrongly, and one that sends a few bytes at a time, were left alone.
#[tokio::test]
async fn a_right_answer_passes_whatever_it_calls_itself_and_however_it_comes() {
    let answer = r#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":8,"completion_tokens":1}}"#;
    let page = |body: &str| Act::verbatim("text/html; charset=utf-8", body.to_owned());
    let table = [
        (page(answer), answer.to_owned()),
        (Act { packet: Some(1), ..Act::json(answer) }, answer.to_owned()),
        (Act { packet: Some(3), ..Act::json(r#"{"data":[]}"#) }, r#"{"data":[]}"#.to_owned()),
    ];
    for (act, told) in table {
        let first = Account::start(act.clone()).await;
        let house = before(&first, BOTH).await;
        let served = house.caller(None).post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!(served.header("x-tollgate-model"), "first/gpt-4o-mini", "{act:?}: {served:?}");
        assert_eq!(served.body, told.as_bytes(), "{act:?}");
    }
}

/// The key passed where it stood late in an answer, or in a choice.
#[tokio::test]
async fn the_accounts_key_reaches_no_caller_wherever_it_stands() {
    let late = format!(
        r#"{{"choices":[],"text":"{}","error":{{"message":"sk-provider-secret-0001"}}}}"#,
        "a".repeat(2000)
    );
    let inside = r#"{"choices":[{"index":0,"error":{"message":"sk-provider-secret-0001"}}]}"#;
    let table = [
        (Act::json(late), short("gpt-4o-mini")),
        (Act::json(inside), short("gpt-4o-mini")),
        (Act::events(format!("data: {inside}\n\ndata: [DONE]\n\n")), streamed("gpt-4o-mini")),
    ];
    for (act, body) in table {
        let first = Account::start(act).await;
        let house = before(&first, BOTH).await;
        let answer = house.caller(None).post(CHAT, &body).await;
        let told = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!told.contains("sk-provider") && answer.whole, "{told}");
        assert!(told.contains("***********************") || told.contains("[removed]"), "{told}");
    }
}

/// An error beside an answer, or in the middle of one, told callers the account's key.
#[tokio::test]
async fn what_an_error_in_an_answer_tells_of_the_account_reaches_no_caller() {
    let error = r#""error":{"message":"org-AbCdEf123456 with sk-provider-secret-0001","code":502}"#;
    let choice = r#""choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]"#;
    let failed = format!(r#"{{"object":"response","status":"failed",{error},"output":[]}}"#);
    let stream = format!("data: {{{choice}}}\n\ndata: {{{error}}}\n\n");
    let table = [
        (Act::json(format!("{{{choice},{error}}}")), short("gpt-4o-mini")),
        (Act::json(failed), short("gpt-4o-mini")),
        (Act::events(stream), streamed("gpt-4o-mini")),
    ];
    for (act, body) in table {
        let first = Account::start(act).await;
        let house = before(&first, BOTH).await;
        let answer = house.caller(None).post(CHAT, &body).await;
        let told = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(told.contains("[removed] with [removed]"), "{told}");
        assert!(answer.whole && answer.header("x-tollgate-model") == "first/gpt-4o-mini");
    }
}

/// A usage of 10^18 tokens was booked as none.
#[tokio::test]
async fn a_usage_that_cannot_be_is_estimated() {
    let answer = r#"{"choices":[{"index":0,"message":{"content":"a b c"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":1000000000000000000,"completion_tokens":3}}"#;
    let first = Account::start(Act::json(answer)).await;
    let house = before(&first, BOTH).await;
    let caller = house.caller(None);
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status, 200);
    house.settled().await;
    // A word, its message around it, and three words.
    assert_eq!(house.standing(&caller, "900M tokens").await, (8 + 3, 0));
}
