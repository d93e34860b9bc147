//! What the gateway does not start with, and what it says then.

use std::process::Command;

use tollgate_sim::{Provider, Script};

use crate::house::{BINARY, Directory, day};

async fn house() -> Directory {
    let provider = Provider::start(Script::default()).await.unwrap();
    Directory::new().serving(&provider)
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_told_that_it_is_in_use() {
    let directory = house().await;
    let first = directory.start(&[]).await;
    let (code, said) = directory.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("tollgate.db is in use by another tollgate"), "{said}");
    assert_eq!(day(&first).await.requests, 0, "the first one serves on");
}

#[tokio::test]
async fn a_damaged_data_file_is_said_to_be_damaged_and_stays_as_it_is() {
    let directory = house().await;
    let garbage = "no database ".repeat(1000);
    std::fs::write(directory.data(), &garbage).unwrap();
    let (code, said) = directory.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("tollgate.db is damaged"), "{said}");
    assert!(said.contains("move it"), "it says what to do: {said}");
    assert_eq!(std::fs::read_to_string(directory.data()).unwrap(), garbage);
}

/// Any kept answer may be gone at any time: unlike the meters they are no reason not to start.
#[tokio::test]
async fn damaged_answers_are_set_aside() {
    let directory = house().await;
    let config = std::fs::read_to_string(directory.config()).unwrap();
    std::fs::write(directory.config(), format!("{config}\ncache: {{use: always}}\n")).unwrap();
    let answers = directory.data().with_extension("answers.db");
    let garbage = "no database ".repeat(1000);
    std::fs::write(&answers, &garbage).unwrap();
    let running = directory.start(&[]).await;
    assert_eq!(day(&running).await.requests, 0, "it serves");
    let aside = directory.data().with_extension("answers.db.damaged");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), garbage);
    assert!(answers.exists());
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_shown_at_its_place() {
    let directory = house().await;
    let text = std::fs::read_to_string(directory.config()).unwrap();
    let text = text.replace("1M tokens per day", "1M tokens per dya");
    std::fs::write(directory.config(), text).unwrap();
    let (code, said) = directory.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("tollgate.yaml:14:9"), "{said}");
    assert!(said.contains("did you mean \"day\"?"), "{said}");
    assert!(!directory.data().exists(), "nothing is made before the configuration is right");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let directory = house().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(directory.config()).unwrap();
    let text = text.replacen("listen: 127.0.0.1:0", &format!("listen: {address}"), 1);
    std::fs::write(directory.config(), text).unwrap();
    let (code, said) = directory.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("listen: {address}")), "{said}");
}

#[test]
fn who_asks_a_gateway_need_not_know_its_secrets() {
    let directory = Directory::new();
    // Nothing listens on port 1, so what is asked is not answered; but it is asked.
    let config = "admin: 127.0.0.1:1
admin_token: \"${NOR_HERE}\"
providers: {openai: {api_key: \"${NOT_HERE}\"}}
models: {gpt-4o-mini: {serve: [openai/gpt-4o-mini]}}
tiers: {free: {models: [gpt-4o-mini], limits: [20 requests per minute]}}
keys: [{name: web, secret: \"${NOT_HERE_EITHER}\", tier: free}]
";
    std::fs::write(directory.config(), config).unwrap();
    for question in [&["limits"][..], &["explain", "--key", "web", "--model", "gpt-4o-mini"]] {
        let mut asking = Command::new(BINARY);
        asking.args(question).arg("--config").arg(directory.config());
        let said = asking.env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("no gateway answers at http://127.0.0.1:1"), "{said}");
    }
}
