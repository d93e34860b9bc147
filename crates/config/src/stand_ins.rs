//! Models that stand in for others: whether a request for the one can be sent to the other at all.
//!
//! A request is passed on in the protocol it came in, so a model that no provider serves in a
//! protocol of the first can never take over from it.

use core::ops::Range;
use std::collections::BTreeSet;

use tollgate_policy::{ModelSettings, Settings};
use tollgate_wire::Protocol;

use crate::mistakes::Mark;
use crate::reader::{Field, Reader};

/// A model of a list `fallback`.
#[derive(Debug)]
pub(crate) struct StandIn {
    of: String,
    target: String,
    at: Range<usize>,
    context: String,
}

/// Remembers that `target`, written in `field`, stands in for `of`.
pub(crate) fn note(reader: &mut Reader<'_>, field: &Field<'_>, of: &str, target: &str) {
    let (at, context) = (field.node.at.clone(), field.context.clone());
    reader.stand_ins.push(StandIn { of: of.to_owned(), target: target.to_owned(), at, context });
}

/// Marks every model of a list `fallback` that could never stand in.
pub(crate) fn check(reader: &mut Reader<'_>, settings: &Settings) {
    for StandIn { of, target, at, context } in std::mem::take(&mut reader.stand_ins) {
        if let Some(what) = mistake(settings, &of, &target) {
            reader.marks.push(Mark::of(at, context, what));
        }
    }
}

/// Why a request for `of` could never be sent to `target`, if that is so.
pub(crate) fn mistake(settings: &Settings, of: &str, target: &str) -> Option<String> {
    let (spoken, other) = (protocols(settings, of), protocols(settings, target));
    // What serves a model may be a mistake of its own, which is told.
    let is_known = !spoken.is_empty() && !other.is_empty();
    (is_known && spoken.is_disjoint(&other)).then(|| {
        let names = |protocols: &BTreeSet<&str>| {
            protocols.iter().copied().collect::<Vec<_>>().join(" and ")
        };
        format!(
            "{target} is served in the protocol of {} only, {of} in that of {}: a request is \
             passed on as it came, so {target} could never stand in",
            names(&other),
            names(&spoken)
        )
    })
}

/// The protocols that a model is served in.
fn protocols<'s>(settings: &'s Settings, model: &str) -> BTreeSet<&'s str> {
    let model = settings.models.iter().find(|it| it.name == model);
    let routes = model.map(|ModelSettings { serve, .. }| serve.as_slice()).unwrap_or_default();
    let provider = |name: &str| settings.providers.iter().find(|it| it.name == name);
    let spoken = routes.iter().filter_map(|route| provider(&route.provider));
    spoken.map(|provider| provider.protocol).map(Protocol::name).collect()
}
