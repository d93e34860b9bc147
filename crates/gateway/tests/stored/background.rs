//! Work in the background: held until its end, whoever learns of it first.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::Hold;
use tollgate_sim::{Act, Script};
use tollgate_testkit::{Answer, Caller, House, Plot};
use tollgate_units::Tokens;

use super::{ANA, BOB, RESPONSES, YAML, asking, told_nothing};

const COUNTED: &str = "1,000M tokens";

async fn background(act: Act) -> (House, Caller, Answer) {
    let act = Act { prompt_tokens: Some(Tokens::new(1000)), ..act };
    let house = Plot::new(YAML).script(Script::of(act)).build().await;
    let caller = house.caller(ANA);
    let answer = caller.post(RESPONSES, &working()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["status"], "queued");
    (house, caller, answer)
}

fn working() -> Value {
    asking(&json!({"background": true, "max_output_tokens": 400}))
}

#[tokio::test]
async fn work_in_the_background_is_held_until_its_end_and_settled_by_its_usage() {
    let (house, caller, _) = background(Act { work_looks: 1, ..Act::tokens(20) }).await;
    let (used, held) = house.standing(&caller, COUNTED).await;
    assert!(used == 0 && held > 400, "{used} used, {held} held");
    assert_eq!(house.standing(&caller, "100k requests at once").await.1, 1);
    house.settled().await;
    assert_eq!(house.standing(&caller, COUNTED).await, (1020, 0));
    assert_eq!(house.standing(&caller, "100k requests at once").await, (0, 0));
    let body = caller.get(&format!("{RESPONSES}/resp_sim000000")).await.json();
    assert_eq!(
        (&body["status"], &body["usage"]["output_tokens"]),
        (&json!("completed"), &json!(20))
    );
}

#[tokio::test]
async fn work_that_its_caller_ends_is_settled_by_what_is_reported_then() {
    let (house, caller, _) = background(Act { work_looks: 100, ..Act::tokens(20) }).await;
    let path = format!("{RESPONSES}/resp_sim000000/cancel");
    told_nothing(&house.caller(BOB).post_bytes(&path, "").await, "resp_sim000000");
    assert_eq!(caller.post_bytes(&path, "").await.json()["status"], "cancelled");
    house.settled().await;
    assert_eq!(house.standing(&caller, COUNTED).await, (1010, 0));
}

/// A caller that looks every second and cleans up was charged the whole bound: the gateway, which
/// looked less often, found nothing there any more.
#[tokio::test]
async fn work_whose_end_its_caller_is_told_is_settled_by_the_same_answer() {
    let path = format!("{RESPONSES}/resp_sim000000");
    for (which, looks, used) in [("look", 0, 1020), ("cancel", 100, 1010), ("remove", 0, 1020)] {
        let act = Act { work_looks: looks, ..Act::tokens(20) };
        let (house, caller, _) = background(act).await;
        assert_eq!(house.standing(&caller, "100k requests at once").await, (0, 1));
        let answer = match which {
            "look" => caller.get(&path).await,
            "cancel" => caller.post_bytes(&format!("{path}/cancel"), "").await,
            _ => caller.delete(&path).await,
        };
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        // At once: no follower is waited for.
        assert_eq!(house.standing(&caller, COUNTED).await, (used, 0), "{which}");
        assert_eq!(house.standing(&caller, "100k requests at once").await, (0, 0), "{which}");
        assert_eq!(caller.delete(&path).await.status == StatusCode::OK, which != "remove");
        house.settled().await;
        assert_eq!(house.standing(&caller, COUNTED).await, (used, 0), "{which}, removed");
        house.drain();
        assert!(house.finished(Duration::from_secs(30)).await, "its follower has ended");
    }
}

#[tokio::test]
async fn work_that_goes_on_is_not_settled_by_a_look() {
    let (house, caller, _) = background(Act { work_looks: 2, ..Act::tokens(20) }).await;
    let (_, held) = house.standing(&caller, COUNTED).await;
    let path = format!("{RESPONSES}/resp_sim000000");
    assert_eq!(caller.get(&path).await.json()["status"], "in_progress");
    assert_eq!(caller.get(&format!("{path}/input_items")).await.status, StatusCode::OK);
    assert_eq!(house.standing(&caller, COUNTED).await, (0, held));
}

#[tokio::test]
async fn work_that_fails_without_a_word_of_usage_costs_its_prompt() {
    let act = Act { work_looks: 0, work_fails: true, ..Act::tokens(20) };
    let (house, caller, _) = background(act).await;
    let (_, held) = house.standing(&caller, COUNTED).await;
    house.settled().await;
    assert_eq!(house.standing(&caller, COUNTED).await, (held - 400, 0));
    // Its error is told without the ids of the account, as every other is.
    let told = caller.get(&format!("{RESPONSES}/resp_sim000000")).await.json();
    assert_eq!(told["error"]["message"], "Something broke in organization [removed].");
}

#[tokio::test]
async fn work_that_nobody_can_ask_about_any_more_counts_as_spent() {
    // Removed at the provider, and given up by a gateway that stops.
    for removed in [true, false] {
        let (house, caller, _) = background(Act { work_looks: 100, ..Act::tokens(20) }).await;
        let (_, held) = house.standing(&caller, COUNTED).await;
        if removed {
            let path = format!("{RESPONSES}/resp_sim000000");
            assert_eq!(caller.delete(&path).await.status, StatusCode::OK);
            house.settled().await;
            assert_eq!(house.standing(&caller, COUNTED).await, (held, 0));
        } else {
            let used = house.meters.books().used;
            house.drain();
            assert!(!house.finished(Duration::ZERO).await);
            house.settled().await;
            // The tokens, the request, and the one at once.
            assert_eq!(house.meters.books().used - used, u128::from(held) + 2);
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_work_is_named_has_spent_it() {
    let act = Act { hold: Some(Hold::Head), ..Act::tokens(20) };
    let house = Plot::new(YAML).script(Script::of(act)).build().await;
    let caller = house.caller(ANA);
    let leaving = caller.clone();
    let asked = tokio::spawn(async move { leaving.post(RESPONSES, &working()).await });
    house.provider.until(|counters| counters.held == 1).await;
    let (_, held) = house.standing(&caller, COUNTED).await;
    asked.abort();
    house.settled().await;
    assert_eq!(house.standing(&caller, COUNTED).await, (held, 0));
}
