//! What is said of the side that faces the providers.

use core::fmt::{self, Write as _};

use tollgate_policy::{
    CacheScope, CacheSettings, CacheUse, ModelSettings, OnDisconnect, Prefer, ProviderSettings,
    in_words,
};

use super::{limits, line};
use crate::Config;

/// The accounts, the models that have others to stand in for them, and the answers that are kept.
pub(super) fn write(text: &mut String, config: &Config) -> fmt::Result {
    let settings = &config.settings;
    settings.providers.iter().try_for_each(|provider| write_provider(text, provider))?;
    settings.models.iter().try_for_each(|model| write_model(text, model))?;
    config.cache.iter().try_for_each(|cache| write_cache(text, cache))
}

fn write_provider(text: &mut String, provider: &ProviderSettings) -> fmt::Result {
    let drains = provider.on_disconnect == OnDisconnect::Drain;
    if provider.limits.is_empty() && !drains {
        return Ok(());
    }
    writeln!(text, "\nThe account {}", provider.name)?;
    if !provider.limits.is_empty() {
        limits(text, &provider.limits)?;
    }
    if drains {
        line(text, "answers", "that nobody waits for are read to their end, for at most 60 s")?;
    }
    Ok(())
}

fn write_model(text: &mut String, model: &ModelSettings) -> fmt::Result {
    let order = match model.prefer {
        Prefer::Headroom => None,
        Prefer::Cheapest => Some("the cheapest with room"),
        Prefer::Fastest => Some("the fastest with room"),
        Prefer::Listed => Some("the first in the list with room"),
    };
    if model.fallback.is_empty() && order.is_none() {
        return Ok(());
    }
    writeln!(text, "\nThe model {}", model.name)?;
    if let Some(order) = order {
        line(text, "served", &format!("by {order}"))?;
    }
    if model.fallback.is_empty() {
        return Ok(());
    }
    let stand_ins = model.fallback.join(", then by ");
    line(text, "else", &format!("by {stand_ins}, as far as the caller may use that"))
}

fn write_cache(text: &mut String, cache: &CacheSettings) -> fmt::Result {
    let used = match cache.used {
        CacheUse::Always => {
            "when it would come out the same (embeddings, temperature 0), and when no provider \
             answers"
        }
        CacheUse::StaleIfError => "when no provider answers",
    };
    let scope = match cache.scope {
        CacheScope::User => "user",
        CacheScope::Key => "key",
        CacheScope::Team => "team, else key",
        CacheScope::Org => "organisation, else key",
    };
    let (ttl, megabytes) = (in_words(cache.ttl), cache.bytes / 1_000_000);
    writeln!(text, "\nAnswers are kept for {ttl}, up to {megabytes} MB")?;
    line(text, "given", &format!("again within one {scope}, {used}"))
}
