//! A configuration that changes under traffic: whole or not at all, and nothing is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::Method;
use rustix::process::Signal;
use serde_json::Value;
use tollgate_sim::{Provider, Script};

use crate::house::{ADMIN_TOKEN, Directory, KEY, chat, day, within};
use crate::outside::caller::{Caller, whole};
use crate::outside::process::Process;

/// Puts another configuration in the place of the one that is there.
fn rewrite(directory: &Directory, from: &str, to: &str) {
    let text = std::fs::read_to_string(directory.config()).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    let new = directory.path().join("new.yaml");
    std::fs::write(&new, text.replace(from, to)).unwrap();
    std::fs::rename(new, directory.config()).unwrap();
}

/// How the configuration stands, once `holds` does.
async fn configured(process: &Process, holds: impl Fn(&Value) -> bool) -> Value {
    let admin = Caller::new(&process.admin, ADMIN_TOKEN);
    within(async {
        loop {
            let stands = admin.get("/api/v1/config").await.unwrap().json();
            if holds(&stands) {
                return stands;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_traffic_fails_no_request_and_forgets_nothing() {
    let provider = Provider::start(Script::default()).await.unwrap();
    let directory = Directory::new().serving(&provider);
    let process = directory.start(&[]).await;
    let caller = Caller::new(&process.listen, KEY);
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (caller, stop, sent) = (caller.clone(), stop.clone(), sent.clone());
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    let answer = whole(caller.chat(&chat(16)).await.unwrap()).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    sent.fetch_add(1, Relaxed);
                    // Traffic, and not a flood: other tests share the machine.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    rewrite(&directory, "1M requests per day", "2M requests per day");
    let stands = configured(&process, |stands| stands["reloads"] == 1).await;
    assert!(stands["in_force"].as_str().unwrap().contains("2M requests per day"), "{stands}");
    // A mistake changes nothing, and is shown where it is.
    rewrite(&directory, "2M requests per day", "3M requests per dya");
    let stands = configured(&process, |stands| !stands["mistake"].is_null()).await;
    assert!(stands["mistake"].as_str().unwrap().contains("did you mean \"day\"?"), "{stands}");
    assert!(stands["in_force"].as_str().unwrap().contains("2M requests per day"), "{stands}");
    assert_eq!(stands["reloads"], 1);
    let admin = Caller::new(&process.admin, ADMIN_TOKEN);
    let asked = admin.ask(Method::POST, "/api/v1/config/reload").await.unwrap();
    assert_eq!(asked.status, 422);
    let audit = admin.get("/api/v1/audit?most=1").await.unwrap().json();
    assert_eq!(audit["audit"][0]["action"], "config.reload.failed", "{audit}");
    rewrite(&directory, "3M requests per dya", "4M requests per day");
    let stands = configured(&process, |stands| stands["reloads"] == 2).await;
    assert!(stands["mistake"].is_null(), "{stands}");
    // What only a restart changes is said.
    rewrite(&directory, "listen: 127.0.0.1:0", "listen: 127.0.0.1:1");
    process.signal(Signal::HUP).unwrap();
    let stands = configured(&process, |stands| stands["reloads"] != 2).await;
    assert_eq!(stands["after_restart"][0], "listen", "{stands}");
    stop.store(true, Relaxed);
    for caller in callers {
        within(caller).await.unwrap();
    }
    let day = day(&process).await;
    assert_eq!((day.requests, day.held), (sent.load(Relaxed), 0));
    assert_eq!(provider.counters().seen, sent.load(Relaxed));
}
