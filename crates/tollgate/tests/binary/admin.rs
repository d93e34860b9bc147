//! Keys and raises from the shell, on a gateway that is killed in between.

use std::process::{Command, Output};

use http::StatusCode;
use rustix::process::Signal;
use serde_json::Value;
use tollgate_sim::{Act, Provider, Script};

use crate::house::{BINARY, Directory, chat, within};
use crate::outside::caller::Caller;
use crate::outside::process::Process;

const LIMIT: &str = "1M requests per day per key";

fn run(directory: &Directory, gateway: &Process, arguments: &[&str]) -> Output {
    let mut asking = Command::new(BINARY);
    asking.args(arguments).arg("--config").arg(directory.config());
    asking.env_clear().env("TOLLGATE_ADMIN", &gateway.admin).env("TOLLGATE_ACTOR", "ana");
    asking.output().unwrap()
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(directory: &Directory, gateway: &Process, arguments: &[&str]) -> Value {
    let text = said(&run(directory, gateway, &[arguments, &["--json"]].concat()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn status(gateway: &Process, secret: &str) -> StatusCode {
    within(Caller::new(&gateway.listen, secret).chat(&chat(5))).await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_raises_from_the_shell_outlive_a_kill() {
    let provider = Provider::start(Script::of(Act::tokens(3))).await.unwrap();
    let directory = Directory::new().serving(&provider);
    let gateway = directory.start(&[]).await;
    let create = ["keys", "create", "app", "--tier", "user", "--team", "acme"];
    let first = said(&run(&directory, &gateway, &create));
    let first = first.lines().find_map(|line| line.strip_prefix("secret: ")).unwrap().to_owned();
    assert_eq!(status(&gateway, &first).await, StatusCode::OK);
    let rotated = json(&directory, &gateway, &["keys", "rotate", "app", "--grace", "1h"]);
    let second = rotated["secret"].as_str().unwrap();
    let raise = ["limits", "raise", "key:app", LIMIT, "--to", "2M", "--for", "1h"];
    let raised = json(&directory, &gateway, &raise);
    assert_eq!(raised["raises"][0]["amount"], "2,000,000");

    gateway.signal(Signal::KILL).unwrap();
    within(gateway.ended()).await.unwrap();
    let gateway = directory.start(&[]).await;
    for secret in [&first, second] {
        assert_eq!(status(&gateway, secret).await, StatusCode::OK);
    }
    assert_eq!(json(&directory, &gateway, &["limits", "raises"]), raised);
    let table = said(&run(&directory, &gateway, &["limits", "key:app"]));
    assert!(table.contains("2M requests per day per key"), "{table}");
    let table = said(&run(&directory, &gateway, &["keys", "list", "--team", "acme"]));
    assert!(table.contains("app") && table.contains("active"), "{table}");
    assert!(!table.contains(&first) && !table.contains(second), "{table}");

    let update = ["keys", "update", "app", "--user", "ana", "--clear", "team"];
    let updated = json(&directory, &gateway, &update)["key"].clone();
    assert_eq!((&updated["user"], &updated["team"]), (&"ana".into(), &Value::Null));
    said(&run(&directory, &gateway, &["limits", "reset", "key:app", LIMIT]));
    said(&run(&directory, &gateway, &["keys", "revoke", "app"]));
    for secret in [&first, second] {
        assert_eq!(status(&gateway, secret).await, StatusCode::UNAUTHORIZED);
    }
    let log = json(&directory, &gateway, &["audit"]);
    let lines = log["audit"].as_array().unwrap();
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    let done =
        ["key.revoke", "limit.reset", "key.update", "limit.raise", "key.rotate", "key.create"];
    assert_eq!(actions, done);
    assert!(lines.iter().all(|line| line["actor"] == "ana"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_at_the_shell_is_shown_at_its_place() {
    let provider = Provider::start(Script::default()).await.unwrap();
    let directory = Directory::new().serving(&provider);
    let gateway = directory.start(&[]).await;
    let table = [
        (
            &["keys", "create", "app", "--tier", "usr"][..],
            "tier: no such tier; did you mean \"user\"?",
        ),
        (
            &["keys", "create", "app", "--tier", "user", "--limit", "5 tokens per dya"],
            "limits[0]:\n5 tokens per dya\n             ^^^ expected",
        ),
        (&["keys", "create", "app"], "--tier"),
        (&["keys", "rotate", "web"], "web is a key of the configuration"),
        (&["keys", "update", "web"], "say what to change"),
        (
            &["limits", "raise", "key:web", LIMIT, "--to", "much", "--for", "1h"],
            "amount:\nmuch\n^^^^ expected an amount",
        ),
    ];
    for (arguments, part) in table {
        let output = run(&directory, &gateway, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(part), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_secret_for_the_configuration_is_made_without_asking_anybody() {
    let output = Command::new(BINARY).args(["keys", "create", "--json"]).env_clear().output();
    let made: Value = serde_json::from_str(&said(&output.unwrap())).unwrap();
    let hash = made["hash"].as_str().unwrap();
    assert_eq!(made["secret"].as_str().unwrap().len(), 76);
    assert_eq!(hash.len(), "sha256:".len() + 64);
}
