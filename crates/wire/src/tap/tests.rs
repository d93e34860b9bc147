use super::*;
use crate::Usage;

const CHAT: Endpoint = Endpoint::ChatCompletions;
const RESPONSES: Endpoint = Endpoint::Responses;
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n";
const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";

fn run(endpoint: Endpoint, hide: bool, packets: &[&[u8]]) -> (Vec<Bytes>, Tally) {
    let (mut tap, mut out) = (Tap::new(endpoint, hide), VecDeque::new());
    for packet in packets {
        tap.push(Bytes::copy_from_slice(packet), &mut out);
    }
    tap.finish(&mut out);
    (out.into(), tap.into_tally())
}

fn text_of(endpoint: Endpoint, stream: &str) -> String {
    run(endpoint, true, &[stream.as_bytes()]).1.take_text()
}

fn counts(tally: &Tally) -> Option<(u64, u64)> {
    tally.usage.as_ref().map(|usage: &Usage| (usage.input.get(), usage.output.get()))
}

#[test]
fn a_packet_of_whole_events_goes_on_without_a_copy() {
    let packet = Bytes::from(WORD.repeat(3));
    let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
    tap.push(packet.clone(), &mut out);
    assert_eq!((out.len(), out[0].as_ptr(), out[0].len()), (1, packet.as_ptr(), packet.len()));
}

#[test]
fn whole_events_do_not_wait_for_the_one_that_is_cut() {
    let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
    tap.push(Bytes::from(format!("{WORD}data: {{")), &mut out);
    assert_eq!(out, [WORD]);
    tap.push(Bytes::from("}\n"), &mut out);
    assert_eq!(out.len(), 1, "half an event is held");
    tap.push(Bytes::from(format!("\n{WORD}")), &mut out);
    assert_eq!(out, [WORD, "data: {}\n\n", WORD]);
}

#[test]
fn only_the_chunk_that_is_nothing_but_usage_is_hidden() {
    let kept = [
        WORD,
        "data: {\"choices\":[],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":null,\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":[],\"usage\":[1]}\n\n",
        "data: {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":1}}}\n\n",
        "data: {\"choices\":[],\"error\":{\"message\":\"x\"}}\n\n",
        ": comment\n\n",
    ];
    for event in kept {
        assert_eq!(run(CHAT, true, &[event.as_bytes()]).0, [event], "{event}");
    }
    let hidden = [
        USAGE.to_owned(),
        USAGE.replace("\":", "\" :\t"),
        USAGE.replace('\n', "\r\n"),
        USAGE.replace("data: ", ": note\ndata:"),
        USAGE.trim_end().to_owned(),
        "data: {\"choices\":[],\ndata: \"usage\":{}}\n\n".to_owned(),
    ];
    for event in hidden {
        let stream = format!("{WORD}{event}");
        assert_eq!(run(CHAT, true, &[stream.as_bytes()]).0.concat(), WORD.as_bytes(), "{event}");
        let whole = run(CHAT, false, &[stream.as_bytes()]).0;
        assert_eq!(whole.concat(), stream.as_bytes(), "asked for: {event}");
    }
}

#[test]
fn a_hidden_chunk_between_others_leaves_no_gap_and_no_rest() {
    let stream = format!("{WORD}{USAGE}data: [DONE]\n\n");
    let expected = format!("{WORD}data: [DONE]\n\n");
    for end in ["\n", "\r\n", "\r"] {
        let (stream, expected) = (stream.replace('\n', end), expected.replace('\n', end));
        for at in 0..=stream.len() {
            let (one, two) = stream.as_bytes().split_at(at);
            let (out, tally) = run(CHAT, true, &[one, two]);
            assert_eq!(out.concat(), expected.as_bytes(), "{end:?} {at}");
            assert_eq!((counts(&tally), tally.done), (Some((2, 1)), true), "{end:?} {at}");
        }
    }
}

