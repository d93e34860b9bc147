//! Right and wrong files, and the same through another reader.

use proptest::prelude::*;

use super::*;

const WHOLE: &str = "
bucket:
  capacity: 60
  refill: 3 per second
  burst: 7
queue: {waiting: 50, wait: 2m}
retry:
  attempts: 3
  base: 250ms
  cap: 10s
  budget: 20%
  retry_after_max: 1h
breaker:
  failures: 9
  error_rate: 40%
  least: 30
  window: 20s
  cooldown: 3s
";

#[test]
fn every_key_is_read() {
    let expected = Config {
        bucket: BucketConfig {
            capacity: Amount::new(60),
            refill: Amount::new(3),
            burst: Amount::new(7),
        },
        queue: QueueConfig { waiting_max: 50, wait_max: Span::from_secs(120) },
        retry: RetryConfig {
            attempts: 3,
            base: Span::from_millis(250),
            cap: Span::from_secs(10),
            budget_percent: 20,
            retry_after_max: Span::from_secs(3600),
        },
        breaker: BreakerSettings {
            failures: 9,
            error_percent: 40,
            least: 30,
            window: Span::from_secs(20),
            cooldown: Span::from_secs(3),
        },
    };
    assert_eq!(Config::from_yaml(WHOLE), Ok(expected));
}

#[test]
fn what_is_left_out_keeps_its_default() {
    let standard = Config::default();
    for text in
        ["", "\n", "{}", "bucket: {}", "# nothing\n", "retry: {attempts: 5}\nbucket: {refill: 10}"]
    {
        assert_eq!(Config::from_yaml(text), Ok(standard), "{text:?}");
    }
}

#[test]
fn every_mistake_is_refused_with_its_place_and_what_was_expected() {
    let table = [
        ("bucket: {capcity: 5}", ["line 1", "capcity"]),
        ("retry:\n  attempts: 5\n  jitter: no", ["line 3", "jitter"]),
        ("limits: 5", ["line 1", "limits"]),
        ("retry:\n  base: 100", ["line 2", "such as 100ms"]),
        ("retry:\n  base: 0ms", ["line 2", "such as 100ms"]),
        ("retry:\n  cap: 25h", ["line 2", "at most a day"]),
        ("retry:\n  cap: -1s", ["line 2", "such as 100ms"]),
        ("retry:\n  budget: 10", ["line 2", "such as 10%"]),
        ("retry:\n  budget: 101%", ["line 2", "from 0% to 100%"]),
        ("retry:\n  budget: +5%", ["line 2", "from 0% to 100%"]),
        ("bucket:\n  refill: 10 per minute", ["line 2", "10 per second"]),
        ("bucket:\n  capacity: many", ["line 2", "many"]),
        ("bucket: {capacity: 0}", ["bucket", "at least 1"]),
        ("retry: {attempts: 50}", ["attempts", "from 1 to 20"]),
        ("retry: {base: 40s}", ["base", "cap"]),
        ("bucket:\n  # burst: 5", ["line 1", "expected mapping"]),
        ("retry: [1, 2]", ["line 1", "retry"]),
        ("bucket: {capacity: 5, capacity: 6}", ["line 1", "capacity"]),
    ];
    for (text, words) in table {
        let says = Config::from_yaml(text).unwrap_err().to_string();
        for word in words {
            assert!(says.contains(word), "{text:?} says {says:?}, not {word:?}");
        }
    }
}

#[test]
fn any_reader_of_serdes_reads_the_same() {
    let json = r#"{"bucket": {"capacity": 60}, "retry": {"base": "250ms"}}"#;
    let yaml = Config::from_yaml(json).unwrap();
    assert_eq!(serde_json::from_str::<Config>(json).unwrap(), yaml);
    assert_eq!(yaml.retry.base, Span::from_millis(250));
}

#[test]
fn the_settings_of_the_page_are_all_of_them_and_the_defaults() {
    let page = include_str!("../../../../docs/client.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    assert_eq!(Config::from_yaml(yaml), Ok(Config::default()));
    // In the other file, `queue` is written in one line.
    let all = WHOLE.replace("{waiting: 50, ", "\nwaiting: 50\n");
    let keys = |text: &str| -> Vec<String> {
        let keys = text.lines().filter_map(|line| line.split_once(':'));
        keys.map(|(key, _)| key.trim().to_owned()).collect()
    };
    assert_eq!(keys(yaml), keys(&all));
}

proptest! {
    #[test]
    fn no_text_makes_a_client_that_cannot_be(text in "[a-z0-9:{}\\[\\]&*!|>%\"'\n ,-]{0,80}") {
        if let Ok(config) = Config::from_yaml(&text) {
            prop_assert_eq!(config.validate(), Ok(()));
        }
    }
}

#[test]
fn a_file_of_absurd_depth_is_refused_before_the_stack_ends() {
    assert!(Config::from_yaml(&"[".repeat(100_000)).is_err());
    assert!(Config::from_yaml(&format!("bucket: {}", "{a: ".repeat(100_000))).is_err());
}
