use super::*;

#[test]
fn a_success_is_an_answer_an_error_or_nothing_by_its_first_bytes() {
    use Opening::{Answer, Error, Nothing};
    let table: &[(&str, Opening)] = &[
        (r#"{"id":"a","choices":[{"message":{"content":"{\"error\":{}}"}}]}"#, Answer),
        (r#"{"id":"a","object":"response","error":null,"output":[]}"#, Answer),
        (r#"{"object":"response","status":"failed","error":{"code":"server_error"}}"#, Answer),
        (r#"{"error":{"code":502},"choices":[{"message":{"content":"Hel"}}]}"#, Answer),
        (r#"{"data":[{"object":"error"}]}"#, Answer),
        ("\n     ", Answer),
        ("not JSON", Answer),
        (r#"{"error":{"message":"x","code":502},"user_id":"u"}"#, Error),
        (" {\"error\" : \"CUDA out of mem", Error),
        (r#"{"user_id":"u","error":{"message":"x"}}"#, Error),
        (r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Error),
        (r#"{"object":"error","message":"x","code":400}"#, Error),
        (r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#, Error),
        (r#"{"error":{"code":502},"choices":[]}"#, Error),
        ("<!DOCTYPE html>", Nothing),
    ];
    for (body, expected) in table {
        assert_eq!(opening(false, body.as_bytes(), false), *expected, "{body}");
    }
    for (is_all, expected) in [(true, Nothing), (false, Answer)] {
        for (is_events, body) in [(false, " \n"), (true, "\n\n"), (true, ": OPENROUTER\n\n")] {
            assert_eq!(opening(is_events, body.as_bytes(), is_all), expected, "{body}");
        }
    }
}

#[test]
fn a_stream_opens_with_its_first_event() {
    use Opening::{Answer, Error, Nothing};
    let table: &[(&str, Opening)] = &[
        ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":null}\n\n", Answer),
        ("event: response.created\ndata: {\"response\":{\"error\":null}}\n\n", Answer),
        ("event: message_start\ndata: {}\n\nevent: error\ndata: {}\n\n", Answer),
        ("data: {\"choi", Answer),
        (": note\n\ndata: {\"error\":{\"code\":429}}\n\n", Error),
        ("event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\"}\n\n", Error),
        ("data: {\"type\":\"response.failed\",\"response\":{}}\n\n", Error),
        ("data: {\"id\":\"a\",\"x_groq\":{\"error\":\"over\"},\"choices\":[]}\n\n", Error),
        ("data: {\"error\":{\"code\":502},\"choices\":[{\"finish_reason\":\"error\"}]}\n\n", Error),
        ("data: [DONE]\n\n", Nothing),
    ];
    for (body, expected) in table {
        assert_eq!(opening(true, body.as_bytes(), false), *expected, "{body}");
    }
}

#[test]
fn what_has_come_tells_once_an_event_or_enough_of_a_document_is_there() {
    let whole = r#"{"data":[]}"#;
    let table = [
        (false, "", false),
        (false, " \n ", false),
        (false, r#"{"da"#, false),
        (false, whole, true),
        (false, r#"{"id":"chatcmpl-0123456789abcdef"#, true),
        (true, ": wait\n\n", false),
        (true, "event: error\n", false),
        (true, "data: {}\n", false),
        (true, ": wait\n\ndata: {}\n\n", true),
        (true, "data: {}\r\n\r\ndata: {", true),
    ];
    for (is_events, begun, expected) in table {
        assert_eq!(is_told(is_events, begun.as_bytes()), expected, "{begun:?}");
    }
}

#[test]
fn an_error_without_a_status_means_what_it_calls_itself() {
    let table = [
        (r#"{"error":{"code":429,"message":"x"}}"#, 429),
        (r#"{"error":{"code":"500","type":"invalid_request_error"}}"#, 500),
        (r#"{"error":{"type":"invalid_request_error","code":null}}"#, 400),
        (r#"{"error":{"type":"invalid_request_error","code":"tool_use_failed"}}"#, 400),
        (r#"{"error":{"type":"invalid_request_error","code":"invalid_api_key"}}"#, 401),
        (r#"{"error":{"type":"invalid_request_error","code":"model_not_found"}}"#, 404),
        (r#"{"error":{"code":"prompt_too_long"}}"#, 400),
        (r#"{"error":{"code":"moderation_blocked"}}"#, 400),
        (r#"{"error":{"type":"BadRequest"}}"#, 400),
        (r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#, 429),
        (r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#, 429),
        (r#"{"object":"error","type":"rate_limited","code":"1300"}"#, 429),
        (r#"{"response":{"error":{"code":"invalid_prompt"}}}"#, 400),
        (r#"{"response":{"error":{"code":"server_error"}}}"#, 500),
        (r#"{"type":"error","code":"invalid_image_url","message":"x"}"#, 400),
        (r#"{"type":"error","code":"image_content_policy_violation"}"#, 400),
        (r#"{"type":"error","error":{"type":"overloaded_error"}}"#, 529),
        (r#"{"type":"error","error":{"type":"api_error"}}"#, 500),
        (r#"{"type":"error","error":{"type":"not_found_error"}}"#, 404),
        (r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT"}}]"#, 400),
        (r#"{"error":{"status":"UNAVAILABLE"}}"#, 503),
        (r#"{"error":{"code":"invalid_response_from_model"}}"#, 500),
        (r#"{"x_groq":{"error":"over"},"choices":[]}"#, 500),
        (r#"{"error":"CUDA out of memory"}"#, 500),
        ("<html>", 500),
    ];
    for (body, expected) in table {
        assert_eq!(error_inside(false, body.as_bytes()).0, expected, "{body}");
        let event = format!(": note\n\nevent: error\ndata: {body}\n\ndata: [DONE]\n\n");
        assert_eq!(error_inside(true, event.as_bytes()).0, expected, "{event}");
        let is_own = [400, 404].contains(&expected);
        assert_eq!(is_of_request(body.as_bytes()), is_own, "{body}");
    }
}
