//! What a configuration lets whom do, in words: the answer of `tollgate check`.
//!
//! Warnings are what is allowed and probably not meant. They are wrong about requests that are
//! unlike the ordinary one they reckon with.

use core::fmt::{self, Write as _};
use std::collections::{BTreeMap, BTreeSet};

use tollgate_jwt::{Issuer, KeySource};
use tollgate_policy::{
    ANONYMOUS, Exceed, Guardrails, KeySettings, Limit, Measure, OnForbiddenTool, Priority, Proxies,
    Settings, SubjectKind, TierSettings, Unit,
};
use tollgate_tokens::{Most, PriceBook, Tariff};
use tollgate_units::{Amount, NanoUsd, Searches, Tokens};
use tollgate_wire::Protocol;

use crate::names::matching;
use crate::values::{host_of, is_loopback};
use crate::{Config, Data, Source};

/// What each caller may do, and what about it is odd.
pub fn in_words(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, config);
    text
}

fn write(text: &mut String, config: &Config) -> fmt::Result {
    let settings = &config.settings;
    write_start(text, config)?;
    for tier in &settings.tiers {
        if tier.name == ANONYMOUS {
            writeln!(text, "\nWhoever has no key (tier {ANONYMOUS})")?;
        } else {
            writeln!(text, "\nTier {}", tier.name)?;
        }
        let models = models_of(config, tier);
        line(text, "models", &models_in_words(tier, &models))?;
        limits(text, &tier.limits)?;
        if tier.priority != Priority::Normal {
            line(text, "turn", tier.priority.label())?;
        }
        let both = settings.guardrails.and(&tier.guardrails);
        guardrails(text, &both)?;
        if tier.name == ANONYMOUS && both.fields.is_none() {
            line(
                text,
                "body",
                "the fields of ordinary requests; guardrails: {fields} says others",
            )?;
        }
        if tier.name == ANONYMOUS && both.tools.is_none() {
            line(text, "tools", "functions of their own; guardrails: {tools} says others")?;
        }
    }
    if !settings.limits.is_empty() {
        writeln!(text, "\nEverybody together")?;
        limits(text, &settings.limits)?;
    }
    groups::write(text, settings)?;
    upstreams::write(text, config)?;
    for key in &settings.keys {
        write_key(text, key)?;
    }
    config.issuers.iter().try_for_each(|issuer| write_issuer(text, issuer))?;
    write_proxies(text, &settings.proxies)?;
    let mut warnings = warnings(config);
    warnings.extend(groups::warnings(settings));
    if !warnings.is_empty() {
        writeln!(text, "\nWarnings")?;
    }
    warnings.iter().try_for_each(|warning| writeln!(text, "  {warning}"))
}

fn write_start(text: &mut String, config: &Config) -> fmt::Result {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    write!(text, "Callers use {scheme}://{}, the admin plane is {}.", config.listen, config.admin)?;
    match &config.data {
        Data::File(path) => write!(text, " What is used is kept in {}.", path.display())?,
        Data::Memory => write!(text, " What is used is forgotten at a restart.")?,
    }
    let is_open = config.settings.tiers.iter().any(|tier| tier.name == ANONYMOUS);
    text.push_str(match () {
        () if is_open => "\n",
        () if config.issuers.is_empty() => " A key is required.\n",
        () => " A key or a JWT is required.\n",
    });
    if config.source == Source::BuiltIn {
        writeln!(text, "There is no configuration file: this is the built-in policy.")?;
    }
    Ok(())
}

fn write_key(text: &mut String, key: &KeySettings) -> fmt::Result {
    let owners =
        [("team", &key.team), ("user", &key.user), ("project", &key.project), ("org", &key.org)];
    write!(text, "\nKey {}: tier {}", key.name, key.tier)?;
    for (kind, owner) in owners {
        if let Some(owner) = owner {
            write!(text, ", {kind} {owner}")?;
        }
    }
    text.push_str(if key.trust_user { ", which may name its end users\n" } else { "\n" });
    if let Some(models) = &key.models {
        line(text, "models", &format!("{}, as far as its tier allows", models.join(", ")))?;
    }
    if !key.limits.is_empty() {
        limits(text, &key.limits)?;
    }
    guardrails(text, &key.guardrails)
}

