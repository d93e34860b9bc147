//! A request on its way, from admission to its end: what is held, what was counted, and when things
//! happened. However it ends, it is settled, counted and logged once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tollgate_limits::SettlementKind;
use tollgate_policy::{Bound, Ended};
use tollgate_routing as routing;
use tollgate_tokens::Most;
use tollgate_units::{Searches, Span, Tokens};
use tollgate_wire::{Billed, Keeping, Stored, StoredKind, ToolCalls, Usage};

use crate::admit::Admitted;
use crate::attempt::Attempt;
use crate::gate::{Gateway, Live};
use crate::identify::Inbound;
use crate::pipeline::Room;
use crate::repeats::Repeatable;
use crate::scales::Weight;
use crate::stored;
use crate::telemetry::{Ending, Outcome, StoreOp};
use crate::unattended::Attendance;
use crate::upstream::Going;

mod told;
mod way;

/// An admitted request. Dropped before its end, it counts as abandoned by its caller.
#[derive(Debug)]
pub(crate) struct Flight {
    gate: Arc<Gateway>,
    live: Arc<Live>,
    admitted: Option<Admitted>,
    /// What it would hold under the policy that is only watched.
    in_shadow: Option<Admitted>,
    weight: Weight,
    reserved: Tokens,
    request_id: String,
    path: &'static str,
    attempts: u32,
    /// Whether the attempt that runs has reached its provider; nothing while none runs.
    going: Option<Going>,
    /// Whether an attempt before it may have: then the prompt is owed, whatever comes.
    spent: bool,
    /// Under what an answer to it is kept, where one may be.
    repeatable: Option<Repeatable>,
    /// Its place at the provider that answers.
    place: Option<Attempt>,
    /// The models that may serve it, the one it was admitted for first; none until that did not.
    models: Vec<Arc<str>>,
    /// Which of them is being asked.
    model: usize,
    /// Whether somebody waits for it, where that matters.
    attendance: Option<Attendance>,
    /// The tools that the model called.
    calls: ToolCalls,
    /// The response that the provider has begun to store.
    response: Option<Stored>,
    times: Times,
}

/// When things happened.
#[derive(Clone, Copy, Debug)]
struct Times {
    since: Instant,
    admitted: Instant,
    sent: Option<Instant>,
    first_token: Option<Instant>,
}

impl Flight {
    pub(crate) fn new(gate: &Arc<Gateway>, inbound: &Inbound, room: Room) -> Self {
        let Room { admitted, weight, in_shadow } = room;
        let ask = admitted.plan.ask();
        let (weight, reserved) = reserved(&admitted, weight);
        gate.sums.reserved(reserved);
        Self {
            repeatable: None,
            place: None,
            models: Vec::new(),
            model: 0,
            gate: gate.clone(),
            live: inbound.live.clone(),
            request_id: inbound.request_id.clone(),
            path: ask.endpoint.path(),
            admitted: Some(admitted),
            in_shadow,
            weight,
            reserved,
            attempts: 0,
            going: None,
            spent: false,
            attendance: None,
            calls: ToolCalls::default(),
            response: None,
            times: Times {
                since: inbound.since,
                admitted: Instant::now(),
                sent: None,
                first_token: None,
            },
        }
    }

    /// What was in force when the request came.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// What is held, until the flight has ended.
    pub(crate) const fn admitted(&self) -> Option<&Admitted> {
        self.admitted.as_ref()
    }

    /// What is owed if nothing more is heard of the answer: the prompt; and all that was reserved
    /// for work in the background, which goes on while nobody listens.
    pub(crate) fn owed(&self) -> Usage {
        let all = if self.is_background() { self.output_reserved() } else { Tokens::ZERO };
        self.estimated(all)
    }

    /// Whether the provider goes on when nobody listens.
    pub(crate) fn is_background(&self) -> bool {
        self.admitted
            .as_ref()
            .is_some_and(|admitted| admitted.plan.ask().keeping == Keeping::Background)
    }

    /// The gateway that it passes.
    pub(crate) const fn gate(&self) -> &Arc<Gateway> {
        &self.gate
    }

    /// The id of the response that the provider stores.
    pub(crate) fn response_id(&self) -> Option<&str> {
        self.response.as_ref().map(|response| response.id.as_str())
    }

    /// The provider says that it has stored these: from now on they are the caller's.
    pub(crate) fn created(&mut self, mut made: Vec<Stored>) {
        let Some(admitted) = &self.admitted else {
            return;
        };
        let ask = admitted.plan.ask();
        if ask.keeping == Keeping::NotKept {
            // What it names is gone with the answer, the machine that its code ran on apart.
            made.retain(|one| !matches!(one.kind, StoredKind::Item | StoredKind::Response));
        }
        let account = admitted.candidate().deployment().provider();
        stored::record(&self.gate.owners, account, admitted.plan.caller(), &made);
        let response = made.into_iter().find(|one| one.kind == StoredKind::Response);
        self.response = self.response.take().or(response);
    }

