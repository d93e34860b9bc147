use tollgate_units::PicoUsd;

use super::*;
use crate::crowd::{Crowd, Ending, Outcome, Refused};
use crate::score::Score;

fn outcome(person: usize, ending: Ending) -> Outcome {
    Outcome {
        ending,
        first_byte: None,
        input: Tokens::new(50_000),
        model: "gpt-4o-mini",
        output: Tokens::new(200),
        person,
        sent_at: Span::from_secs(1),
        stream: false,
        total: Span::from_millis(5),
    }
}

fn frame() -> Frame {
    let crowd = Crowd::new(1, LASTS);
    let mut score = Score::new(&crowd);
    let answered = Ending::Answered { input: Tokens::new(12_000), output: Tokens::new(200) };
    let refused = |reason: &str| {
        Ending::Refused(Refused { limits: vec![reason.to_owned()], ..Refused::default() })
    };
    for person in 0..crowd.people().len() {
        score.note(&outcome(person, answered.clone()));
    }
    score.note(&outcome(1, refused("6k tokens per day per user")));
    score.note(&outcome(1, refused("6k tokens per day per user")));
    score.note(&outcome(1, refused("60 requests per minute per user")));
    score.note(&outcome(2, Ending::Failed(Some(502))));
    let gate = Gate {
        held: Tokens::new(1500),
        reserved: Tokens::new(1_234_567),
        saved: NanoUsd::new(22_860_000),
        spent: NanoUsd::new(15_360_000),
        used: Tokens::new(97_600),
    };
    let provider = Counters {
        billed: PicoUsd::new(15_360_000_000),
        in_flight: 3,
        in_flight_max: 7,
        output_tokens: 1600,
        prompt_tokens: 96_000,
        seen: 9,
        ..Counters::default()
    };
    Frame {
        elapsed: Span::from_secs(12),
        gate,
        lasts: LASTS,
        provider,
        rows: score.rows().to_vec(),
    }
}

#[test]
fn a_second_is_one_line() {
    let expected = " 12 s  sent   12  answered    8  refused    3  in flight   3  \
                    tokens reserved 1,234,567  used    97,600  spent  $0.0154  saved  $0.0229";
    assert_eq!(line(&frame()), expected);
    assert_eq!(frame().left(), Span::from_secs(48));
}

#[test]
fn the_summary_names_everybody_and_what_refused_them() {
    let expected = include_str!("../../tests/data/demo_summary.txt");
    assert_eq!(summary(&frame()).join("\n") + "\n", expected);
}

#[test]
fn numbers_read_as_people_write_them() {
    let rows = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
    for (number, text) in rows {
        assert_eq!(count(number), text);
    }
    assert_eq!(dollars(NanoUsd::new(1)), "$0.0001");
    assert_eq!(dollars(NanoUsd::new(1_500_000_000_000)), "$1,500.0000");
}

#[test]
fn the_settings_name_only_variables_that_there_are() {
    let names: Vec<_> = SETTINGS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once("${")?.1.split_once('}').map(|(name, _)| name))
        .collect();
    assert_eq!(names.len(), 9);
    let mut values: Vec<_> = names
        .iter()
        .map(|name| variable(name, "http://127.0.0.1:1/v1", 1).unwrap_or_else(|| panic!("{name}")))
        .collect();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), names.len(), "no two are the same");
    assert!(values.iter().all(|value| value.len() >= 16));
    assert_eq!(variable("HOME", "", 1), None);
}

#[test]
fn everybody_with_a_key_has_it_in_the_settings() {
    for person in Crowd::new(1, LASTS).people() {
        let Some(name) = person.key() else { continue };
        let entry = format!(
            "  - name: {name}\n    secret: ${{DEMO_KEY_{}}}\n    tier: {}\n",
            name.to_ascii_uppercase(),
            person.tier
        );
        assert!(SETTINGS.contains(&entry), "{entry}");
        let value = variable(&format!("DEMO_KEY_{}", name.to_ascii_uppercase()), "", 5);
        assert_eq!(value, Some(secret_of(name, 5)));
    }
}
