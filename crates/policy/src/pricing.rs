//! What a request would cost, for a statistic of what refusing it saved.

use std::sync::Arc;

use tollgate_units::{NanoUsd, Tokens};
use tollgate_wire::{Billed, Usage};

use crate::consider::Options;
use crate::deployment::Deployment;
use crate::plan::Plan;

/// What a request would cost where it would be tried first.
#[derive(Clone, Debug)]
pub struct Pricing {
    first: Option<Arc<Deployment>>,
    answers: u64,
    most: Tokens,
    billed: Option<Billed>,
}

impl Pricing {
    /// The model that would be tried first.
    pub fn model(&self) -> Option<&str> {
        self.first.as_ref().map(|first| &**first.model())
    }

    /// What a prompt of `input` tokens would cost, with answers of the usual length. Nothing where
    /// the model has no price.
    pub fn of(&self, input: Tokens, usual: Tokens) -> NanoUsd {
        let output = usual.min(self.most).times(self.answers);
        let usage = Usage { input, output, billed: self.billed, ..Usage::default() };
        let tariff = self.first.as_ref().and_then(|first| first.tariff());
        tariff.map(|tariff| tariff.cost(&usage).to_nano()).unwrap_or_default()
    }
}

impl Options {
    /// What this request would cost, for a statistic of what refusing it saved.
    pub fn pricing(&self) -> Pricing {
        let most = Tokens::new(self.output_bound().stretch.most);
        let first = self.model.routes.first().cloned();
        Pricing { first, answers: self.ask.answers, most, billed: self.ask.billed_at_most() }
    }
}

impl Plan {
    /// What this request would cost, for a statistic of what refusing it saved.
    pub fn pricing(&self) -> Pricing {
        let first = self.candidates.first().map(|first| first.deployment.clone());
        let most = Tokens::new(self.output.stretch.most);
        Pricing { first, answers: self.ask.answers, most, billed: self.ask.billed_at_most() }
    }
}
