//! What is found, by whom, for how long, and what makes room: tables, and a law against a list.

use proptest::prelude::*;

use super::*;
use crate::clock::ClockHand;

const HOUR: Span = Span::from_secs(3600);
const BOUNDS: AnswerBounds = AnswerBounds { bytes_max: 1 << 20, ttl: HOUR };

fn answers(bounds: AnswerBounds) -> (Answers, ClockHand) {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_795_330_800_000));
    (Answers::in_memory(bounds, clock).unwrap(), hand)
}

fn key(scope: u128, request: u8) -> AnswerKey {
    AnswerKey { scope, request: [request; 32] }
}

fn kept(body: &str) -> Kept {
    let content_type = "application/json".to_owned();
    let (input, output) = (Tokens::new(3), Tokens::new(5));
    Kept { content_type, body: body.into(), model: "gpt-4o-mini".to_owned(), input, output }
}

/// Waits until everything put so far is committed or given up.
fn written(answers: &Answers) {
    while answers.unwritten() > 0 {
        std::thread::yield_now();
    }
}

fn put(answers: &Answers, key: AnswerKey, body: &str) {
    answers.put(key, kept(body));
    written(answers);
}

fn body(answers: &Answers, key: AnswerKey) -> Option<String> {
    let found = answers.get(key).unwrap()?;
    Some(String::from_utf8(found.kept.body).unwrap())
}

#[test]
fn an_answer_is_found_whole_and_under_its_own_key_only() {
    let (answers, hand) = answers(BOUNDS);
    put(&answers, key(1, 7), "Hello");
    hand.advance(Span::from_secs(5));
    let age = Span::from_secs(5);
    let found = Found { kept: kept("Hello"), age, is_fresh: true };
    assert_eq!(answers.get(key(1, 7)), Ok(Some(found)));
    assert_eq!(answers.get(key(2, 7)), Ok(None));
    assert_eq!(answers.get(key(1, 8)), Ok(None));
}

#[test]
fn keys_of_one_mark_are_still_two() {
    let mut twin = key(0, 7);
    twin.request[7] ^= 1;
    assert_eq!(twin.mark(), key(1, 7).mark());
    let (answers, _hand) = answers(BOUNDS);
    put(&answers, key(1, 7), "Hello");
    assert!(answers.may_have(twin));
    assert_eq!(answers.get(twin), Ok(None));
}

#[test]
fn an_answer_is_fresh_for_its_time_then_stale_then_gone() {
    let (answers, hand) = answers(BOUNDS);
    put(&answers, key(1, 7), "Hello");
    let is_fresh = |answers: &Answers| answers.get(key(1, 7)).unwrap().map(|it| it.is_fresh);
    let tick = Span::from_millis(1);
    hand.advance(HOUR.less(tick));
    assert_eq!(is_fresh(&answers), Some(true));
    hand.advance(tick);
    assert_eq!(is_fresh(&answers), Some(false));
    hand.advance(BOUNDS.gone_after().less(HOUR).less(tick));
    assert_eq!(is_fresh(&answers), Some(false));
    hand.advance(tick);
    assert_eq!(is_fresh(&answers), None);
    put(&answers, key(1, 8), "Bye");
    assert_eq!((answers.count(), answers.bytes()), (1, kept("Bye").weight() as u64));
}

#[test]
fn a_later_answer_takes_the_place_of_an_earlier_one() {
    let (answers, hand) = answers(BOUNDS);
    put(&answers, key(1, 7), "Hello");
    hand.advance(HOUR);
    put(&answers, key(1, 7), "Hello again");
    let found = answers.get(key(1, 7)).unwrap().unwrap();
    assert_eq!((found.kept, found.is_fresh), (kept("Hello again"), true));
    assert_eq!((answers.count(), answers.bytes()), (1, kept("Hello again").weight() as u64));
}

#[test]
fn what_is_too_long_is_not_kept_and_takes_nothing_away() {
    let (answers, _hand) = answers(AnswerBounds { bytes_max: 4 << 20, ttl: HOUR });
    put(&answers, key(1, 7), "Hello");
    put(&answers, key(1, 8), &"x".repeat(ANSWER_BYTES_MAX));
    put(&answers, key(1, 9), &"x".repeat(ANSWER_BYTES_MAX + 1));
    let lengths = [7, 8, 9].map(|request| body(&answers, key(1, request)).map(|it| it.len()));
    assert_eq!(lengths, [Some(5), Some(ANSWER_BYTES_MAX), None]);
    let small = AnswerBounds { bytes_max: kept("Hello").weight() as u64, ttl: HOUR };
    let (answers, _hand) = self::answers(small);
    put(&answers, key(1, 7), "Hello");
    put(&answers, key(1, 8), "Hello!");
    assert_eq!(body(&answers, key(1, 7)).as_deref(), Some("Hello"));
    assert_eq!(body(&answers, key(1, 8)), None);
    assert_eq!(answers.dropped(), 0);
}

