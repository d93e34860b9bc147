//! The steps of an answer: what goes out, what waits, and where a fault cuts it.
//!
//! Pure: it turns a script's act and an answer's events into a list of steps, lazily, because an
//! answer may be long. `body` walks the steps on the clock and the socket.

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_units::Span;

use super::fault::Fault;
use super::script::{Act, Hold, Verbatim};
use super::turn::{Event, Events, Turn};

/// One step of an answer.
pub(super) enum Step {
    /// The answer ends here, as if it were whole.
    End,
    /// What was sent has to reach the socket before the next step.
    Flush,
    /// Nothing until somebody releases it.
    Hold,
    /// The connection is reset.
    Reset,
    /// This goes out.
    Send(Event),
    /// Nothing, for ever.
    Stall,
    /// Nothing for so long.
    Wait(Span),
}

/// The steps of one answer.
pub(super) struct Pace {
    error_event: Option<Event>,
    events: Events,
    fault: Option<Fault>,
    flowed: u64,
    gap: Span,
    /// A fault halfway comes once so many tokens have flowed.
    half: u64,
    hold_after: Option<u64>,
    has_begun: bool,
    next: VecDeque<Step>,
}

impl Pace {
    /// A stream of `events`.
    pub(super) fn streamed(events: Events, turn: &Turn, act: &Act) -> Self {
        let events = if act.fault == Some(Fault::Garbage) { garbage_events() } else { events };
        Self {
            error_event: Some(turn.error_event()),
            events,
            fault: act.fault,
            flowed: 0,
            gap: act.gap,
            half: turn.output() / 2,
            hold_after: match act.hold {
                Some(Hold::After(tokens)) => Some(tokens.get()),
                Some(Hold::Head) | None => None,
            },
            has_begun: false,
            next: VecDeque::new(),
        }
    }

    fn midway(&mut self) -> Option<Step> {
        let is_due = self.has_begun && self.flowed >= self.half;
        let fault = self.fault.filter(|_| is_due)?;
        let steps = match fault {
            Fault::CutShort => {
                let torn = self.events.next().map(torn);
                vec![torn.map_or(Step::Flush, Step::Send), Step::End]
            }
            Fault::ErrorEvent => {
                let error = self.error_event.take();
                vec![error.map_or(Step::Flush, Step::Send), Step::End]
            }
            Fault::ResetMidway => vec![Step::Flush, Step::Reset],
            Fault::Stall => vec![Step::Stall],
            Fault::Garbage | Fault::Hang | Fault::NoUsage | Fault::Refused(_) | Fault::Reset => {
                return None;
            }
        };
        self.next.extend(steps);
        self.next.pop_front()
    }
}

impl Iterator for Pace {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(step) = self.next.pop_front() {
            return Some(step);
        }
        if self.hold_after.is_some_and(|tokens| self.flowed >= tokens) {
            self.hold_after = None;
            return Some(Step::Hold);
        }
        if let Some(step) = self.midway() {
            return Some(step);
        }
        let Some(event) = self.events.next() else {
            // Garbage is never a whole answer.
            return (self.fault.take() == Some(Fault::Garbage)).then_some(Step::End);
        };
        self.has_begun = true;
        self.flowed = self.flowed.saturating_add(event.tokens);
        if event.tokens > 0 && !self.gap.is_zero() {
            self.next.push_back(Step::Wait(self.gap));
        }
        Some(Step::Send(event))
    }
}

/// The steps of a whole answer of `output` tokens.
pub(super) fn whole(body: Bytes, turn: &Turn, fault: Option<Fault>) -> Vec<Step> {
    let event = Event { bytes: body, tells_usage: turn.usage, tokens: turn.output() };
    match fault {
        Some(Fault::CutShort) => vec![Step::Send(torn(event)), Step::Flush, Step::End],
        Some(Fault::Garbage) => vec![Step::Send(Event::new(GARBAGE.into())), Step::End],
        Some(Fault::ResetMidway) => vec![Step::Send(torn(event)), Step::Flush, Step::Reset],
        Some(Fault::Stall) => vec![Step::Send(torn(event)), Step::Flush, Step::Stall],
        _ => vec![Step::Send(event)],
    }
}

/// The steps of an answer that is given word for word.
pub(super) fn word_for_word(verbatim: &Verbatim) -> Vec<Step> {
    let body = (!verbatim.body.is_empty()).then(|| Step::Send(Event::new(verbatim.body.clone())));
    let ends = if verbatim.breaks { vec![Step::Flush, Step::Reset] } else { vec![Step::End] };
    body.into_iter().chain(ends).collect()
}

/// The first half of an event; whoever has it has nothing, though its tokens were generated.
fn torn(event: Event) -> Event {
    let Event { bytes, tokens, .. } = event;
    Event { bytes: bytes.slice(..bytes.len() / 2), tells_usage: false, tokens }
}

fn garbage_events() -> Events {
    let events = [Event::new(format!("data: {GARBAGE}\n\n")), Event::new("\u{0}\u{1}:::\n".into())];
    Box::new(events.into_iter())
}

/// Neither JSON nor anything else.
const GARBAGE: &str = "{\"choices\": [}}<oops>\u{fffd}";
