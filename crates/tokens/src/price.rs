//! The price book: what every model costs, and what is known of it besides.
//!
//! A dated table is compiled in, and the operator's own prices win over it. A built-in price is
//! looked up by the model's own name whatever the provider's entry is called, so it is wrong for a
//! reseller with prices of its own until the operator writes them down. A name that is not in the
//! table has no price: it is never free.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use tollgate_units::{MicroUsdPerMillion, MicroUsdPerThousand, Tokens};

use crate::name::undated;
use crate::{LongContext, Tariff};

/// What every model costs.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    /// The operator's own prices, by provider, then by the provider's name for the model.
    own: BTreeMap<String, BTreeMap<String, Tariff>>,
    unpriced: Option<Tariff>,
}

/// What is known of a model besides its prices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModelFacts {
    /// Who makes or serves it, in the table's words.
    pub provider: &'static str,
    /// What it is for.
    pub mode: Mode,
    /// The most input that is accepted. Some models fit their output into it too.
    pub context_window: Option<Tokens>,
    /// The most output tokens of one answer.
    pub max_output: Option<Tokens>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Answers in text.
    Chat,
    /// Returns vectors: no output tokens.
    Embedding,
    /// Classifies; free of charge.
    Moderation,
    /// Orders documents by a query; sold by the search.
    Rerank,
}

impl PriceBook {
    /// The table that is compiled in, and nothing of the operator's.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// The same with the operator's prices, by `provider/model`, and a price for what has none.
    #[must_use]
    pub fn with(mut self, prices: Vec<(String, Tariff)>, unpriced: Option<Tariff>) -> Self {
        for (name, tariff) in prices {
            // Providers' names have no slash, models' may: `groq/openai/gpt-oss-20b`.
            let (provider, model) = name.split_once('/').unwrap_or(("", &name));
            self.own.entry(provider.to_owned()).or_default().insert(model.to_owned(), tariff);
        }
        self.unpriced = unpriced;
        self
    }

    /// What `model` costs at the operator's `provider`: by the operator's word, else by the table,
    /// first under its full name, then without its date, else what is charged for the unpriced.
    pub fn tariff(&self, provider: &str, model: &str) -> Option<&Tariff> {
        let own = self.own.get(provider);
        let known = |name: &str| {
            let built_in = || TABLE.models.get(name).map(|entry| &entry.tariff);
            own.and_then(|prices| prices.get(name)).or_else(built_in)
        };
        known(model).or_else(|| known(undated(model)?)).or(self.unpriced.as_ref())
    }

    /// What is known of `model`, whoever serves it.
    pub fn facts(&self, model: &str) -> Option<&ModelFacts> {
        let known = |name: &str| TABLE.models.get(name).map(|entry| &entry.facts);
        known(model).or_else(|| known(undated(model)?))
    }

    /// The day on which the built-in prices were taken, as `2026-11-22`.
    pub fn dated() -> &'static str {
        TABLE.dated
    }
}

/// The largest window in the table: that of a model that is not in it.
pub(crate) const WINDOW_MAX: Tokens = Tokens::new(1_050_000);

/// A table that cannot be read is an empty one: everything is unpriced, which refuses. A test sees
/// to it that this never ships.
static TABLE: LazyLock<Table> = LazyLock::new(|| read(SOURCE).unwrap_or_default());

const SOURCE: &str = include_str!("../data/prices.json");

#[derive(Default)]
struct Table {
    dated: &'static str,
    models: BTreeMap<&'static str, Entry>,
}

struct Entry {
    tariff: Tariff,
    facts: ModelFacts,
}

fn read(source: &'static str) -> Result<Table, serde_json::Error> {
    let file: TableFile = serde_json::from_str(source)?;
    let models = file.models.into_iter().map(|(name, row)| (name, Entry::from(row))).collect();
    Ok(Table { dated: file.dated, models })
}

