//! Files that are wrong, and how it is said.

use super::{OPENAI, REST, environment, read, wrong};

#[test]
fn every_mistake_of_a_file_is_shown_at_once_and_in_its_place() {
    assert_eq!(wrong(include_str!("wrong.yaml")), include_str!("wrong.txt").trim_end());
}

#[test]
fn every_key_that_is_not_acted_on_says_so_at_its_line() {
    let later = include_str!("later.yaml");
    let shown = wrong(later);
    let mistakes: Vec<&str> = shown.split("\n\n").collect();
    let expected: Vec<usize> = (1..)
        .zip(later.lines())
        .filter(|(_, line)| line.contains("# later"))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(mistakes.len(), expected.len(), "{shown}");
    for (mistake, line) in mistakes.iter().zip(expected) {
        assert!(mistake.starts_with(&format!("tollgate.yaml:{line}:")), "line {line}:\n{mistake}");
        assert!(mistake.ends_with("is not supported by this version yet"), "{mistake}");
    }
}

#[test]
fn a_mistake_in_a_sentence_is_found_however_yaml_writes_it() {
    let table = [
        (
            "limits: [500k tokens per dya]",
            "limits: [500k tokens per dya]\n                           ^^^ expected a period",
        ),
        (
            "limits: [\"500k tokens per dya\"]",
            "limits: [\"500k tokens per dya\"]\n                            ^^^ expected a period",
        ),
        (
            "limits:\n- '500k tokens per dya'",
            "- '500k tokens per dya'\n                     ^^^ expected a period",
        ),
        (
            "limits:\n  - >-\n    500k tokens\n    per dya per user",
            "per dya per user\n      ^^^ expected a period",
        ),
        (
            "limits:\n  - 500k tokens\n    per dya per user",
            "per dya per user\n      ^^^ expected a period",
        ),
        (
            "limits:\n  - 500k tokens per",
            "- 500k tokens per\n                   ^ expected a period",
        ),
        // Where an escape hides the place, the whole value is meant.
        (
            "limits: [\"500k tokens per d\\x79a\"]",
            "limits: [\"500k tokens per d\\x79a\"]\n           ^^^^^^^^^^^^^^^^^^^^^^^^ expected a period",
        ),
        (
            "# ä ö\nlimits: [500k tökens per day]",
            "limits: [500k tökens per day]\n                ^^^^^^ expected a unit",
        ),
    ];
    for (limits, expected) in table {
        let shown = wrong(&format!("{OPENAI}{REST}{limits}\n"));
        assert!(shown.contains(expected), "{limits}\nis shown as\n{shown}\nand not as\n{expected}");
    }
}

#[test]
fn what_contradicts_is_the_only_mistake() {
    for (expected, text) in blocks(include_str!("contradictions.txt")) {
        let shown = wrong(&format!("{OPENAI}{REST}{text}"));
        assert!(shown.contains(expected), "{text}\nis shown as\n{shown}");
        assert_eq!(shown.matches("tollgate.yaml:").count(), 1, "{shown}");
    }
}

#[test]
fn what_is_missing_is_a_mistake() {
    for (expected, text) in blocks(include_str!("providers.txt")) {
        let shown = wrong(text);
        assert!(shown.contains(expected), "{text}\nis shown as\n{shown}");
    }
}

#[test]
fn a_downgrade_leads_to_a_model_of_the_tier_and_never_round() {
    let file = |models: &str, tier: &str, rest: &str| {
        format!(
            "{OPENAI}models:\n  a: {{serve: [openai/gpt-4o]{models}}}\n  b: {{serve: \
             [openai/gpt-4o-mini]}}\n  c: {{serve: [openai/gpt-4.1]}}\ntiers:\n  pro:\n    \
             models: [a, b]\n    limits: [{tier}]\n{rest}"
        )
    };
    let to = |model: &str, per: &str| format!("'9 requests per {per}, then downgrade to {model}'");
    let on_model = |model: &str| format!(", limits: [{}]", to(model, "day"));
    let table = [
        (file("", &to("c", "day"), ""), "c is not on this tier's list of models"),
        (file(&on_model("a"), "", ""), "a cannot stand in for itself"),
        (
            file("", &format!("{}, {}", to("b", "day"), to("a", "hour")), ""),
            "from a another limit leads to b, and this one back",
        ),
        (
            file(&on_model("b"), &to("a", "day"), ""),
            "from a another limit leads to b, and this one back",
        ),
        (
            file("", &to("b", "day"), &format!("limits: [{}]", to("a", "day"))),
            "from a another limit leads to b, and this one back",
        ),
    ];
    for (text, expected) in table {
        let shown = wrong(&text);
        assert!(shown.contains(expected), "{text}\nis shown as\n{shown}");
        assert_eq!(shown.matches("tollgate.yaml:").count(), 1, "{shown}");
    }
    let only = format!("  small: {{models: [b], limits: [{}]}}\n", to("b", "day"));
    let shown = wrong(&file("", "", &only));
    assert!(shown.contains("b is this tier's only model"), "{shown}");
    let both = format!("{}, {}", to("b", "day"), to("b", "hour"));
    assert!(read(&file("", &both, "")).is_ok(), "two limits may lead the same way");
    assert!(read(&file(&on_model("b"), &to("b", "hour"), "")).is_ok());
}