#[test]
fn of_several_usages_the_last_wins() {
    let running = |tokens| {
        format!(
            "data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{tokens}}}}}\n\n"
        )
    };
    let stream = [running(1), running(2), running(3)].concat();
    let (out, mut tally) = run(CHAT, true, &[stream.as_bytes()]);
    assert_eq!((out.concat(), counts(&tally)), (stream.into_bytes(), Some((9, 3))));
    assert_eq!((tally.take_text(), tally.kept()), (String::new(), 0));
}

#[test]
fn text_is_taken_once_and_not_at_all_when_usage_is_known() {
    let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
    tap.push(Bytes::from(WORD.repeat(2)), &mut out);
    assert_eq!(tap.tally().kept(), 2 * WORD.len());
    assert_eq!(tap.tally_mut().take_text(), "aa");
    tap.push(Bytes::from(WORD), &mut out);
    assert_eq!((tap.tally_mut().take_text(), tap.tally().kept()), ("a".to_owned(), 0));
    tap.push(Bytes::from(WORD), &mut out);
    tap.push(Bytes::from(USAGE), &mut out);
    tap.push(Bytes::from(WORD), &mut out);
    assert_eq!((tap.tally_mut().take_text(), tap.tally().kept()), (String::new(), 0));
}

#[test]
fn what_is_kept_is_bounded_by_the_text_in_it() {
    let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
    let packet = Bytes::from(WORD.repeat(1000));
    for _ in 0..100 {
        tap.push(packet.clone(), &mut out);
    }
    assert!(tap.tally().kept() < 256 * 1024 + 2 * packet.len() + 100_000);
    assert_eq!(tap.tally_mut().take_text().len(), 100_000);
}

#[test]
fn a_model_that_writes_about_usage_and_errors_is_not_believed() {
    let said = r#"{\"usage\":{\"prompt_tokens\":9},\"choices\":[],\"error\":{}}"#;
    let stream = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    let (out, tally) = run(CHAT, true, &[stream.as_bytes()]);
    assert_eq!(out, [stream]);
    assert_eq!((counts(&tally), tally.failed), (None, false));
}

#[test]
fn errors_and_ends_are_seen_in_every_form() {
    let table = [
        (CHAT, "data: [DONE]\n\n", true, false),
        (CHAT, "data:[DONE]", true, false),
        (CHAT, "data: {\"error\":{\"message\":\"x\"}}\n\n", false, true),
        (CHAT, "data: {\"error\" : \"x\"}\n\n", false, true),
        (CHAT, "data: {\"choices\":[{}],\"error\":{\"code\":502}}\n\n", false, true),
        (CHAT, "data: {\"choices\":[],\"error\":null}\n\n", false, false),
        (CHAT, "event: error\ndata: {}\n\n", false, true),
        (CHAT, WORD, false, false),
        (RESPONSES, "event: response.completed\ndata: {}\n\n", true, false),
        (RESPONSES, "event: response.incomplete\ndata: {}\n\n", true, false),
        (RESPONSES, "event: response.failed\ndata: {}\n\n", true, true),
        (RESPONSES, "event: error\ndata: {}\n\n", false, true),
        (RESPONSES, "data: {\"type\":\"response.completed\"}\n\n", true, false),
        (RESPONSES, "data: {\"type\":\"response.failed\"}\n\n", true, true),
        (RESPONSES, "data: {\"type\":\"error\"}\n\n", false, true),
        (
            RESPONSES,
            "event: response.created\ndata: {\"response\":{\"error\":null}}\n\n",
            false,
            false,
        ),
    ];
    for (endpoint, stream, done, failed) in table {
        let (out, tally) = run(endpoint, true, &[stream.as_bytes()]);
        assert_eq!((tally.done, tally.failed), (done, failed), "{stream}");
        assert_eq!(out.concat(), stream.as_bytes());
    }
}

