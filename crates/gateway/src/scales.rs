//! How much: reading and counting prompts, small ones here and big ones on the crew; and what past
//! answers taught about models.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tollgate_policy::{Need, Options};
use tollgate_tokens::{
    Counts, How, Ratio, Sizes, bound_prompt, count_prompt, count_text, encoding_of, is_ready,
    text_bytes,
};
use tollgate_units::Tokens;
use tollgate_wire::{Ask, Destination, Malformed, Prompt, Usage};

use crate::crew::{Crew, CrewError};

/// What counts, and what has been learned of each model.
#[derive(Debug)]
pub(crate) struct Scales {
    crew: Crew,
    learned: Mutex<HashMap<Arc<str>, Learned>>,
}

/// What past answers taught about one model.
#[derive(Debug, Default)]
struct Learned {
    ratio: Ratio,
    outputs: Sizes,
}

/// What was counted before the provider was asked, to be compared with what it reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) counts: Counts,
    /// Bytes of text in a prompt that was counted by a ratio.
    pub(crate) bytes: u64,
}

impl Weight {
    /// Of a request whose prompt no model reads.
    pub(crate) const NONE: Self =
        Self { counts: Counts { input: Tokens::ZERO, how: How::Bound }, bytes: 0 };
}

/// There is no room in the line for a prompt to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

impl Scales {
    pub(crate) fn new(crew: Crew) -> Self {
        Self { crew, learned: Mutex::default() }
    }

    /// What is asked in `body`.
    ///
    /// # Errors
    /// The crew has too much to do; inside, what is wrong with the body.
    pub(crate) async fn read(
        &self,
        to: Destination,
        body: &Bytes,
    ) -> Result<Result<Ask, Malformed>, Busy> {
        if body.len() <= READ_HERE {
            return Ok(tollgate_wire::read(to, body));
        }
        let (owned, there) = (body.clone(), to.clone());
        let there = self.crew.run(body.len(), move || tollgate_wire::read(there, &owned)).await;
        // Whatever a reader could panic about, it would here too, and end one request.
        there.or_else(|error| match error {
            CrewError::Busy => Err(Busy),
            CrewError::Panicked => Ok(tollgate_wire::read(to, body)),
        })
    }

    /// Short work that would hold up the threads which serve everybody.
    ///
    /// # Errors
    /// The crew has too much to do, or the work panicked.
    pub(crate) async fn aside<T, W>(&self, work: W) -> Result<T, Busy>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        self.crew.run(0, work).await.map_err(|_| Busy)
    }

    /// The tokens of the prompt, as well counted as the limits on this request need.
    ///
    /// # Errors
    /// The crew has too much to do. A bound instead of a count would refuse what has room.
    pub(crate) async fn weigh(&self, options: &Options, body: &Bytes) -> Result<Weight, Busy> {
        let prompt = &options.ask().prompt;
        let model = options.counted_as();
        let bound = || Weight { counts: bound_prompt(body, prompt, model), bytes: 0 };
        let is_enough = |bound: &Weight| match options.need() {
            Need::AtMost(most) => bound.counts.input <= most,
            Need::Exact => false,
            Need::Nothing => true,
        };
        if options.need() != Need::Exact {
            let bound = bound();
            if is_enough(&bound) {
                return Ok(bound);
            }
        }
        let ratio = self.ratio(model);
        let is_small = prompt.bytes <= COUNT_HERE;
        if is_small && is_ready(model) {
            return Ok(count(model, body, prompt, ratio));
        }
        let (owned, theirs, name) = (body.clone(), prompt.clone(), model.to_owned());
        let bytes = usize::try_from(prompt.bytes).unwrap_or(usize::MAX);
        let there = self.crew.run(bytes, move || count(&name, &owned, &theirs, ratio)).await;
        match there {
            Ok(weight) => Ok(weight),
            // Many at once while the vocabulary is unpacked: they wait for it, but are not refused.
            Err(CrewError::Busy) if is_small => Ok(count(model, body, prompt, ratio)),
            Err(CrewError::Busy) => Err(Busy),
            Err(CrewError::Panicked) => Ok(bound()),
        }
    }

    /// The tokens of a text that a provider streamed without reporting them. Nobody waits here for
    /// a vocabulary: where no prompt was ever counted, no limit looks at tokens, and a ratio does.
    pub(crate) fn count(&self, model: &str, text: &str) -> Tokens {
        match encoding_of(model).filter(|_| is_ready(model)) {
            Some(encoding) => count_text(encoding, text),
            None => self.ratio(model).unwrap_or_default().usual(length(text)),
        }
    }

    /// What a provider reported teaches the next estimates.
    pub(crate) fn learn(&self, model: &Arc<str>, weight: Weight, usage: &Usage) {
        if usage.estimated {
            return;
        }
        let mut learned = self.learned();
        if learned.len() >= MODELS_MAX && !learned.contains_key(model) {
            return;
        }
        let entry = learned.entry(model.clone()).or_default();
        if weight.counts.how == How::Ratio {
            entry.ratio = entry.ratio.learned(weight.bytes, usage.input);
        }
        entry.outputs.learn(usage.output);
    }

    /// How many tokens an answer of `model` usually has.
    pub(crate) fn usual_output(&self, model: &str) -> Tokens {
        let learned = self.learned();
        learned.get(model).and_then(|entry| entry.outputs.median()).unwrap_or(USUAL_OUTPUT)
    }

    fn ratio(&self, model: &str) -> Option<Ratio> {
        self.learned().get(model).map(|entry| entry.ratio)
    }

    /// The lock is held for a look-up; what is in it stays whole if a holder panics.
    fn learned(&self) -> MutexGuard<'_, HashMap<Arc<str>, Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tokens of a prompt, and the bytes of text they came from where a ratio is to learn from
/// them.
fn count(model: &str, body: &[u8], prompt: &Prompt, ratio: Option<Ratio>) -> Weight {
    let counts = count_prompt(model, body, prompt, ratio);
    let bytes = if counts.how == How::Ratio { text_bytes(body, prompt) } else { 0 };
    Weight { counts, bytes }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// A body up to this size is parsed on the request's own thread: some 100 µs at worst.
const READ_HERE: usize = 128 * 1024;
/// A prompt up to this size is counted on the request's own thread, once the vocabulary is there:
/// about a millisecond at worst.
const COUNT_HERE: u64 = 16 * 1024;
/// More models than this teach nothing: their names come from callers.
const MODELS_MAX: usize = 1024;
/// The median answer of the published traces of production chat (129), until something is learned.
const USUAL_OUTPUT: Tokens = Tokens::new(129);
