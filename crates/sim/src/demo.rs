//! The demo's parts that are no wiring: its configuration, its script, its picture in numbers.
//!
//! Whoever runs it starts the provider with [`script`], the gate with [`SETTINGS`] and
//! [`variable`], and the crowd; and turns what they say into a [`Frame`] for each second, which
//! [`line()`] and [`summary`] write as text and a terminal can draw.

mod plain;

use tollgate_units::{NanoUsd, Span, Tokens};

use crate::dice::Dice;
use crate::provider::{Act, Asked, Counters, Fault, Mixture, Rebuff, Script};
use crate::score::Row;

pub use plain::{count, dollars, line, summary};

/// The configuration, with `${DEMO_…}` where a run fills in its own.
pub const SETTINGS: &str = include_str!("../data/demo.yaml");

/// How long the demo lasts.
pub const LASTS: Span = Span::from_secs(60);

/// What [`SETTINGS`] finds in its environment: where the provider is, and keys by `seed`.
pub fn variable(name: &str, provider_url: &str, seed: u64) -> Option<String> {
    match name {
        "DEMO_PROVIDER_URL" => Some(provider_url.to_owned()),
        "DEMO_PROVIDER_KEY" => Some(secret_of("provider", seed)),
        _ => Some(secret_of(&name.strip_prefix("DEMO_KEY_")?.to_ascii_lowercase(), seed)),
    }
}

/// The secret of the key called `name`: worth nothing outside the demo that has the same seed.
pub fn secret_of(name: &str, seed: u64) -> String {
    let number = name.bytes().fold(0_u64, |sum, byte| (sum << 5) ^ (sum >> 59) ^ u64::from(byte));
    let mut dice = Dice::of(seed, number);
    format!("sk-demo-{name}-{:016x}{:016x}", dice.roll(), dice.roll())
}

/// How the demo's provider behaves: as slow as a real one, and one request in a hundred fails.
/// `count` counts prompts; the gate's own counting fits best.
pub fn script(seed: u64, count: impl Fn(&Asked) -> Tokens + Send + Sync + 'static) -> Script {
    let act = move |asked: &Asked| {
        let mut dice = Dice::of(seed, asked.number);
        Act {
            first_byte: Span::from_millis(dice.between(120, 400)),
            gap: Span::from_millis(dice.between(6, 20)),
            ..Act::tokens(80)
        }
    };
    let shares = vec![(Fault::Refused(Rebuff::Status(500)), 10)];
    Script::by(act).counting(count).mixed(Mixture { seed, shares }).forgetting()
}

/// Everything that one picture shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// How long it has been running.
    pub elapsed: Span,
    /// The gate's own books.
    pub gate: Gate,
    /// How long it runs.
    pub lasts: Span,
    /// The provider's own books.
    pub provider: Counters,
    /// What came of everybody's calls.
    pub rows: Vec<Row>,
}

/// The gate's own books, as whoever runs it reads them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Gate {
    /// Tokens that are reserved and not yet settled.
    pub held: Tokens,
    /// Tokens that were reserved, all together.
    pub reserved: Tokens,
    /// What refused requests would have cost.
    pub saved: NanoUsd,
    /// What answered requests cost.
    pub spent: NanoUsd,
    /// Tokens that were really used, of those reserved.
    pub used: Tokens,
}

impl Frame {
    /// Calls that have ended, those with an answer, and those refused.
    pub fn calls(&self) -> (u64, u64, u64) {
        self.rows.iter().fold((0, 0, 0), |(sent, answered, refused), row| {
            (sent + row.sent(), answered + row.answered, refused + row.refused)
        })
    }

    /// How long it still runs.
    pub fn left(&self) -> Span {
        self.lasts.less(self.elapsed)
    }
}

#[cfg(test)]
mod tests;