fn write_issuer(text: &mut String, issuer: &Issuer) -> fmt::Result {
    writeln!(text, "\nWhoever has a JWT of {}, for {}", issuer.url, issuer.audience.join(" or "))?;
    let tier = match (&issuer.claims.tier, &issuer.tier) {
        (Some(claim), Some(tier)) => format!("by its claim {claim}, else {tier}"),
        (Some(claim), None) => format!("by its claim {claim}"),
        (None, tier) => tier.clone().unwrap_or_default(),
    };
    line(text, "tier", &tier)?;
    let claims = &issuer.claims;
    let named = [
        ("user", Some(&claims.user)),
        ("team", claims.team.as_ref()),
        ("project", claims.project.as_ref()),
        ("org", claims.org.as_ref()),
    ];
    for (kind, claim) in named {
        if let Some(claim) = claim {
            line(text, kind, &format!("by its claim {claim}"))?;
        }
    }
    match &issuer.keys {
        KeySource::Known(keys) => line(text, "keys", &format!("{} from a file", keys.len())),
        KeySource::Url { url, .. } => line(text, "keys", &format!("fetched from {url}")),
    }
}

fn write_proxies(text: &mut String, proxies: &Proxies) -> fmt::Result {
    if proxies.trusted.is_empty() {
        return Ok(());
    }
    let networks: Vec<String> = proxies.trusted.iter().map(ToString::to_string).collect();
    writeln!(text, "\nProxies in {} are believed", networks.join(", "))?;
    line(text, "address", "by X-Forwarded-For")?;
    let headers = &proxies.headers;
    let named = [
        ("user", &headers.user),
        ("team", &headers.team),
        ("project", &headers.project),
        ("org", &headers.org),
        ("tier", &headers.tier),
    ];
    for (kind, header) in named {
        if let Some(header) = header {
            line(text, kind, &format!("by the header {header}"))?;
        }
    }
    Ok(())
}

fn models_in_words(tier: &TierSettings, models: &[&str]) -> String {
    let direct = tier
        .models
        .iter()
        .filter(|pattern| pattern.contains('/') && !models.contains(&pattern.as_str()));
    let direct = direct.map(|pattern| format!("{pattern} directly"));
    let all: Vec<String> = models.iter().map(|&name| name.to_owned()).chain(direct).collect();
    all.join(", ")
}

fn limits(text: &mut String, limits: &[Limit]) -> fmt::Result {
    if limits.is_empty() {
        return line(text, "limits", "none of its own");
    }
    for (at, limit) in limits.iter().enumerate() {
        line(text, if at == 0 { "limits" } else { "" }, &limit.to_string())?;
    }
    Ok(())
}

fn guardrails(text: &mut String, guardrails: &Guardrails) -> fmt::Result {
    let mut said = Vec::new();
    if let Some(most) = guardrails.max_input_tokens {
        said.push(format!("a prompt of more than {} is refused", count(most)));
    }
    if let Some(most) = guardrails.max_output_tokens {
        said.push(format!("an answer has at most {}", count(most)));
    }
    if let Some(tools) = &guardrails.tools {
        let listed = if tools.is_empty() { "none".to_owned() } else { tools.join(", ") };
        said.push(match guardrails.on_forbidden_tool {
            Some(OnForbiddenTool::Strip) => format!("tools other than {listed} are taken out"),
            Some(OnForbiddenTool::Reject) | None => {
                format!("tools other than {listed} are refused")
            }
        });
    }
    if let Some(fields) = &guardrails.fields {
        let listed = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
        said.push(format!("besides model, input and stream the body has {listed}"));
    }
    if said.is_empty() { Ok(()) } else { line(text, "bounds", &said.join("; ")) }
}

fn count(tokens: Tokens) -> String {
    amount(Unit::Tokens, Amount::new(tokens.get()))
}