#[derive(Deserialize)]
struct TableFile {
    dated: &'static str,
    models: BTreeMap<&'static str, Row>,
}

#[derive(Deserialize)]
struct Row {
    provider: &'static str,
    mode: Mode,
    /// Absent where nothing but searches is sold.
    #[serde(default)]
    input: u64,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    cache_write_hour: Option<u64>,
    /// Absent where nothing comes out: embeddings.
    output: Option<u64>,
    search: Option<u64>,
    long_context: Option<LongRow>,
    context_window: Option<u64>,
    max_output: Option<u64>,
}

#[derive(Deserialize)]
struct LongRow {
    above: u64,
    input: u64,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    cache_write_hour: Option<u64>,
    output: u64,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let price = MicroUsdPerMillion::new;
        let long_context = row.long_context.map(|long| LongContext {
            above: Tokens::new(long.above),
            input: price(long.input),
            cached_input: long.cached_input.map(price),
            cache_write: long.cache_write.map(price),
            cache_write_hour: long.cache_write_hour.map(price),
            output: price(long.output),
        });
        Self {
            tariff: Tariff {
                input: price(row.input),
                cached_input: row.cached_input.map(price),
                cache_write: row.cache_write.map(price),
                cache_write_hour: row.cache_write_hour.map(price),
                output: price(row.output.unwrap_or(0)),
                search: row.search.map(MicroUsdPerThousand::new),
                long_context,
            },
            facts: ModelFacts {
                provider: row.provider,
                mode: row.mode,
                context_window: row.context_window.map(Tokens::new),
                max_output: row.max_output.map(Tokens::new),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tariff(input: u64, output: u64) -> Tariff {
        Tariff {
            input: MicroUsdPerMillion::new(input),
            output: MicroUsdPerMillion::new(output),
            ..Tariff::default()
        }
    }

    #[test]
    fn the_built_in_table_can_be_read_and_gives_nothing_away() {
        let table = read(SOURCE).expect("data/prices.json is valid");
        assert!(table.models.len() > 90, "{} models", table.models.len());
        assert_eq!(table.dated.len(), "2026-11-22".len());
        for (name, entry) in &table.models {
            let Tariff { input, output, .. } = entry.tariff;
            let zero = MicroUsdPerMillion::new(0);
            let is_free = matches!(entry.facts.mode, Mode::Moderation | Mode::Rerank);
            assert_eq!(input == zero, is_free, "{name}");
            let search = entry.tariff.search.map(MicroUsdPerThousand::get);
            assert_ne!(search, Some(0), "{name}");
            assert_eq!(search.is_some(), entry.facts.mode == Mode::Rerank, "{name}");
            assert_eq!(output != zero, entry.facts.mode == Mode::Chat, "{name}");
            let long = entry.tariff.long_context.clone().unwrap_or_default();
            assert!(long == LongContext::default() || long.input >= input, "{name}");
            let window = entry.facts.context_window.unwrap_or(WINDOW_MAX);
            assert!((Tokens::new(1024)..=WINDOW_MAX).contains(&window), "{name}");
        }
    }

    #[test]
    fn prices_are_those_that_the_providers_publish() {
        // Dollars for a million tokens, times a million: input, cached input, cache write, output.
        for (model, [input, cached, write, output]) in [
            ("gpt-4o", [2_500_000, 1_250_000, 0, 10_000_000]),
            ("gpt-4o-mini", [150_000, 75_000, 0, 600_000]),
            ("gpt-5-nano", [50_000, 5_000, 0, 400_000]),
            ("gpt-6-astra", [10_000_000, 1_000_000, 12_500_000, 50_000_000]),
            ("claude-opus-5-5", [4_000_000, 200_000, 5_000_000, 20_000_000]),
            ("claude-haiku-4-5", [1_000_000, 100_000, 1_250_000, 5_000_000]),
            ("command-r7b-12-2024", [37_500, 0, 0, 150_000]),
            ("text-embedding-3-small", [20_000, 0, 0, 0]),
            ("o3", [2_000_000, 500_000, 0, 8_000_000]),
        ] {
            let prices = PriceBook::built_in();
            let tariff = prices.tariff("anything", model).expect(model);
            let absent_as_zero =
                |price: Option<MicroUsdPerMillion>| price.map_or(0, MicroUsdPerMillion::get);
            let found = [
                tariff.input.get(),
                absent_as_zero(tariff.cached_input),
                absent_as_zero(tariff.cache_write),
                tariff.output.get(),
            ];
            assert_eq!(found, [input, cached, write, output], "{model}");
        }
    }

    #[test]
    fn rerank_is_sold_by_the_search_alone() {
        // Dollars for a thousand searches, times a million.
        for (model, micros) in [
            ("rerank-v3.5", 2_000_000),
            ("rerank-v4.0-pro", 2_500_000),
            ("rerank-v4.0-fast", 2_000_000),
        ] {
            let prices = PriceBook::built_in();
            let tariff = prices.tariff("anything", model).expect(model);
            assert_eq!(tariff.search, Some(MicroUsdPerThousand::new(micros)), "{model}");
            assert!(!tariff.sells_tokens(), "{model}");
        }
    }

    #[test]
    fn an_hour_in_anthropics_cache_costs_twice_the_input() {
        for (name, entry) in &TABLE.models {
            let hour = entry.tariff.cache_write_hour.map(MicroUsdPerMillion::get);
            let is_anthropic = entry.facts.provider == "anthropic";
            assert_eq!(hour, is_anthropic.then(|| 2 * entry.tariff.input.get()), "{name}");
        }
    }

    #[test]
    fn a_dated_name_has_the_price_of_the_model_unless_it_has_its_own() {
        let prices = PriceBook::built_in();
        let of = |model| prices.tariff("openai", model);
        assert!(of("gpt-4o-mini-2024-07-18").is_some());
        assert_eq!(of("gpt-4o-mini-2024-07-18"), of("gpt-4o-mini"));
        assert_eq!(of("claude-opus-4-5-20251101"), of("claude-opus-4-5"));
        // The first gpt-4o was twice as dear as its successors.
        assert_eq!(of("gpt-4o-2024-05-13").map(|tariff| tariff.input.get()), Some(5_000_000));
        assert_eq!(of("llama-3"), None);
        assert_eq!(of("gpt-4o-audio-preview"), None);
    }

    #[test]
    fn the_operators_word_wins_at_that_provider_only() {
        let own = vec![
            ("reseller/gpt-4o".to_owned(), tariff(1, 2)),
            ("groq/openai/gpt-oss-20b".to_owned(), tariff(3, 4)),
        ];
        let prices = PriceBook::built_in().with(own, Some(tariff(9, 9)));
        assert_eq!(prices.tariff("reseller", "gpt-4o"), Some(&tariff(1, 2)));
        assert_eq!(prices.tariff("reseller", "gpt-4o-2031-01-01"), Some(&tariff(1, 2)));
        assert_eq!(prices.tariff("groq", "openai/gpt-oss-20b"), Some(&tariff(3, 4)));
        let built_in = PriceBook::built_in();
        assert_eq!(prices.tariff("openai", "gpt-4o"), built_in.tariff("openai", "gpt-4o"));
        assert_eq!(prices.tariff("local", "llama-3"), Some(&tariff(9, 9)));
    }

    #[test]
    fn facts_are_found_under_dated_names_too() {
        let prices = PriceBook::built_in();
        let facts = prices.facts("gpt-4o-mini-2024-07-18").expect("gpt-4o-mini is known");
        assert_eq!(facts.max_output, Some(Tokens::new(16_384)));
        assert_eq!(facts.context_window, Some(Tokens::new(128_000)));
        assert_eq!((facts.provider, facts.mode), ("openai", Mode::Chat));
        assert_eq!(prices.facts("llama-3"), None);
    }
}