#[test]
fn more_than_the_queue_takes_is_dropped_and_counted() {
    let (answers, _hand) = answers(AnswerBounds { bytes_max: 64 << 20, ttl: HOUR });
    let large = "x".repeat(ANSWER_BYTES_MAX);
    // Whoever reads holds the file, so nothing leaves the queue but what is being written.
    let file = lock(&answers.books.file);
    for request in 0..20 {
        answers.put(key(1, request), kept(&large));
    }
    // Fifteen with their names are less than sixteen megabytes, and sixteen are more.
    assert_eq!((answers.unwritten(), answers.dropped()), (15, 5));
    drop(file);
    written(&answers);
    assert_eq!(answers.count(), 15);
    put(&answers, key(1, 19), "Hello");
    assert_eq!(body(&answers, key(1, 19)).as_deref(), Some("Hello"));
}

#[test]
fn what_is_put_after_the_end_is_dropped() {
    let (answers, _hand) = answers(BOUNDS);
    answers.put(key(1, 7), kept("Hello"));
    answers.close().unwrap();
    answers.put(key(1, 8), kept("Bye"));
    assert_eq!(body(&answers, key(1, 7)).as_deref(), Some("Hello"));
    assert_eq!((answers.dropped(), answers.unwritten()), (1, 0));
}

#[test]
fn what_was_said_is_in_no_log() {
    let shown = format!("{:?}", kept("a secret"));
    assert!(shown.contains("8 bytes") && !shown.contains("secret"), "{shown}");
}

/// What can happen to the store.
#[derive(Clone, Debug)]
enum Step {
    Advance(Span),
    Get(AnswerKey),
    Put(AnswerKey, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || (0_u128..3, 0_u8..4).prop_map(|(scope, request)| key(scope, request));
    prop_oneof![
        2 => (1_u64..40).prop_map(|quarters| Step::Advance(Span::from_secs(quarters * 900))),
        5 => key().prop_map(Step::Get),
        4 => (key(), 0_usize..900).prop_map(|(key, length)| Step::Put(key, length)),
    ]
}

/// The same as a list, the oldest first.
#[derive(Default)]
struct Oracle {
    kept: Vec<(AnswerKey, Kept, Timestamp)>,
}

impl Oracle {
    fn bytes(&self) -> u64 {
        self.kept.iter().map(|(_, kept, _)| kept.weight() as u64).sum()
    }

    fn put(&mut self, bounds: AnswerBounds, (key, kept): (AnswerKey, Kept), now: Timestamp) {
        self.kept.retain(|(other, _, at)| *other != key && now.since(*at) < bounds.gone_after());
        self.kept.push((key, kept, now));
        while self.bytes() > bounds.bytes_max {
            self.kept.remove(0);
        }
    }

    fn get(&self, bounds: AnswerBounds, key: AnswerKey, now: Timestamp) -> Option<Found> {
        let (_, kept, at) = self.kept.iter().find(|(other, ..)| *other == key)?;
        let age = now.since(*at);
        let found = Found { kept: kept.clone(), age, is_fresh: age < bounds.ttl };
        (age < bounds.gone_after()).then_some(found)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// So no answer is ever found from another scope, by another request or beyond its time.
    #[test]
    fn what_is_found_is_what_a_list_would_find(steps in prop::collection::vec(step(), 1..60)) {
        let bounds = AnswerBounds { bytes_max: 4000, ttl: HOUR };
        let (answers, hand) = answers(bounds);
        let mut oracle = Oracle::default();
        for (number, step) in steps.iter().enumerate() {
            let now = answers.books.clock.now();
            match step {
                Step::Advance(span) => hand.advance(*span),
                Step::Get(key) => {
                    let found = answers.get(*key).unwrap();
                    prop_assert_eq!(found, oracle.get(bounds, *key, now), "step {}", number);
                }
                Step::Put(key, length) => {
                    // Each body tells which it is.
                    let kept = kept(&format!("{number:x>length$}"));
                    answers.put(*key, kept.clone());
                    written(&answers);
                    oracle.put(bounds, (*key, kept), now);
                    prop_assert_eq!(answers.bytes(), oracle.bytes(), "step {}", number);
                    prop_assert!(answers.bytes() <= bounds.bytes_max);
                    prop_assert_eq!(answers.count(), oracle.kept.len());
                }
            }
        }
    }
}
