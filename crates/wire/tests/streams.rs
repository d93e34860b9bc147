//! Recorded streams go through the tap unchanged, however their bytes are packed.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_wire::{Endpoint, Tally, Tap};

/// A transcript, and what a tap has to make of it.
struct Recorded {
    name: &'static str,
    bytes: &'static [u8],
    endpoint: Endpoint,
    usage: Option<(u64, u64)>,
    done: bool,
    failed: bool,
    events: u64,
    /// The text, which is only counted where no usage came.
    text: &'static str,
}

/// Every transcript of `data`, protocol by protocol: one without a row here fails.
const RECORDED: &[Recorded] = &[
    Recorded {
        name: "chat with usage",
        bytes: include_bytes!("data/openai_chat_usage.sse"),
        endpoint: Endpoint::ChatCompletions,
        usage: Some((12, 3)),
        done: true,
        failed: false,
        events: 7,
        text: "",
    },
    Recorded {
        name: "chat without usage",
        bytes: include_bytes!("data/openai_chat_no_usage.sse"),
        endpoint: Endpoint::ChatCompletions,
        usage: None,
        done: true,
        failed: false,
        events: 4,
        text: "Hello!",
    },
    Recorded {
        name: "chat with an error in mid-stream",
        bytes: include_bytes!("data/openai_chat_midstream_error.sse"),
        endpoint: Endpoint::ChatCompletions,
        usage: None,
        done: false,
        failed: true,
        events: 3,
        text: "Hel",
    },
    Recorded {
        name: "chat cut short",
        bytes: include_bytes!("data/openai_chat_truncated.sse"),
        endpoint: Endpoint::ChatCompletions,
        usage: None,
        done: false,
        failed: false,
        events: 3,
        text: "Hel",
    },
    Recorded {
        name: "responses",
        bytes: include_bytes!("data/openai_responses.sse"),
        endpoint: Endpoint::Responses,
        usage: Some((37, 11)),
        done: true,
        failed: false,
        events: 10,
        text: "",
    },
    Recorded {
        name: "a message",
        bytes: include_bytes!("data/anthropic_messages.sse"),
        endpoint: Endpoint::Messages,
        usage: Some((11, 6)),
        done: true,
        failed: false,
        events: 9,
        text: "",
    },
    Recorded {
        name: "a message that calls a tool",
        bytes: include_bytes!("data/anthropic_tool_use.sse"),
        endpoint: Endpoint::Messages,
        usage: Some((377, 65)),
        done: true,
        failed: false,
        events: 8,
        text: "",
    },
    Recorded {
        name: "a message with an error in mid-stream",
        bytes: include_bytes!("data/anthropic_midstream_error.sse"),
        endpoint: Endpoint::Messages,
        usage: None,
        done: false,
        failed: true,
        events: 3,
        text: "",
    },
    Recorded {
        name: "a chat of Cohere's",
        bytes: include_bytes!("data/cohere_v2.sse"),
        endpoint: Endpoint::Chat,
        usage: Some((71, 26)),
        done: true,
        failed: false,
        events: 7,
        text: "",
    },
    Recorded {
        name: "contents of Gemini's",
        bytes: include_bytes!("data/gemini_stream.sse"),
        endpoint: Endpoint::StreamGenerateContent,
        usage: Some((10, 17)),
        done: true,
        failed: false,
        events: 3,
        text: "",
    },
    Recorded {
        name: "responses with an error in mid-stream",
        bytes: include_bytes!("data/openai_responses_error.sse"),
        endpoint: Endpoint::Responses,
        usage: None,
        done: false,
        failed: true,
        events: 3,
        text: "",
    },
];

fn run<'a>(
    recorded: &Recorded,
    hide: bool,
    packets: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, Tally) {
    let mut tap = Tap::new(recorded.endpoint, hide);
    let mut out = VecDeque::new();
    for packet in packets {
        tap.push(Bytes::copy_from_slice(packet), &mut out);
    }
    tap.finish(&mut out);
    (out.iter().flatten().copied().collect(), tap.into_tally())
}

/// The stream without the chunk that only reports usage.
fn without_usage(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let events = text.split_inclusive("\n\n");
    events.filter(|event| !event.contains(r#""choices":[],"usage":{"#)).collect::<String>().into()
}

fn check(recorded: &Recorded, hide: bool, packing: &str, (out, mut tally): (Vec<u8>, Tally)) {
    let name = format!("{}, hide {hide}, {packing}", recorded.name);
    let whole = recorded.bytes.to_vec();
    let expected = if hide { without_usage(recorded.bytes) } else { whole };
    assert!(out == expected, "{name}: {}", String::from_utf8_lossy(&out));
    let usage = tally.usage.as_ref().map(|usage| (usage.input.get(), usage.output.get()));
    assert_eq!(usage, recorded.usage, "{name}");
    assert_eq!((tally.done, tally.failed), (recorded.done, recorded.failed), "{name}");
    assert_eq!(tally.events, recorded.events, "{name}");
    assert_eq!(tally.take_text(), recorded.text, "{name}");
}

#[test]
fn every_transcript_is_read_as_it_means() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut transcripts = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "sse") {
            continue;
        }
        transcripts += 1;
        let bytes = std::fs::read(&path).unwrap();
        let mut rows = RECORDED.iter().filter(|recorded| recorded.bytes == bytes);
        let recorded = rows.next().unwrap_or_else(|| panic!("nobody reads {}", path.display()));
        check(recorded, false, "as a file", run(recorded, false, std::iter::once(&*bytes)));
    }
    assert_eq!(transcripts, RECORDED.len());
}

#[test]
fn a_stream_is_the_same_in_one_packet_and_byte_by_byte() {
    for recorded in RECORDED {
        for hide in [false, true] {
            let whole = run(recorded, hide, std::iter::once(recorded.bytes));
            check(recorded, hide, "whole", whole);
            for size in [1, 2, 3, 7, 64] {
                let packets = run(recorded, hide, recorded.bytes.chunks(size));
                check(recorded, hide, &format!("packets of {size}"), packets);
            }
        }
    }
}

#[test]
fn a_stream_is_the_same_cut_at_any_place() {
    for recorded in RECORDED {
        for hide in [false, true] {
            for at in 0..=recorded.bytes.len() {
                let (one, two) = recorded.bytes.split_at(at);
                let cut = run(recorded, hide, [one, two].into_iter());
                check(recorded, hide, &format!("cut at {at}"), cut);
            }
        }
    }
}

#[test]
fn only_one_transcript_has_a_chunk_to_hide() {
    let hidden = |recorded: &&Recorded| without_usage(recorded.bytes) != recorded.bytes;
    assert_eq!(RECORDED.iter().filter(hidden).count(), 1);
}

#[test]
fn letters_split_between_packets_arrive_whole() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"né 你好 🦀\"}}]}\r\n\r\n";
    let recorded = Recorded { bytes: b"", name: "letters", ..RECORDED[1] };
    let (out, mut tally) = run(&recorded, true, stream.as_bytes().chunks(1));
    assert_eq!(out, stream.as_bytes());
    assert_eq!(tally.take_text(), "né 你好 🦀");
}