/// Files parted by lines with what is expected of them.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("=== ").skip(1).map(|block| block.split_once('\n').expect("two parts"))
}

#[test]
fn a_url_is_a_host_and_a_path() {
    let bad = [
        "ftp://a",
        "http://",
        "https://user@a",
        "https://user:pw@a/v1",
        "https://a/v1?x=1",
        "https://a/v1#x",
        "a.example.com/v1",
        "https://a b",
        "https://a:99999",
        "https://[::1",
        "https://a\\b",
        "HTTP//a",
        "https://ä.de",
    ];
    for url in bad {
        let text = format!("providers: {{openai: {{api_key: x, base_url: '{url}'}}}}{REST}");
        assert!(wrong(&text).contains("expected an http or https URL"), "{url}");
    }
    for url in ["http://a", "https://a.b:8000/v1/", "http://[::1]:80/x", "https://a_b-c"] {
        let text = format!("providers: {{openai: {{api_key: x, base_url: '{url}'}}}}{REST}");
        assert!(read(&text).is_ok(), "{url}");
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_a_mistake_without_its_value() {
    let table = [
        ("${NOWHERE}", "the environment variable NOWHERE is not set"),
        ("${EMPTY}", "the environment variable EMPTY is empty"),
        ("${SHORT}", "at least 16 characters"),
        ("${SPACED}", "printable ASCII characters without spaces"),
        ("Bearer ${WEB_KEY}", "nothing around it"),
        ("${A-B}", "the name of an environment variable"),
        ("${file:/nowhere/key}", "/nowhere/key cannot be read"),
        ("${file:}", "expected ${file:PATH}"),
    ];
    for (secret, expected) in table {
        let shown = wrong(&format!("admin_token: '{secret}'\n{OPENAI}{REST}"));
        assert!(shown.contains(expected), "{shown}");
        for name in ["SHORT", "SPACED", "WEB_KEY"] {
            assert!(!shown.contains(&environment(name).expect("a variable")), "{shown}");
        }
    }
}

#[test]
fn no_mistake_shows_what_stands_where_a_secret_belongs() {
    let table = [
        format!("{OPENAI}{REST}keys: [{{name: a, tier: fre, secret: hunter2hunter2hunter2}}]"),
        format!("{OPENAI}{REST}keys: [{{name: a, tier: free, secret: hunter2}}]"),
        format!("{OPENAI}{REST}keys: [{{name: a, tier: free, secert: hunter2}}]"),
        format!("{OPENAI}{REST}keys: [{{name: a, tier: free, secret: [hunter2]}}]"),
        format!("{OPENAI}{REST}keys: [{{name: a, tier: free, secret: {{x: hunter2}}, y: 1}}]"),
        format!("{OPENAI}{REST}admin_token: |\n  hunter2\n  and more\n"),
        format!("{OPENAI}{REST}admin-token: hunter2\n"),
        format!("providers: {{openai: {{apikey: hunter2}}}}{REST}"),
        format!("providers: {{openai: {{api_key: 'hunter2 x'}}}}{REST}"),
        // Not even YAML.
        format!("{OPENAI}{REST}admin_token: 'hunter2\nlisten: x"),
        format!("{OPENAI}{REST}admin_token: hunter2: x"),
        format!("providers: {{openai: {{api_key: [hunter2}}}}{REST}"),
        format!("{OPENAI}{REST}admin_token: *hunter2"),
        format!("{OPENAI}{REST}admin_token: !hunter2 x"),
        format!("{OPENAI}{REST}admin_token: !hunter2\nlisten: x"),
        format!("{OPENAI}{REST}admin_token: &hunter2\nlisten: x"),
        format!("providers: {{openai: {{api_key: x, base_url: 'http://me:hunter2@a'}}}}{REST}"),
    ];
    for text in table {
        let shown = wrong(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn the_wrong_file_has_too_many_mistakes_to_show() {
    let many: Vec<String> = (0..300).map(|number| format!("key{number}: 1")).collect();
    let many = many.join("\n");
    let shown = wrong(&many);
    assert!(shown.ends_with("and 203 more"), "{}", &shown[shown.len() - 200..]);
}

#[test]
fn a_long_line_is_shown_around_its_mistake() {
    let tools = vec!["search"; 5_000].join(", ");
    let guardrails =
        format!("guardrails: {{tools: [{tools}], max_input_tokens: lots, x: [{tools}]}}");
    let shown = wrong(&format!("{OPENAI}{REST}{guardrails}"));
    let first: Vec<&str> = shown.lines().take(3).collect();
    assert!(first[1].starts_with("  … ") && first[1].ends_with(" …"), "{first:?}");
    let column = first[2].find('^').expect("a caret");
    let under: String = first[1].chars().skip(column).take(4).collect();
    assert_eq!(under, "lots");
    assert!(shown.lines().all(|line| line.chars().count() < 250), "{shown}");
}