/// Five prompts that a model refused opened the breaker for everybody.
#[test]
fn an_error_in_a_stream_says_whose_fault_it_is() {
    let messages = Endpoint::Messages;
    let table = [
        (CHAT, r#"{"error":{"type":"invalid_request_error","code":"tool_use_failed"}}"#, true),
        (
            CHAT,
            r#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            true,
        ),
        (CHAT, r#"{"error":{"type":"server_error","code":null}}"#, false),
        (CHAT, r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#, false),
        (CHAT, r#"{"choices":[{"finish_reason":"error"}],"error":{"code":502}}"#, false),
        (CHAT, r#"{"error":{"message":"x"}}"#, false),
        (RESPONSES, r#"{"type":"error","code":"invalid_image_url","message":"x"}"#, true),
        (
            RESPONSES,
            r#"{"type":"response.failed","response":{"error":{"code":"invalid_prompt"}}}"#,
            true,
        ),
        (
            RESPONSES,
            r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#,
            false,
        ),
        (RESPONSES, r#"{"type":"response.failed","response":{"error":null}}"#, false),
        (messages, r#"{"type":"error","error":{"type":"invalid_request_error"}}"#, true),
        (messages, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, false),
        (messages, r#"{"type":"error","error":{"type":"api_error"}}"#, false),
    ];
    for (endpoint, event, blames_request) in table {
        let stream = format!("{WORD}data: {event}\n\n");
        let tally = run(endpoint, true, &[stream.as_bytes()]).1;
        assert_eq!((tally.failed, tally.blames_request), (true, blames_request), "{event}");
    }
}

/// An event of responses with `size` bytes of picture in it, and its usage after them.
fn long(size: usize, named: bool) -> String {
    let name = if named { "event: response.completed\n" } else { "" };
    let picture = "QUJD".repeat(size / 4);
    format!(
        "{name}data: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{{\"result\":\
         \"{picture}\"}}],\"usage\":{{\"input_tokens\":7,\"output_tokens\":5}},\"user\":null}}}}\n\n"
    )
}

#[test]
fn an_event_over_a_megabyte_goes_on_as_it_comes_and_is_still_understood() {
    for named in [true, false] {
        let stream = format!("{}{}", long(3 * HELD_BYTES_MAX, named), WORD);
        for size in [1 << 12, 1 << 16, (1 << 20) + 1, usize::MAX] {
            let (mut tap, mut out) = (Tap::new(RESPONSES, true), VecDeque::new());
            let mut held_most = 0;
            for packet in stream.as_bytes().chunks(size) {
                tap.push(Bytes::copy_from_slice(packet), &mut out);
                let remembered = tap.long.as_ref().map_or(0, |long| long.tail.len());
                held_most = held_most.max(tap.held.len()).max(remembered);
            }
            tap.finish(&mut out);
            let sent: Vec<u8> = out.iter().flatten().copied().collect();
            assert!(sent == stream.as_bytes(), "{size}");
            assert!(held_most <= HELD_BYTES_MAX, "{held_most}");
            let tally = tap.into_tally();
            assert_eq!(
                (counts(&tally), tally.done, tally.events),
                (Some((7, 5)), true, 2),
                "{size}"
            );
        }
    }
}

#[test]
fn an_event_just_under_the_bound_is_held_and_one_byte_more_is_not() {
    for (size, is_held) in [(HELD_BYTES_MAX, true), (HELD_BYTES_MAX + 1, false)] {
        let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
        tap.push(Bytes::from(vec![b'x'; size]), &mut out);
        assert_eq!((tap.held.is_empty(), out.is_empty()), (!is_held, is_held), "{size}");
    }
}

#[test]
fn a_long_event_cut_short_counts_as_one_event() {
    let stream = long(2 * HELD_BYTES_MAX, true);
    let cut = &stream.as_bytes()[..HELD_BYTES_MAX + 5];
    let (out, tally) = run(RESPONSES, true, &[&cut[..100], &cut[100..]]);
    assert_eq!(out.concat().len(), cut.len());
    assert_eq!((counts(&tally), tally.events), (None, 1));
}

#[test]
fn names_of_called_functions_and_text_count_on_responses() {
    let stream = "event: response.output_item.added\n\
                  data: {\"type\":\"response.output_item.added\",\"item\":{\"name\":\"find\"}}\n\n\
                  event: response.function_call_arguments.delta\n\
                  data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"}\n\n";
    assert_eq!(text_of(RESPONSES, stream), "find{}");
}

#[test]
fn finishing_twice_sends_nothing_twice() {
    let (mut tap, mut out) = (Tap::new(CHAT, true), VecDeque::new());
    tap.push(Bytes::from("data: cut"), &mut out);
    tap.finish(&mut out);
    tap.finish(&mut out);
    assert_eq!(out, ["data: cut"]);
    assert_eq!(tap.tally().events, 1);
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n";
const HELLO: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n";

#[test]
fn a_message_that_breaks_off_knows_its_input_and_what_was_said() {
    let (_, mut tally) = run(Endpoint::Messages, false, &[START.as_bytes(), HELLO.as_bytes()]);
    assert_eq!(tally.usage, None, "the first event has a placeholder for the output");
    assert_eq!(
        tally.begun().map(|usage| (usage.input.get(), usage.cached_input.get())),
        Some((8, 3))
    );
    assert_eq!(tally.take_text(), "Hello");
}

#[test]
fn the_last_word_of_each_count_of_a_message_is_taken() {
    let delta = |usage: &str| format!("data: {{\"type\":\"message_delta\",\"usage\":{usage}}}\n\n");
    let first = delta("{\"output_tokens\":4}");
    // A compatible server that corrects its input at the end.
    let last = delta("{\"input_tokens\":2,\"cache_read_input_tokens\":30,\"output_tokens\":9}");
    let (_, tally) =
        run(Endpoint::Messages, false, &[START.as_bytes(), first.as_bytes(), last.as_bytes()]);
    assert_eq!(counts(&tally), Some((32, 9)));
    assert!(!tally.done);
}

#[test]
fn the_tools_a_stream_calls_are_counted_as_they_come() {
    let call = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"find\",\"arguments\":\"{\"}}]}}]}\n\n";
    let (_, tally) = run(CHAT, true, &[WORD.as_bytes(), call.as_bytes()]);
    assert_eq!(tally.tool_calls().count, 1);
    let recorded: &[u8] = include_bytes!("../../tests/data/anthropic_tool_use.sse");
    let (_, tally) = run(Endpoint::Messages, false, &[recorded]);
    let whole =
        br#"{"content":[{"type":"tool_use","name":"get_weather","input":{"city":"Paris"}}]}"#;
    assert_eq!(tally.tool_calls(), crate::tool_calls_of(Endpoint::Messages, whole));
}

/// In a plain error the ids were taken out, and in a stream they went to the caller.
#[test]
fn the_accounts_ids_are_taken_out_of_what_an_event_tells_of_an_error() {
    let id = "org-AbCdEf123456";
    let table = [
        (CHAT, "data: {\"error\":{\"message\":\"Limit of ID and ID\"}}\n\n"),
        (CHAT, "data: {\"x_groq\":{\"error\":\"of ID\"},\"choices\":[]}\r\n\r\n"),
        (CHAT, "event: error\ndata: {\"message\":\n data: \"ID\"}\n\n"),
        (RESPONSES, "event: error\ndata: {\"type\":\"error\",\"message\":\"of ID\"}\n\n"),
        (RESPONSES, "data: {\"type\":\"error\",\"message\":\"of ID\"}\r\r"),
        (
            RESPONSES,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"user\":\
             \"user-1\",\"error\":{\"message\":\"of ID\"},\"output\":[\"org-1 said\"]}}\n\n",
        ),
        (
            Endpoint::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"of ID\"},\
             \"request_id\":\"req_1\"}\n\n",
        ),
    ];
    for (endpoint, event) in table {
        let sent = format!("{WORD}{}{WORD}", event.replace("ID", id));
        let told = format!("{WORD}{}{WORD}", event.replace("ID", "[removed]"));
        for size in [1, 7, sent.len()] {
            let packets: Vec<&[u8]> = sent.as_bytes().chunks(size).collect();
            let (out, tally) = run(endpoint, true, &packets);
            assert_eq!(String::from_utf8(out.concat()).unwrap(), told, "{size}");
            assert!(tally.failed, "{event}");
        }
    }
}

/// A provider that repeated the account's key in a stream told it to the caller.
#[test]
fn the_accounts_key_is_taken_out_of_what_an_event_tells_of_an_error_and_of_nothing_else() {
    let (said, key) = ("data: {\"choices\":[{\"delta\":{\"content\":\"KEY\"}}]}\n\n", "a8Key-0001");
    let table = [
        "data: {\"error\":{\"message\":\"Not KEY, nor xKEYx\"}}\n\n",
        "event: error\ndata: {\"message\":\n data: \"KEY\"}\n\n",
        "event: response.failed\ndata: {\"response\":{\"error\":{\"message\":\"KEY\"}}}\n\n",
    ];
    for event in table {
        let sent = format!("{said}{event}").replace("KEY", key);
        let told = format!("{}{}", said.replace("KEY", key), event.replace("KEY", "[removed]"));
        let mut tap = Tap::new(CHAT, true).hiding(AccountKey::new(key.as_bytes()));
        let mut out = VecDeque::new();
        tap.push(Bytes::from(sent), &mut out);
        tap.finish(&mut out);
        let out: Vec<Bytes> = out.into();
        assert_eq!(String::from_utf8(out.concat()).unwrap(), told);
        assert_eq!(format!("{tap:?}").matches(key).count(), 0, "it is in no log");
    }
}

#[test]
fn what_looks_like_an_id_where_no_error_is_told_goes_on_unchanged() {
    let table = [
        (CHAT, "data: {\"choices\":[{\"delta\":{\"content\":\"org-12345\"}}],\"error\":null}\n\n"),
        (CHAT, "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\": org-1\"}}]}\n\n"),
        (
            RESPONSES,
            "event: response.output_item.done\ndata: {\"item\":{\"error\":\"no user-12345\"}}\n\n",
        ),
        (
            RESPONSES,
            "event: response.completed\ndata: {\"response\":{\"error\":null,\"user\":\"user-12\"}}\n\n",
        ),
    ];
    for (endpoint, event) in table {
        // One that tells an error comes before, so that what is remembered of it could mislead.
        let error = "data: {\"error\":{\"code\":1}}\n\n";
        let sent = Bytes::from(format!("{error}{event}"));
        let (mut tap, mut out) = (Tap::new(endpoint, true), VecDeque::new());
        tap.push(sent.clone(), &mut out);
        assert_eq!(out.iter().flatten().copied().collect::<Vec<_>>(), sent);
        assert_eq!(out[1].as_ptr(), sent[error.len()..].as_ptr(), "not copied: {event}");
    }
}

#[test]
fn a_failed_response_that_is_too_long_to_hold_tells_its_error_without_ids() {
    let event = |id: &str| {
        let output = "user-1234 ".repeat(200_000);
        format!(
            "data: {{\"type\":\"response.failed\",\"response\":{{\"error\":{{\"message\":\
             \"of {id}\"}},\"output\":[\"{output}\"]}}}}\n\n"
        )
    };
    let sent = event("org-AbCdEf123456");
    let packets: Vec<&[u8]> = sent.as_bytes().chunks(16 * 1024).collect();
    let (out, tally) = run(RESPONSES, false, &packets);
    assert!(out.concat() == event("[removed]").as_bytes(), "{:?}", &out[0][..200]);
    assert!(tally.failed);
}
