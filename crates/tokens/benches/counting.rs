//! How fast text is counted: warm, cold, hostile, with the plain library beside it.
//!
//! Promised: a kilobyte of English in at most 5 µs, and 2 MB/s on anything. `cold` counts on a
//! thread that remembers nothing; `library` is `bpe-openai` by itself on the same text.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tollgate_tokens::{Encoding, count_text, warm};

fn counting(criterion: &mut Criterion) {
    for encoding in [Encoding::Cl100k, Encoding::O200k] {
        warm(encoding);
        let mut group = criterion.benchmark_group(format!("{encoding:?}"));
        group.sample_size(20).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        for (name, text) in texts() {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(BenchmarkId::new("warm", name), &text, |bencher, text| {
                bencher.iter(|| count_text(encoding, black_box(text)));
            });
            group.bench_with_input(BenchmarkId::new("cold", name), &text, |bencher, text| {
                bencher.iter_custom(|rounds| (0..rounds).map(|_| cold(encoding, text)).sum());
            });
            group.bench_with_input(BenchmarkId::new("library", name), &text, |bencher, text| {
                bencher.iter(|| library(encoding, black_box(text)));
            });
        }
        group.finish();
    }
}

/// The time of one count on a new thread, without the thread's start.
fn cold(encoding: Encoding, text: &str) -> Duration {
    let timed = || {
        let start = Instant::now();
        black_box(count_text(encoding, black_box(text)));
        start.elapsed()
    };
    thread::scope(|scope| scope.spawn(timed).join()).unwrap_or_default()
}

fn library(encoding: Encoding, text: &str) -> usize {
    match encoding {
        Encoding::Cl100k => bpe_openai::cl100k_base().count(text),
        Encoding::O200k => bpe_openai::o200k_base().count(text),
    }
}

fn texts() -> Vec<(&'static str, String)> {
    let mut state = 20_261_122_u64;
    let mut dice = move |sides: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    let mut draw = |alphabet: &str, bytes: usize| {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut text = String::with_capacity(bytes);
        while text.len() < bytes {
            text.extend(letters.get(usize::try_from(dice(letters.len() as u64)).unwrap_or(0)));
        }
        text
    };
    let scripts: String = (0x20..0x3100_u32).step_by(7).filter_map(char::from_u32).collect();
    vec![
        ("english 1 KB", ENGLISH.chars().take(1024).collect()),
        ("mixed 50 KB", [ENGLISH, CODE, CHINESE, JSON].concat().repeat(24)),
        ("chinese 100 KB", CHINESE.repeat(460)),
        ("letter 100 KB", "a".repeat(102_400)),
        ("spaces 100 KB", " ".repeat(102_400)),
        ("spaces 1 MB and x", format!("{}x", " ".repeat(1_000_000))),
        ("99 spaces and x 100 KB", format!("{}x", " ".repeat(99)).repeat(1024)),
        ("marks 100 KB", "!".repeat(102_400)),
        ("emoji 100 KB", "👨‍👩‍👧‍👦😀".repeat(3531)),
        ("random letters 100 KB", draw("abcdefghijklmnopqrstuvwxyz", 102_400)),
        ("random capitals 100 KB", draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 102_400)),
        ("random dots 100 KB", draw("!.,;:?-_/()[]{}<>@#$%^&*+=~", 102_400)),
        ("two letters 100 KB", draw("ab", 102_400)),
        (
            "base64 100 KB",
            draw("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 102_400),
        ),
        (
            "unbroken chinese 100 KB",
            draw("的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出", 102_400),
        ),
        ("mixed scripts 100 KB", draw(&scripts, 102_400)),
    ]
}

const ENGLISH: &str = "\
    The gateway stands between a great many callers and a few paid models. It knows who is \
    asking, what the request may cost, whether every limit has room, and which provider can \
    take it; afterwards it knows what it really cost. A caller who sends a long prompt should \
    not have to wait for somebody else's, and nobody's budget should be spent by a mistake in a \
    loop that ran all night. So the first thing that happens to a request is that it is \
    counted: not guessed at, but counted, because the difference between a guess and a count is \
    somebody's money. Counting has to be quick, however, or the gateway would be slower than \
    the thing it guards, and it has to stay quick when the text was written by someone who \
    wishes it were not. Most of what people write is made of the same few thousand words, over \
    and over, with a space in front of each. A table of those words and how many tokens each of \
    them makes is small enough to sit close to the processor, and looking one up takes less \
    time than splitting the next one off. That is the whole trick, and the rest of this text is \
    here to make it a kilobyte long.";

const CODE: &str = "impl Bucket {
    /// Whether `amount` has room now, or when it will have.
    pub fn room(&self, rate: &Rate, amount: Amount) -> Result<(), Wait> {
        if amount > rate.burst {
            return Err(Wait::Never);
        }
        let level = self.level.plus(amount);
        match level.less(rate.brim()) {
            Ticks::ZERO => Ok(()),
            over => Err(Wait::Until(self.at.plus(rate.time_to_drain(over)))),
        }
    }
}
";

const CHINESE: &str = "网关位于众多调用者和少数付费模型之间。它知道谁在请求、请求可能花费多少、\
每个限额是否还有余量，以及哪个提供商可以接受请求；事后它知道实际花费了多少。";

const JSON: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"What is 2+2?"}],
"temperature":0.7,"max_tokens":256,"stream":true,"tools":[{"type":"function","function":{
"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}"#;

criterion_group!(benches, counting);
criterion_main!(benches);
