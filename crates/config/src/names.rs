//! The names a file defines, gathered before anything refers to them.
//!
//! A provider whose own section is wrong is still a provider: whoever refers to it has made no
//! mistake. So references are compared with what is written, not with what was understood.

use std::collections::BTreeSet;

use tollgate_policy::{ANONYMOUS, matches};

use crate::reader::Section;
use crate::yaml::Value;

/// Every name that is defined.
pub(crate) struct Names<'n> {
    pub(crate) models: BTreeSet<&'n str>,
    pub(crate) providers: BTreeSet<&'n str>,
    pub(crate) tiers: BTreeSet<&'n str>,
    /// What a trusted proxy says of callers.
    by_proxy: BTreeSet<&'n str>,
}

impl<'n> Names<'n> {
    /// The names in a file.
    pub(crate) fn of(file: &Section<'n>) -> Self {
        Self {
            models: keys(file, "models"),
            providers: keys(file, "providers"),
            tiers: keys(file, "tiers"),
            by_proxy: keys(file, "identity_headers"),
        }
    }

    /// Whether callers of `tier` may have no key.
    pub(crate) fn is_keyless(&self, tier: &str) -> bool {
        self.tiers.contains(tier) && (tier == ANONYMOUS || self.by_proxy.contains("tier"))
    }

    /// Whether callers of a team, project or org (`noun`) may have no key.
    pub(crate) fn has_keyless_in(&self, noun: &str) -> bool {
        self.by_proxy.contains(noun) && self.has_keyless()
    }

    /// Whether any callers may have no key.
    pub(crate) fn has_keyless(&self) -> bool {
        self.tiers.iter().any(|tier| self.is_keyless(tier))
    }

    /// Whether a pattern of a model list can match anything: a model, or what a provider calls so.
    ///
    /// What stands between two `*` is not looked at, so a pattern of many parts may match nothing
    /// and not be found; a pattern with a wrong beginning or end is.
    pub(crate) fn has_model(&self, pattern: &str) -> bool {
        let provider = pattern.split_once('/').map(|(provider, _)| provider);
        if provider.is_some_and(|name| name.contains('*') || self.providers.contains(name)) {
            return true;
        }
        let Some((head, rest)) = pattern.split_once('*') else {
            return self.models.contains(pattern);
        };
        let tail = rest.rsplit('*').next().unwrap_or_default();
        let fits = |name: &str| name.len() >= head.len() + tail.len() && name.ends_with(tail);
        let mut alike = self.models.range(head..).take_while(|name| name.starts_with(head));
        // As in the policy: a pattern without a slash does not reach into names that have one.
        alike.any(|name| fits(name) && (pattern.contains('/') || !name.contains('/')))
    }
}

/// Those of `models` that a list of `patterns` allows.
pub(crate) fn matching<'m>(
    models: impl Iterator<Item = &'m str>,
    patterns: &[String],
) -> Vec<&'m str> {
    let allowed = |name: &&str| patterns.iter().any(|pattern| matches(pattern, name));
    models.filter(allowed).collect()
}

fn keys<'n>(file: &Section<'n>, section: &str) -> BTreeSet<&'n str> {
    let Some(field) = file.get(section) else {
        return BTreeSet::new();
    };
    match &field.node.value {
        Value::Map(entries) => entries.iter().filter_map(|(key, _)| key.text()).collect(),
        Value::Broken | Value::List(_) | Value::Text { .. } => BTreeSet::new(),
    }
}