    /// What the answer was made of comes back with it, when a prompt goes on from there.
    fn weigh_stored(&self, admitted: &Admitted, usage: &Usage) {
        let tokens = usage.input.plus(usage.output);
        let account = admitted.candidate().deployment().provider();
        let named = admitted.plan.ask().refers.iter().map(|reference| &reference.stored);
        let talk = named.filter(|stored| stored.kind == StoredKind::Conversation);
        for stored in self.response.iter().chain(talk) {
            let what = (stored, tokens);
            stored::weighed(&self.gate.owners, account, admitted.plan.caller(), what);
        }
    }

    /// What was used as far as the gateway can tell: the prompt as counted, and `output` as counted
    /// from what flowed.
    pub(crate) fn estimated(&self, output: Tokens) -> Usage {
        // What cannot be read is counted as it lies; it was bounded all the same.
        let output = output.min(self.output_reserved());
        Usage {
            input: self.weight.counts.input,
            output,
            billed: self.billed(None),
            estimated: true,
            ..Usage::default()
        }
    }

    /// The searches that are paid for, where the request asks for what is sold so: as many as the
    /// provider has `said`, else as many as were reserved.
    pub(crate) fn billed(&self, said: Option<Searches>) -> Option<Billed> {
        let most = self.admitted.as_ref()?.plan.ask().searches?;
        Some(Billed::Searches(said.unwrap_or(most)))
    }

    /// The request goes out now: from here on whoever leaves may have spent the prompt. What is
    /// returned is to be told when it has.
    pub(crate) fn sending(&mut self) -> Going {
        self.attempts += 1;
        self.spent = self.is_spent();
        let going = Going::default();
        self.going = Some(going.clone());
        let owed = self.owed();
        for admitted in [&mut self.admitted, &mut self.in_shadow].into_iter().flatten() {
            admitted.known(Ended::Broken(&owed));
        }
        if let Some(attendance) = &self.attendance {
            attendance.works(self.is_drained());
        }
        self.times.sent = Some(Instant::now());
        going
    }