/// `32k tokens` or `$0.25`, as a limit says it.
fn amount(unit: Unit, amount: Amount) -> String {
    let (name, subjects, measure) = (None, Vec::new(), Measure::Total);
    let (exceed, warn, shadow) = (Exceed::Reject, None, false);
    Limit { name, unit, amount, measure, subjects, exceed, warn, shadow }.to_string()
}

fn line(text: &mut String, label: &str, value: &str) -> fmt::Result {
    writeln!(text, "  {label:<7} {value}")
}

/// The configured models that a tier's list allows.
fn models_of<'c>(config: &'c Config, tier: &TierSettings) -> Vec<&'c str> {
    let mut models =
        matching(config.settings.models.iter().map(|model| &*model.name), &tier.models);
    models.sort_unstable();
    models
}

fn warnings(config: &Config) -> Vec<String> {
    let settings = &config.settings;
    let book = PriceBook::built_in().with(settings.prices.clone(), settings.unpriced.clone());
    let mut warnings = reach(config);
    warnings.extend(uncached(settings));
    let mut own = BTreeMap::<&str, Vec<&Limit>>::new();
    for key in &settings.keys {
        own.entry(&key.tier).or_default().extend(&key.limits);
    }
    for tier in &settings.tiers {
        let models = models_of(config, tier);
        let (priced, unpriced) = tariffs(config, &book, &models.iter().copied().collect());
        let keys = own.remove(&*tier.name).unwrap_or_default();
        let applied: Vec<&Limit> = tier.limits.iter().chain(keys).chain(&settings.limits).collect();
        let money = applied.iter().find(|limit| limit.unit == Unit::Cost && !limit.shadow);
        if let Some(limit) = money.filter(|_| !unpriced.is_empty()) {
            let (name, models) = (&tier.name, unpriced.join(", "));
            warnings.push(format!(
                "tier {name}: \"{limit}\" applies, and without a price these are refused: {models}"
            ));
        }
        for limit in applied.iter().filter(|_| money.is_some()) {
            if let Exceed::Downgrade(target) = &limit.exceed
                && !tariffs(config, &book, &BTreeSet::from([&**target])).1.is_empty()
            {
                let name = &tier.name;
                warnings.push(format!(
                    "tier {name}: \"{limit}\" sends requests to {target}, where a money limit \
                     refuses them for want of a price"
                ));
            }
        }
        for limit in &applied {
            let deaf = deaf(settings, &models, limit);
            warnings.extend(deaf.map(|what| format!("tier {}: \"{limit}\" {what}", tier.name)));
            let unsaid = limit.subjects.iter().find_map(|kind| unsaid(settings, kind));
            warnings.extend(unsaid.map(|what| format!("tier {}: \"{limit}\" {what}", tier.name)));
        }
        for limit in applied.iter().filter(|limit| !limit.shadow) {
            let too_small = smallness(limit, &priced);
            warnings
                .extend(too_small.map(|what| format!("tier {}: \"{limit}\" {what}", tier.name)));
        }
    }
    warnings
}

/// Prices that bill what a cache saves, or costs, as if there were none.
fn uncached(settings: &Settings) -> Vec<String> {
    let caches = |route: &str| {
        let provider = route.split('/').next().unwrap_or_default();
        let mut accounts = settings.providers.iter();
        accounts.any(|it| it.name == provider && it.protocol == Protocol::Anthropic)
    };
    let of = |(route, tariff): &(String, Tariff)| {
        let unsaid = [("cached_input", tariff.cached_input), ("cache_write", tariff.cache_write)];
        let unsaid: Vec<_> = unsaid.iter().filter(|it| it.1.is_none()).map(|it| it.0).collect();
        (caches(route) && !unsaid.is_empty()).then(|| {
            let unsaid = unsaid.join(" and ");
            format!("price of {route}: without {unsaid}, that costs as much as other input here")
        })
    };
    settings.prices.iter().filter_map(of).collect()
}

