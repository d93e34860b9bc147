use super::*;

fn tokens(usage: &Usage) -> [u64; 5] {
    let Usage { input, cached_input, cache_write, output, reasoning, .. } = usage;
    [input, cached_input, cache_write, output, reasoning].map(|tokens| tokens.get())
}

#[test]
fn every_shape_of_usage_has_one_meaning() {
    let table = [
        (r#"{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}"#, [12, 0, 0, 3, 0]),
        (r#"{"prompt_tokens":12,"total_tokens":12}"#, [12, 0, 0, 0, 0]),
        (
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":20,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":30}}"#,
            [100, 40, 20, 50, 30],
        ),
        (
            r#"{"input_tokens":37,"input_tokens_details":{"cached_tokens":8,"cache_write_tokens":1},
                "output_tokens":11,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":48}"#,
            [37, 8, 1, 11, 5],
        ),
        // Reasoning that is only in the total.
        (r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":40}"#, [10, 0, 0, 30, 0]),
        // Another name for the cache, beside the counts.
        (
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#,
            [10, 4, 0, 1, 0],
        ),
        // Parts that are larger than the whole.
        (
            r#"{"prompt_tokens":10,"completion_tokens":2,
                "prompt_tokens_details":{"cached_tokens":9,"cache_write_tokens":9},
                "completion_tokens_details":{"reasoning_tokens":99}}"#,
            [10, 9, 1, 2, 2],
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":-4,"total_tokens":"x",
                "prompt_tokens_details":null,"completion_tokens_details":[]}"#,
            [7, 0, 0, 0, 0],
        ),
        (r#"{"completion_tokens":3}"#, [0, 0, 0, 3, 0]),
    ];
    for (counts, expected) in table {
        let body = format!(r#"{{"id":"x","choices":[{{}}],"usage":{counts}}}"#);
        let usage = usage_of(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
        assert_eq!(tokens(&usage), expected, "{counts}");
        assert_eq!((usage.estimated, usage.service_tier), (false, None));
    }
}

/// An input of 10^18 tokens was booked as none, beside an output that was believed.
#[test]
fn a_number_of_tokens_that_cannot_be_spoils_the_whole_report() {
    use Endpoint::{Chat, ChatCompletions, Embed, GenerateContent, Messages, Responses};
    let table = [
        (ChatCompletions, r#"{"usage":{"prompt_tokens":N,"completion_tokens":3}}"#),
        (ChatCompletions, r#"{"usage":{"prompt_tokens":3,"completion_tokens":N}}"#),
        (
            ChatCompletions,
            r#"{"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":N}}"#,
        ),
        (
            Responses,
            r#"{"usage":{"input_tokens":3,"output_tokens":3,
            "input_tokens_details":{"cached_tokens":N}}}"#,
        ),
        (Messages, r#"{"usage":{"input_tokens":3,"output_tokens":3,"cache_read_input_tokens":N}}"#),
        (Messages, r#"{"usage":{"input_tokens":N,"output_tokens":3}}"#),
        (Chat, r#"{"usage":{"tokens":{"input_tokens":N,"output_tokens":3}}}"#),
        (Embed, r#"{"meta":{"billed_units":{"input_tokens":N}}}"#),
        (GenerateContent, r#"{"usageMetadata":{"promptTokenCount":N,"candidatesTokenCount":3}}"#),
    ];
    for (endpoint, body) in table {
        for (number, is_told) in [
            ("12", true),
            ("1000000000001", false),
            ("1000000000000000000", false),
            ("1e30", false),
        ] {
            let body = body.replace('N', number);
            let usage = usage_of(endpoint, body.as_bytes());
            assert_eq!(usage.is_some(), is_told, "{body}");
        }
    }
    // What is no count of tokens may be as large as it likes.
    let timed =
        br#"{"usage":{"prompt_tokens":3,"completion_tokens":3,"ended_at_ms":1795334400000}}"#;
    assert!(usage_of(ChatCompletions, timed).is_some());
}

#[test]
fn an_answer_without_usage_has_none() {
    let table = [
        "",
        "{",
        "{}",
        "[]",
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        r#"{"usage":7}"#,
        r#"{"usage":{"prompt_tokens":"12"}}"#,
        r#"{"usage":{"prompt_tokens":1000000000001}}"#,
    ];
    for body in table {
        assert_eq!(usage_of(Endpoint::ChatCompletions, body.as_bytes()), None, "{body}");
    }
    let body = r#"{"usage":{"prompt_tokens":1}}"#;
    assert_eq!(usage_of(Endpoint::Moderations, body.as_bytes()), None);
}

#[test]
fn the_tier_that_served_comes_along_and_groq_hides_its_usage() {
    let body = r#"{"service_tier":"priority","x_groq":{"usage":{"prompt_tokens":2}}}"#;
    let usage = usage_of(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
    assert_eq!(usage.service_tier.as_deref(), Some("priority"));
    assert_eq!(usage.input, Tokens::new(2));
}

#[test]
fn anthropics_input_leaves_out_the_cache_and_ours_does_not() {
    let table = [
        (r#"{"input_tokens":12,"output_tokens":3}"#, [12, 0, 0, 3, 0], 0),
        (
            r#"{"input_tokens":10,"cache_read_input_tokens":40,"cache_creation_input_tokens":30,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},
                "output_tokens":7,"output_tokens_details":{"thinking_tokens":5}}"#,
            [80, 40, 30, 7, 5],
            20,
        ),
        // Parts without their sum, and null for nothing.
        (
            r#"{"input_tokens":1,"cache_read_input_tokens":null,
                "cache_creation":{"ephemeral_1h_input_tokens":20},"output_tokens":7}"#,
            [21, 0, 20, 7, 0],
            20,
        ),
    ];
    for (counts, expected, hour) in table {
        let body = format!(r#"{{"type":"message","usage":{counts}}}"#);
        let usage = usage_of(Endpoint::Messages, body.as_bytes()).unwrap();
        assert_eq!((tokens(&usage), usage.cache_write_hour.get()), (expected, hour), "{counts}");
    }
    assert_eq!(usage_of(Endpoint::Messages, br#"{"usage":{}}"#), None);
    assert_eq!(usage_of(Endpoint::CountTokens, br#"{"input_tokens":9}"#), None);
}
