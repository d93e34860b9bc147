//! What operators are told of an account that is changed while something is wrong with it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tollgate_sim::Act;
use tollgate_sim::provider::{Fault, Rebuff};
use tollgate_testkit::{Caller, Plot, chat};
use tollgate_units::Span;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::account::{Account, CHAT, WIDE, short};

/// The alerts that were logged on this thread.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().ends_with("::alerts")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

async fn fails_twice(caller: &Caller) {
    for _ in 0..2 {
        let answer = caller.post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:500]]")).await;
        assert_eq!(answer.status.as_u16(), 502);
    }
}

const BREAKER: &str = "breaker: {failures: 2, error_rate: 100%, cooldown: 60s}\n";
const FAILS: &str = "Tollgate: sim/gpt-4o-mini fails, and is left alone until a probe succeeds.";
const CHANGED: &str = "Tollgate: sim was changed; what was wrong with sim/gpt-4o-mini is over \
                       until it shows again.";

/// After a reload had mended an account, nobody was told that it was well, nor when it failed
/// again.
#[tokio::test]
async fn what_was_told_of_an_account_ends_with_it_and_is_told_again() {
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(told.clone());
    let house = Plot::new(&format!("{BREAKER}{WIDE}")).build().await;
    let caller = house.caller(None);
    fails_twice(&caller).await;
    assert_eq!(told.take(), [FAILS]);
    house.replace_key("sk-another-key-0002");
    assert_eq!(told.take(), [CHANGED]);
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status, 200);
    fails_twice(&caller).await;
    assert_eq!(told.take(), [FAILS]);
    // Once more, with nothing wrong: nothing is over.
    house.replace_key("sk-another-key-0003");
    assert_eq!(told.take(), [CHANGED]);
    house.replace_key("sk-another-key-0004");
    assert_eq!(told.take(), [""; 0]);
}

#[tokio::test]
async fn who_is_still_on_the_way_to_what_an_account_was_tells_nobody() {
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(told.clone());
    let act = Act { first_byte: Span::from_millis(300), ..Act::default() };
    let slow = Account::start(act.with(Fault::Refused(Rebuff::Status(500)))).await;
    let models = "models: {gpt-4o-mini: {serve: [first/gpt-4o-mini]}}\n";
    let yaml = format!("{}{BREAKER}{models}{WIDE}", slow.entry("first"));
    let house = Plot::new(&yaml).build().await;
    let ask = || {
        let caller = house.caller(None);
        tokio::spawn(async move { caller.post(CHAT, &short("gpt-4o-mini")).await.status })
    };
    let asked = [ask(), ask()];
    while slow.seen() < 2 {
        tokio::task::yield_now().await;
    }
    house.replace_key("sk-another-key-0002");
    for status in asked {
        assert_eq!(status.await.unwrap().as_u16(), 502);
    }
    assert_eq!(told.take(), [""; 0]);
    let [one, other] = [ask(), ask()];
    assert_eq!((one.await.unwrap().as_u16(), other.await.unwrap().as_u16()), (502, 502));
    assert_eq!(told.take().len(), 1, "the account as it is now");
}