    /// Whether some provider may have worked on the request.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent || self.going.as_ref().is_some_and(Going::has_begun)
    }

    /// The attempt ended in nothing, and its provider says that it did not work on it.
    pub(crate) fn was_turned_away(&mut self) {
        self.going = None;
    }

    /// An answer to it may be given again.
    pub(crate) const fn may_repeat(&mut self, repeatable: Repeatable) {
        self.repeatable = Some(repeatable);
    }

    /// Under what an answer to it is kept, where one may be.
    pub(crate) const fn repeatable(&self) -> Option<Repeatable> {
        self.repeatable
    }

    /// The provider answers: its place is kept to the end of the answer.
    pub(crate) fn holds(&mut self, place: Attempt) {
        self.place = Some(place);
    }

    /// The account that is asked: its place among the upstreams, and its name.
    pub(crate) fn account(&self) -> (usize, &str) {
        let deployment = self.admitted.as_ref().map(|admitted| admitted.candidate().deployment());
        deployment.map_or((usize::MAX, ""), |asked| (asked.upstream(), &**asked.provider()))
    }

    /// The name of the account that is asked, for the log.
    pub(crate) fn provider(&self) -> &str {
        self.account().1
    }

    /// The attempt that runs has come to this. A first one is no retry.
    pub(crate) fn attempted(&self, outcome: Outcome) {
        if self.attempts > 1
            && let Some(admitted) = &self.admitted
        {
            self.gate.metrics.retried(admitted.candidate().deployment().provider(), outcome);
        }
    }

    /// Tells the caller who served it, or was asked last, and how many were asked.
    pub(crate) fn served(&self, headers: &mut HeaderMap) {
        let Some(admitted) = &self.admitted else {
            return;
        };
        let deployment = admitted.candidate().deployment();
        let served = format!("{}/{}", deployment.provider(), deployment.model());
        if let Ok(served) = HeaderValue::try_from(served) {
            headers.insert(MODEL, served);
        }
        let asked = admitted.plan.downgraded_from().map(HeaderValue::try_from);
        if let Some(Ok(asked)) = asked {
            headers.insert(DOWNGRADED_FROM, asked);
        }
        if self.attempts > 1 {
            headers.insert(ATTEMPTS, self.attempts.into());
        }
    }

    /// The model called these tools.
    pub(crate) fn called(&mut self, calls: ToolCalls) {
        self.calls = calls;
    }

    /// The first piece of the answer is there.
    pub(crate) fn first_piece(&mut self) {
        if self.times.first_token.is_some() {
            return;
        }
        self.times.first_token = Some(Instant::now());
        let streams = self.admitted.as_ref().is_some_and(|admitted| admitted.plan.ask().stream);
        let first_token = self.since_sent(self.times.first_token).map(span);
        if let Some(place) = &mut self.place {
            place.flows(first_token.filter(|_| streams), self.weight.counts.input);
        }
    }

    /// The provider's place, at the end of what it had to say.
    fn leave(&mut self, ended: Ended<'_>, outcome: Outcome) {
        let Some(place) = self.place.take() else {
            return;
        };
        match (outcome, ended) {
            (Outcome::Answered, Ended::Answered(usage) | Ended::Broken(usage)) => {
                place.answered(usage);
            }
            (Outcome::Failed | Outcome::TimedOut, _) => place.end(routing::Ended::Failed),
            _ => place.end(routing::Ended::Ignored),
        }
    }

    /// The provider's connection is closed, and its work goes on.
    pub(crate) fn closed(&mut self) {
        for admitted in [&mut self.admitted, &mut self.in_shadow].into_iter().flatten() {
            admitted.closed();
        }
    }

    /// The tokens of `text` in the served model's own counting.
    pub(crate) fn count(&self, text: &str) -> Tokens {
        let model =
            self.admitted.as_ref().map(|admitted| admitted.candidate().deployment().model());
        model.map_or(Tokens::ZERO, |model| self.gate.scales.count(model, text))
    }

    /// Settles, counts and logs. `status` is what the caller was told.
    pub(crate) fn end(mut self, ended: Ended<'_>, outcome: Outcome, status: StatusCode) {
        self.finish(ended, outcome, status);
    }

    fn finish(&mut self, ended: Ended<'_>, outcome: Outcome, status: StatusCode) {
        self.leave(ended, outcome);
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        let usage = match ended {
            Ended::Answered(usage) | Ended::Broken(usage) => Some(usage),
            Ended::Refused | Ended::Unsent => None,
        };
        let prompt = Most::of(self.weight.counts.input, admitted.plan.ask());
        let bound = Bound { prompt, output: self.output_reserved() };
        let cost = admitted.candidate().cost(ended, bound);
        self.count_metrics(&admitted, usage, cost, outcome);
        let used = usage.map(|usage| usage.input.plus(usage.output)).unwrap_or_default();
        self.gate.sums.ended(self.reserved, used, cost.unwrap_or_default());
        if let (Ended::Answered(usage), Outcome::Answered) = (ended, outcome) {
            let model = admitted.candidate().deployment().model();
            self.gate.scales.learn(model, self.weight, usage);
        }
        if let Ended::Answered(usage) = ended {
            self.weigh_stored(&admitted, usage);
        }
        self.log(&admitted, (usage, cost), outcome, status);
        self.watch_agent(&admitted, used);
        if let Some(in_shadow) = self.in_shadow.take() {
            in_shadow.settle(ended);
        }
        let (may_warn, at) = (admitted.candidate().may_warn(), admitted.at());
        let since = Instant::now();
        let (plan, settlement) = admitted.settle(ended);
        let warned = may_warn.then_some((plan, at));
        let how = match settlement.map(|settlement| settlement.kind) {
            None => Ending::Voided,
            Some(SettlementKind::Exact) => Ending::Exact,
            Some(SettlementKind::Overrun) => Ending::Overrun,
            Some(SettlementKind::Refund) => Ending::Refund,
        };
        self.gate.metrics.store_took(StoreOp::Settle, since.elapsed());
        self.gate.metrics.ended(how);
        if let Some((plan, at)) = warned {
            self.warn(&plan, at);
        }
    }

    /// What was reserved for all answers together.
    fn output_reserved(&self) -> Tokens {
        self.reserved.less(self.weight.counts.input)
    }

    fn since_sent(&self, at: Option<Instant>) -> Option<Duration> {
        Some(at?.duration_since(self.times.sent?))
    }
}

impl Drop for Flight {
    /// The caller is gone: the prompt was spent if it was sent, and nothing while only a connection
    /// was looked for.
    fn drop(&mut self) {
        if self.admitted.is_some() {
            let owed = self.owed();
            let ended = if self.is_spent() { Ended::Broken(&owed) } else { Ended::Unsent };
            let gone = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or_default();
            self.finish(ended, Outcome::Disconnected, gone);
        }
    }
}

/// What an admitted request weighs, and the tokens that are reserved for it: the prompt, and all
/// answers together. Counting tokens reserves none.
fn reserved(admitted: &Admitted, weight: Weight) -> (Weight, Tokens) {
    let ask = admitted.plan.ask();
    let weight = if ask.endpoint.only_counts() { Weight::NONE } else { weight };
    (weight, weight.counts.input.plus(admitted.output().times(ask.answers)))
}

fn span(duration: Duration) -> Span {
    Span::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

const ATTEMPTS: HeaderName = HeaderName::from_static("x-tollgate-attempts");
const DOWNGRADED_FROM: HeaderName = HeaderName::from_static("x-tollgate-downgraded-from");
const MODEL: HeaderName = HeaderName::from_static("x-tollgate-model");
/// What nginx logs for a caller who left; it is never sent.
const CLIENT_CLOSED_REQUEST: u16 = 499;
