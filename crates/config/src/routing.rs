//! How requests find a provider: retries, breakers, and answers that are given again.

use tollgate_policy::{
    BreakerSettings, CacheScope, CacheSettings, CacheUse, RetrySettings, RoutingSettings,
};
use tollgate_units::Span;

use crate::reader::{Keys, Reader, Section};
use crate::values::{duration, percent, size};

pub(crate) const RETRY_KEYS: Keys =
    Keys { known: &["attempts", "base", "cap", "budget"], later: &[] };
pub(crate) const BREAKER_KEYS: Keys =
    Keys { known: &["failures", "error_rate", "cooldown", "safe_remaining"], later: &[] };
pub(crate) const CACHE_KEYS: Keys = Keys { known: &["use", "scope", "ttl", "size"], later: &[] };

/// Reads the sections `retry` and `breaker`.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> RoutingSettings {
    RoutingSettings { retry: retry(reader, file), breaker: breaker(reader, file) }
}

fn retry(reader: &mut Reader<'_>, file: &Section<'_>) -> RetrySettings {
    let mut retry = RetrySettings::default();
    let section = file.get("retry");
    let Some(section) = section.and_then(|field| reader.section(&field, "retry", &RETRY_KEYS))
    else {
        return retry;
    };
    set(&mut retry.attempts, count(reader, &section, "attempts", ATTEMPTS_MAX));
    set(&mut retry.base, span(reader, &section, "base"));
    set(&mut retry.cap, span(reader, &section, "cap"));
    set(&mut retry.budget, share(reader, &section, "budget"));
    if retry.base > retry.cap
        && let Some(field) = section.get("cap").or_else(|| section.get("base"))
    {
        reader.mark(&field, "expected a cap of at least the base");
    }
    retry
}

fn breaker(reader: &mut Reader<'_>, file: &Section<'_>) -> BreakerSettings {
    let mut breaker = BreakerSettings::default();
    let section = file.get("breaker");
    let Some(section) = section.and_then(|field| reader.section(&field, "breaker", &BREAKER_KEYS))
    else {
        return breaker;
    };
    set(&mut breaker.failures, count(reader, &section, "failures", FAILURES_MAX));
    set(&mut breaker.error_rate, share(reader, &section, "error_rate"));
    set(&mut breaker.cooldown, span(reader, &section, "cooldown"));
    set(&mut breaker.safe_remaining, share(reader, &section, "safe_remaining"));
    if breaker.error_rate == 0
        && let Some(field) = section.get("error_rate")
    {
        reader.mark(&field, "expected more than 0%: this would leave every route alone");
    }
    if breaker.safe_remaining == 100
        && let Some(field) = section.get("safe_remaining")
    {
        reader.mark(&field, "expected less than 100%: this would keep everything for the critical");
    }
    breaker
}

/// Reads the section `cache`; nothing where no answer is kept.
pub(crate) fn cache(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<CacheSettings> {
    let field = file.get("cache")?;
    let section = reader.section(&field, "cache", &CACHE_KEYS)?;
    let uses = [
        ("stale-if-error", Some(CacheUse::StaleIfError)),
        ("always", Some(CacheUse::Always)),
        ("never", None),
    ];
    let when = match section.get("use") {
        Some(field) => reader.choice(&field, &uses)?,
        None => Some(CacheUse::StaleIfError),
    };
    let scopes = [
        ("team", CacheScope::Team),
        ("user", CacheScope::User),
        ("key", CacheScope::Key),
        ("org", CacheScope::Org),
    ];
    let scope = section.get("scope").and_then(|field| reader.choice(&field, &scopes));
    let ttl = span(reader, &section, "ttl");
    let expected = "a size from 1MB to 1GiB, such as 256MB";
    let bytes = section.get("size").and_then(|field| {
        let read = |text: &str| size(text).filter(|bytes| *bytes >= CACHE_BYTES_MIN);
        reader.value(&field, expected, read)
    });
    Some(CacheSettings {
        used: when?,
        scope: scope.unwrap_or(CacheScope::Team),
        ttl: ttl.unwrap_or(Span::from_secs(60 * 60)),
        bytes: bytes.unwrap_or(CACHE_BYTES),
    })
}

fn set<T>(slot: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *slot = said;
    }
}

fn count(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, most: u32) -> Option<u32> {
    let field = section.get(key)?;
    let read = |text: &str| text.parse().ok().filter(|count| (1..=most).contains(count));
    reader.value(&field, &format!("a number from 1 to {most}"), read)
}

fn span(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<Span> {
    let field = section.get(key)?;
    let expected = "a duration of at most a day, such as 500ms, 10s, 2m or 1h";
    reader.value(&field, expected, duration)
}

fn share(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<u32> {
    let field = section.get(key)?;
    reader.value(&field, "a share from 0% to 100%, such as 10%", percent)
}

const ATTEMPTS_MAX: u32 = 20;
const FAILURES_MAX: u32 = 1000;
const CACHE_BYTES: u64 = 256_000_000;
/// One answer may have so much.
const CACHE_BYTES_MIN: u64 = 1_000_000;
