//! What a request counts against a provider's own limits, by the provider's own rule: before it is
//! sent, and once its usage is known.

use tollgate_policy::Plan;
use tollgate_routing::Need;
use tollgate_units::Tokens;
use tollgate_wire::{Counted, Dialect, Usage, Weighed};

/// What `plan` counts where `dialect` is spoken, if each answer may have `output` tokens.
pub(crate) fn need(dialect: &Dialect, plan: &Plan, output: Tokens) -> Need {
    let ask = plan.ask();
    let weighed = Weighed {
        // Bytes, where characters are counted: never fewer.
        characters: ask.prompt.bytes,
        prompt: plan.counts().input,
        cached: Tokens::ZERO,
        cap: output,
        answers: ask.answers,
    };
    let of = |counts| dialect.reserve.before(counts, &weighed).get();
    Need {
        requests: 1,
        tokens: of(Counted::Tokens),
        input_tokens: of(Counted::InputTokens),
        output_tokens: of(Counted::OutputTokens),
    }
}

/// What it counted in the end, where `before` was counted when it was sent.
pub(crate) fn counted(dialect: &Dialect, before: &Need, usage: &Usage) -> Need {
    let of = |counts, before| dialect.reserve.after(counts, Tokens::new(before), usage).get();
    Need {
        requests: before.requests,
        tokens: of(Counted::Tokens, before.tokens),
        input_tokens: of(Counted::InputTokens, before.input_tokens),
        output_tokens: of(Counted::OutputTokens, before.output_tokens),
    }
}
