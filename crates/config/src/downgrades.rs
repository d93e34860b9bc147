//! Limits that send requests to another model: whether it is there, and whether the way ends.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use tollgate_policy::{Exceed, Limit, Settings, TierSettings};

use crate::mistakes::Mark;
use crate::names::{Names, matching};
use crate::reader::{Field, Reader, Section};
use crate::stand_ins;

/// A limit that says `then downgrade to`.
#[derive(Debug)]
pub(crate) struct Downgrade {
    scope: Counted,
    target: String,
    at: Range<usize>,
    context: String,
}

/// Whose requests the limit counts.
#[derive(Debug)]
enum Counted {
    Everybody,
    Model(String),
    Tier(String),
}

/// Remembers where `limit`, of `section`, sends requests.
pub(crate) fn note(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    field: &Field<'_>,
    limit: &Limit,
) {
    let Exceed::Downgrade(target) = &limit.exceed else {
        return;
    };
    let scope = match section.owner.split_once(' ') {
        Some(("model", name)) => Counted::Model(name.to_owned()),
        Some(("tier", name)) => Counted::Tier(name.to_owned()),
        _ => Counted::Everybody,
    };
    let (at, context) = (field.node.at.clone(), field.context.clone());
    reader.downgrades.push(Downgrade { scope, target: target.clone(), at, context });
}

/// Marks every downgrade that leads nowhere, or round in a circle.
pub(crate) fn check(reader: &mut Reader<'_>, settings: &Settings, names: &Names<'_>) {
    let tiers = settings.tiers.iter().map(|tier| (&*tier.name, tier)).collect();
    let mut ways = Ways { settings, tiers, models: &names.models, taken: BTreeMap::new() };
    for downgrade in std::mem::take(&mut reader.downgrades) {
        let target = &*downgrade.target;
        let what = if names.models.contains(target) {
            ways.mistake(&downgrade)
        } else {
            Some(reader.with_nearest("no such model", target, names.models.iter().copied()))
        };
        match what {
            Some(what) => {
                reader.marks.push(Mark::of(downgrade.at, downgrade.context, what));
            }
            None => ways.taken.entry(downgrade.tier().to_owned()).or_default().push(downgrade),
        }
    }
}

/// The downgrades that have been found right so far.
struct Ways<'s> {
    settings: &'s Settings,
    tiers: BTreeMap<&'s str, &'s TierSettings>,
    models: &'s BTreeSet<&'s str>,
    /// By the tier that they are in; those that are in none, under the empty name.
    taken: BTreeMap<String, Vec<Downgrade>>,
}

impl Ways<'_> {
    fn mistake(&self, downgrade: &Downgrade) -> Option<String> {
        let target = &*downgrade.target;
        if matches!(&downgrade.scope, Counted::Model(name) if name == target) {
            return Some(format!("{target} cannot stand in for itself"));
        }
        if let Counted::Model(name) = &downgrade.scope
            && let Some(what) = stand_ins::mistake(self.settings, name, target)
        {
            return Some(what);
        }
        let tiers: Vec<&str> = match &downgrade.scope {
            Counted::Tier(name) => vec![name],
            Counted::Everybody | Counted::Model(_) => self.tiers.keys().copied().collect(),
        };
        if let Counted::Tier(name) = &downgrade.scope {
            let tier = self.tiers.get(&**name)?;
            if matching(std::iter::once(target), &tier.models).is_empty() {
                return Some(format!("{target} is not on this tier's list of models"));
            }
            let is_open = tier.models.iter().any(|pattern| pattern.contains('/'));
            if !is_open && matching(self.models.iter().copied(), &tier.models) == [target] {
                return Some(format!(
                    "{target} is this tier's only model, and a limit does not count requests that \
                     are for the model it names: it would never count anything"
                ));
            }
        }
        tiers.into_iter().find_map(|tier| {
            let round = self.reach(tier, target).into_iter().find(|model| leads(downgrade, model));
            round.map(|model| {
                format!(
                    "from {target} another limit leads to {model}, and this one back: a request \
                     would go round"
                )
            })
        })
    }

    /// The models that a request for `from` can be sent on to, in `tier`.
    fn reach(&self, tier: &str, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(model) = open.pop() {
            for way in ["", tier].iter().filter_map(|&tier| self.taken.get(tier)).flatten() {
                if leads(way, &model) && reached.insert(&*way.target) {
                    open.push(way.target.clone());
                }
            }
        }
        reached
    }
}

impl Downgrade {
    /// The tier that it is in; the empty name for one that is in none.
    fn tier(&self) -> &str {
        match &self.scope {
            Counted::Tier(name) => name,
            Counted::Everybody | Counted::Model(_) => "",
        }
    }
}

/// Whether a request for `model` can be sent on by `way`.
fn leads(way: &Downgrade, model: &str) -> bool {
    let counts = match &way.scope {
        Counted::Everybody | Counted::Tier(_) => true,
        Counted::Model(name) => name == model,
    };
    counts && way.target != model
}
