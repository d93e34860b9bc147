//! What reading and editing a chat body costs, and what watching a stream does.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up should stop")]

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_units::Tokens;
use tollgate_wire::{CapEdit, CapField, Edits, Endpoint, Tap, edit, read};

/// A chat of about `size` bytes: prose with the escapes that prose has.
fn chat(size: usize) -> Bytes {
    let line = "The quick brown fox said: \\\"jump\\\",\\nand over the lazy dog it went. ";
    let mut messages = vec![r#"{"role":"system","content":"You are brief."}"#.to_owned()];
    while messages.iter().map(String::len).sum::<usize>() < size {
        let content = line.repeat(8.min(size / 200 + 1));
        messages.push(format!(r#"{{"role":"user","content":"{content}"}}"#));
    }
    let messages = messages.join(",");
    Bytes::from(format!(
        r#"{{"model":"gpt-4o","stream":true,"temperature":0.7,"messages":[{messages}]}}"#
    ))
}

fn bodies(criterion: &mut Criterion) {
    for (name, size) in [("1 KB", 800), ("48 KB", 48_000)] {
        let body = chat(size);
        criterion.bench_function(&format!("read {name}"), |bencher| {
            bencher.iter(|| read(Endpoint::ChatCompletions, black_box(&body)).unwrap());
        });
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let cap = CapEdit { at_most: Tokens::new(500), write: Some(CapField::MaxCompletionTokens) };
        let edits = Edits {
            model: Some("gpt-4o-2024-08-06"),
            cap: Some(cap),
            ask_usage: true,
            ..Edits::default()
        };
        criterion.bench_function(&format!("edit {name}"), |bencher| {
            bencher.iter(|| edit(black_box(&body), &ask, &edits));
        });
    }
}

fn streams(criterion: &mut Criterion) {
    let chunk = Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-tg0001\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\
          \"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\
          \"fp_tg01\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\
          \"finish_reason\":null}],\"usage\":null}\n\n",
    );
    let end = Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-tg0001\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\
          \"completion_tokens\":100,\"total_tokens\":112}}\n\ndata: [DONE]\n\n",
    );
    criterion.bench_function("tap 100 chunks", |bencher| {
        let mut out = VecDeque::new();
        bencher.iter(|| {
            let mut tap = Tap::new(Endpoint::ChatCompletions, true);
            for _ in 0..100 {
                tap.push(black_box(&chunk).clone(), &mut out);
                out.clear();
            }
            tap.push(end.clone(), &mut out);
            tap.finish(&mut out);
            out.clear();
            tap.into_tally().usage.unwrap()
        });
    });
}

criterion_group!(benches, bodies, streams);
criterion_main!(benches);
