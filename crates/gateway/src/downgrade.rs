//! plan ▸ ask the limits; and where the limit that refuses says so, or the accounts have no room,
//! the same again for another model.
//!
//! One walk serves admission, the policy that is only watched, and `explain`: each asks its own
//! meters, in its own way, and what ends the walk is the same for all three.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use tollgate_policy::{Options, Plan, Pricing, Refusal};
use tollgate_store::Memory;
use tollgate_tokens::Counts;

use crate::admit::NoRoom;
use crate::gate::moment;

/// A request on its way from the model that was asked for to those that limits name instead.
#[derive(Debug)]
pub(crate) struct Downgrades {
    options: Options,
    /// What refused before: nothing for the model that was asked for.
    full: Option<NoRoom>,
    /// The models whose turn it was. Limits of the configuration never lead back to one; those of
    /// an issued key may.
    tried: Vec<Arc<str>>,
    /// The models that stand in where an account has no room, as far as it was not their turn.
    stand_ins: VecDeque<Arc<str>>,
}

/// Why none of the models serves the request.
#[derive(Debug)]
pub(crate) enum Unserved {
    /// The policy does not allow it, and what it would have cost.
    Refused(Refusal, Pricing),
    /// No limit has room; of all that refused, the one that would have room first.
    Full(NoRoom),
}

impl Downgrades {
    /// From the model that was asked for.
    pub(crate) const fn from(options: Options) -> Self {
        Self { options, full: None, tried: Vec::new(), stand_ins: VecDeque::new() }
    }

    /// The request for the model whose turn it is, which is to be weighed.
    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// Whether it is the turn of the model that was asked for.
    pub(crate) const fn is_first(&self) -> bool {
        self.full.is_none()
    }

    /// Plans for the model whose turn it is, and asks whether there is room: breaks with what was
    /// found, and goes on with the model that a limit names.
    pub(crate) fn ask<T>(
        self,
        meters: &Memory,
        counts: Counts,
        find: impl FnOnce(Plan) -> Result<T, NoRoom>,
    ) -> ControlFlow<Result<T, Unserved>, Self> {
        let Self { options, full, mut tried, mut stand_ins } = self;
        let model = options.model().clone();
        let (pricing, moment) = (options.pricing(), moment(meters, &options));
        let plan = match options.plan(counts, moment) {
            Ok(plan) => plan,
            // What cannot stand in is no reason: the limit that had no room is.
            Err(refusal) => {
                let refused = Unserved::Refused(refusal, pricing);
                return ControlFlow::Break(Err(full.map_or(refused, Unserved::Full)));
            }
        };
        let refused = match find(plan) {
            Ok(found) => return ControlFlow::Break(Ok(found)),
            Err(refused) => refused,
        };
        if tried.is_empty() {
            stand_ins = refused.plan.stand_ins().iter().cloned().collect();
        }
        tried.push(model);
        let downgraded = refused.downgraded().filter(|next| !tried.contains(next.model()));
        let next = downgraded.or_else(|| stood_in(&refused, &mut stand_ins, &tried));
        let full = match full {
            Some(before) => before.or_sooner(refused),
            None => refused,
        };
        match next {
            Some(options) => {
                let full = Some(full);
                ControlFlow::Continue(Self { options, full, tried, stand_ins })
            }
            None => ControlFlow::Break(Err(Unserved::Full(full))),
        }
    }
}

/// The same request for the next model that stands in, where nothing but what providers allow their
/// accounts refused.
fn stood_in(
    refused: &NoRoom,
    stand_ins: &mut VecDeque<Arc<str>>,
    tried: &[Arc<str>],
) -> Option<Options> {
    if !refused.is_of_accounts() {
        return None;
    }
    let mut names = std::iter::from_fn(|| stand_ins.pop_front());
    names.find_map(|name| refused.plan.stood_in(&name).filter(|_| !tried.contains(&name)))
}
