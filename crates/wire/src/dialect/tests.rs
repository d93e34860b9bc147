use super::*;
use crate::Usage;
use crate::limits::told::may_tell;
use tollgate_units::Tokens;

#[test]
fn a_provider_is_known_by_its_kind_or_its_host() {
    let table = [
        ("openai", "api.openai.com", "openai"),
        ("openai", "API.OpenAI.com:443", "openai"),
        ("openai", "eu.api.openai.com", "openai"),
        ("openai", "my.openai.azure.com", "azure-openai"),
        ("openai", "api.groq.com", "groq"),
        ("openai", "api.mistral.ai", "mistral"),
        ("openai", "openrouter.ai", "openrouter"),
        ("openai", "generativelanguage.googleapis.com", "gemini"),
        ("openai", "notapi.openai.com.example", "compatible"),
        ("openai", "evilapi.openai.com", "compatible"),
        ("openai", "localhost:8000", "compatible"),
        ("openai", "[::1]:8000", "compatible"),
        ("openai", "", "compatible"),
        ("anthropic", "localhost", "anthropic"),
        ("azure-openai", "localhost", "azure-openai"),
        ("cohere", "localhost", "cohere"),
        ("gemini", "localhost", "gemini"),
    ];
    for (kind, host, name) in table {
        assert_eq!(dialect_of(kind, host).name, name, "{kind} at {host}");
    }
}

#[test]
fn every_dialect_can_be_told_from_every_other() {
    for (at, dialect) in DIALECTS.iter().enumerate() {
        for other in DIALECTS.iter().skip(at + 1) {
            assert_ne!(dialect.name, other.name);
            for host in dialect.hosts {
                assert!(!other.hosts.iter().any(|suffix| is_within(host, suffix)), "{host}");
                assert!(!other.hosts.iter().any(|suffix| is_within(suffix, host)), "{host}");
            }
        }
    }
}

#[test]
fn headers_and_sayings_are_written_as_they_are_looked_for() {
    let lower = |text: &str| !text.is_empty() && text == text.to_ascii_lowercase();
    for dialect in DIALECTS.iter().chain([&&compatible::DIALECT]) {
        for limit in dialect.limits {
            let names = [limit.limit, limit.remaining, limit.reset];
            for name in names.into_iter().flatten() {
                assert!(lower(name) && may_tell(name), "{name}");
            }
        }
        for rule in dialect.errors.iter().chain(compatible::ERRORS) {
            let (Says::Code(words) | Says::Opening(words) | Says::Words(words)) = rule.says;
            assert!(matches!(rule.says, Says::Code(_)) || lower(words), "{rule:?}");
            // What is wrong with a request is often told in the request's own words.
            assert!(!rule.at.contains(&400) || !matches!(rule.says, Says::Words(_)), "{rule:?}");
        }
    }
}

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap())
}

#[test]
fn calendars_turn_when_the_wall_clock_does() {
    use Calendar::{DayPacific, DayUtc, MonthUtc};
    let table = [
        (DayPacific, "2026-01-15T12:00:00Z", "2026-01-16T08:00:00Z"),
        (DayPacific, "2026-07-15T12:00:00Z", "2026-07-16T07:00:00Z"),
        (DayPacific, "2026-07-15T06:59:59Z", "2026-07-15T07:00:00Z"),
        (DayPacific, "2026-07-15T07:00:00Z", "2026-07-16T07:00:00Z"),
        // Summer time begins on 8 March 2026 and ends on 1 November 2026, both at two o'clock.
        (DayPacific, "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
        (DayPacific, "2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
        (DayUtc, "2026-08-31T23:59:59Z", "2026-09-01T00:00:00Z"),
        (DayUtc, "2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z"),
        (MonthUtc, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (MonthUtc, "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"),
    ];
    for (calendar, now, turn) in table {
        assert_eq!(calendar.turns_after(at(now)), at(turn), "{calendar:?} at {now}");
    }
    assert_eq!(DayPacific.turns_after(Timestamp::MAX), Timestamp::MAX);
}

#[test]
fn a_request_is_charged_by_its_providers_own_rule() {
    use Counted::{InputTokens, OutputTokens, Requests, Tokens as Both};
    let tokens = Tokens::new;
    let request = Weighed {
        characters: 4_001,
        prompt: tokens(900),
        cached: tokens(300),
        cap: tokens(500),
        answers: 2,
    };
    let usage = Usage {
        input: tokens(950),
        cached_input: tokens(400),
        output: tokens(77),
        ..Usage::default()
    };
    let table = [
        ("openai", "api.openai.com", Both, 1_001, 1_001),
        ("openai", "api.openai.com", Requests, 0, 0),
        ("azure-openai", "", Both, 1_900, 1_900),
        ("anthropic", "", InputTokens, 600, 550),
        ("anthropic", "", OutputTokens, 0, 77),
        ("openai", "api.groq.com", Both, 1_600, 627),
        ("openai", "api.mistral.ai", Both, 0, 1_027),
        ("gemini", "", InputTokens, 900, 950),
        ("gemini", "", OutputTokens, 0, 0),
        ("cohere", "", Both, 0, 0),
        ("openai", "localhost", Both, 0, 1_027),
    ];
    for (kind, host, counts, before, after) in table {
        let rule = dialect_of(kind, host).reserve;
        let charged = rule.before(counts, &request);
        assert_eq!(charged, tokens(before), "{kind} {host} {counts:?}");
        assert_eq!(rule.after(counts, charged, &usage), tokens(after), "{kind} {host} {counts:?}");
    }
    let long = Weighed { cap: tokens(4_000), ..request };
    let openai = dialect_of("openai", "api.openai.com").reserve;
    assert_eq!(openai.before(Both, &long), tokens(4_000));
}
