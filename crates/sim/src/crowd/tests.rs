use super::*;

const MINUTE: Span = Span::from_secs(60);

fn minute(seed: u64) -> Vec<Call> {
    let mut crowd = Crowd::new(seed, MINUTE);
    core::iter::from_fn(|| crowd.next_call()).collect()
}

fn number_of(crowd: &Crowd, name: &str) -> usize {
    crowd.people().position(|person| person.name == name).unwrap()
}

fn refusal(person: usize, sent_at: Span, refused: Refused) -> Outcome {
    Outcome {
        ending: Ending::Refused(refused),
        first_byte: None,
        input: Tokens::new(10),
        model: "gpt-4o-mini",
        output: Tokens::new(10),
        person,
        sent_at,
        stream: false,
        total: Span::from_millis(1),
    }
}

#[test]
fn the_same_seed_makes_the_same_minute() {
    assert_eq!(minute(1), minute(1));
    assert_ne!(minute(1), minute(2));
}

#[test]
fn calls_come_in_order_from_everybody_and_within_the_minute() {
    for seed in 0..3 {
        let calls = minute(seed);
        assert!(calls.is_sorted_by_key(|call| call.at), "seed {seed}");
        assert!(calls.iter().all(|call| call.at < MINUTE), "seed {seed}");
        for (number, person) in Crowd::new(seed, MINUTE).people().enumerate() {
            let own = calls.iter().filter(|call| call.person == number).count();
            assert!(own >= 8, "seed {seed}: {} calls {own} times", person.name);
        }
        // Enough to be interesting, few enough for any machine.
        assert!((250..900).contains(&calls.len()), "seed {seed}: {}", calls.len());
    }
}

#[test]
fn a_body_is_what_the_call_says() {
    // Longer prompts are the same words again.
    let calls = minute(3).into_iter().filter(|call| call.input < Tokens::new(5000));
    for call in calls {
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body["model"], call.model);
        assert_eq!(body["stream"].as_bool().unwrap_or(false), call.stream);
        let prompt = body["messages"][0]["content"].as_str().unwrap();
        assert!(prompt.starts_with(&format!("[[tokens:{}]]", call.output.get())));
        let counted = bpe_openai::o200k_base().count(prompt) as u64;
        assert!(counted.abs_diff(call.input.get()) < 12, "{counted} for {:?}", call.input);
    }
}

#[test]
fn the_agent_asks_for_more_each_time() {
    let agent = number_of(&Crowd::new(1, MINUTE), "agent");
    let calls = minute(1);
    let inputs: Vec<_> = calls.iter().filter(|call| call.person == agent).collect();
    assert!(inputs.windows(2).all(|pair| pair[1].input > pair[0].input));
}

#[test]
fn who_listens_waits_as_long_as_it_was_told() {
    let rows = [
        // A short wait is waited for; a no that does not help costs patience; the bot has none.
        ("mia", Some(9000), None, 10_001),
        ("mia", Some(86_400_000), Some(false), 6_001),
        ("mia", None, Some(false), 6_001),
        ("agent", None, Some(false), 3_001),
        ("bot", Some(9000), None, 4_000),
    ];
    for (name, wait, should_retry, earliest) in rows {
        let mut crowd = Crowd::new(1, MINUTE);
        let person = number_of(&crowd, name);
        let wait = wait.map(Span::from_millis);
        let refused = Refused { wait, should_retry, status: 429, ..Refused::default() };
        crowd.heard(&refusal(person, Span::from_secs(1), refused));
        let next = core::iter::from_fn(|| crowd.next_call()).find(|call| call.person == person);
        assert_eq!(next.unwrap().at, Span::from_millis(earliest), "{name}");
    }
}

#[test]
fn who_was_told_to_wait_for_longer_than_the_demo_lasts_calls_no_more() {
    let mut crowd = Crowd::new(1, MINUTE);
    let mia = number_of(&crowd, "mia");
    let refused = Refused { wait: Some(MINUTE), ..Refused::default() };
    crowd.heard(&refusal(mia, Span::ZERO, refused));
    assert!(core::iter::from_fn(|| crowd.next_call()).all(|call| call.person != mia));
}