/// Why a limit that names another model refuses some requests all the same.
fn deaf(settings: &Settings, models: &[&str], limit: &Limit) -> Option<String> {
    let Exceed::Downgrade(target) = &limit.exceed else {
        return None;
    };
    let spoken = |name: &str| {
        let model = settings.models.iter().find(|model| model.name == name);
        let routes = model.into_iter().flat_map(|model| &model.serve);
        let accounts = routes.filter_map(|route| {
            settings.providers.iter().find(|account| account.name == route.provider)
        });
        accounts.map(|account| account.protocol).collect::<Vec<_>>()
    };
    let known = spoken(target);
    let others = models.iter().filter(|name| spoken(name).iter().any(|it| !known.contains(it)));
    let others: Vec<&str> = others.copied().collect();
    (!others.is_empty()).then(|| {
        let others = others.join(", ");
        format!("cannot send requests for {others} to {target}, which speaks another protocol")
    })
}

/// Why a limit by a header counts by nothing of the kind.
fn unsaid(settings: &Settings, kind: &SubjectKind) -> Option<&'static str> {
    let is_header = matches!(kind, SubjectKind::Header(_));
    let nobody =
        settings.proxies.trusted.is_empty() && !settings.keys.iter().any(|key| key.trust_user);
    (is_header && nobody).then_some(
        "counts by user: nobody here is believed about headers (trusted_proxies, trust_user)",
    )
}

/// Who can reach what without being stopped.
fn reach(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_open = config.settings.tiers.iter().any(|tier| tier.name == ANONYMOUS);
    let is_local = config.listen.ip().is_loopback();
    if is_open && !is_local {
        warnings.push(format!("whoever can reach {} may call without a key", config.listen));
    }
    if config.tls.is_none() && !is_local {
        warnings.push(format!(
            "keys reach {} unencrypted, unless a proxy before it does TLS",
            config.listen
        ));
    }
    for upstream in &config.upstreams {
        let is_plain = upstream.base_url.starts_with("http://") && upstream.api_key.is_some();
        if is_plain && !host_of(&upstream.base_url).is_some_and(is_loopback) {
            warnings.push(format!("provider {}: its key leaves unencrypted", upstream.name));
        }
    }
    warnings
}

/// The prices of `models`, and the routes that have none.
fn tariffs(
    config: &Config,
    book: &PriceBook,
    models: &BTreeSet<&str>,
) -> (Vec<Tariff>, Vec<String>) {
    let served = config.settings.models.iter().filter(|model| models.contains(&*model.name));
    let mut priced = Vec::new();
    let mut unpriced = Vec::new();
    for route in served.flat_map(|model| &model.serve) {
        match book.tariff(&route.provider, &route.model) {
            Some(tariff) => priced.push(tariff.clone()),
            None => unpriced.push(format!("{}/{}", route.provider, route.model)),
        }
    }
    (priced, unpriced)
}

/// Why `limit` will stop more than it is probably meant to.
fn smallness(limit: &Limit, tariffs: &[Tariff]) -> Option<String> {
    if limit.amount == Amount::ZERO {
        return Some("refuses every request".to_owned());
    }
    let room = match limit.measure {
        Measure::Bucket { burst, .. } => burst,
        _ => limit.amount,
    };
    let ordinary = match limit.unit {
        Unit::Tokens => INPUT.plus(OUTPUT).get(),
        Unit::InputTokens => INPUT.get(),
        Unit::OutputTokens => OUTPUT.get(),
        Unit::Cost => tariffs.iter().map(ordinary_cost).min().map_or(0, NanoUsd::get),
        Unit::Concurrency | Unit::Requests | Unit::Streams => 1,
        Unit::Steps | Unit::ToolCalls => 0,
    };
    let ordinary = Amount::new(ordinary);
    let shown = amount(limit.unit, ordinary);
    (room < ordinary).then(|| format!("is smaller than one ordinary request ({shown})"))
}

fn ordinary_cost(tariff: &Tariff) -> NanoUsd {
    let searches = (!tariff.sells_tokens()).then_some(Searches::new(1));
    let (input, each) = tariff.bound(Most { input: INPUT, searches, ..Most::default() });
    input.plus(each.of(OUTPUT)).to_nano()
}

/// What one ordinary request puts in and gets out; of what is sold by the search, it is one.
const INPUT: Tokens = Tokens::new(500);
const OUTPUT: Tokens = Tokens::new(500);

mod groups;
mod upstreams;
