//! What a configuration says, once every mistake in it has been found: plain, trusted data.
//!
//! `config` makes these from YAML; the policy is built from them. They keep the operator's order
//! and the operator's names, because refusals and `tollgate check` speak in those words.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tollgate_tokens::Tariff;
use tollgate_units::{Span, Tokens};
use tollgate_wire::{CapField, Protocol};

pub use self::routing::{
    BreakerSettings, CacheScope, CacheSettings, CacheUse, Prefer, Priority, RetrySettings,
    RoutingSettings,
};
use crate::Limit;
use crate::network::Proxies;

mod routing;

/// Everything a policy is made of.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The accounts, in the order of the file.
    pub providers: Vec<ProviderSettings>,
    /// The names callers use.
    pub models: Vec<ModelSettings>,
    /// The operator's own prices, by `provider/model`; they win over the built-in table.
    pub prices: Vec<(String, Tariff)>,
    /// The price of what has none. Absent: refused wherever a money limit applies.
    pub unpriced: Option<Tariff>,
    /// What groups of callers may do. A tier named `anonymous` admits callers without a key.
    pub tiers: Vec<TierSettings>,
    /// The limits for everybody together.
    pub limits: Vec<Limit>,
    /// The default guardrails; a tier or a key can only be stricter.
    pub guardrails: Guardrails,
    /// The static keys.
    pub keys: Vec<KeySettings>,
    /// What teams may do.
    pub teams: Vec<GroupSettings>,
    /// What projects may do.
    pub projects: Vec<GroupSettings>,
    /// What organisations may do.
    pub orgs: Vec<GroupSettings>,
    /// When sessions end, and how many a key may open.
    pub sessions: SessionSettings,
    /// The peers that may say who is asking.
    pub proxies: Proxies,
    /// Room for fewer output tokens than this, for each answer, is no room.
    pub min_output_tokens: Tokens,
}

/// What the keys of one team, project or organisation may do together.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// Its name, as keys and tokens say it.
    pub name: String,
    /// The limits on all of its callers together, unless a limit divides among them.
    pub limits: Vec<Limit>,
    /// A model list of its own: what its callers may use is on it too.
    pub models: Option<Vec<String>>,
}

/// When sessions end, and how many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionSettings {
    /// A session that was quiet for so long has ended.
    pub idle: Span,
    /// How many sessions one key may open in an hour.
    pub per_key_per_hour: u64,
    /// What a runaway is, and what is done about it. Nothing: nobody looks.
    pub runaway: Option<RunawaySettings>,
}

/// What tells an agent that has run away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunawaySettings {
    /// The same call, with the same arguments, so often among its last 32.
    pub same_call: usize,
    /// So many times as many tokens in a minute as in a minute of its past.
    pub faster: u64,
    /// What is done about it.
    pub then: OnRunaway,
}

/// What is done about an agent that has run away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnRunaway {
    /// It is reported: log, metric, and a warning to the caller.
    Report,
    /// Each of its requests waits for a while first.
    Slow,
    /// Its requests are refused until its session has ended.
    Stop,
}

impl OnRunaway {
    /// The word for it in the configuration and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Slow => "slow",
            Self::Stop => "stop",
        }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { idle: Span::from_secs(30 * 60), per_key_per_hour: 1000, runaway: None }
    }
}

/// One account at a provider, as far as decisions need to know it.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The operator's name for it.
    pub name: String,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// Whether this is OpenAI itself, and not a server that speaks its protocol.
    pub is_openai: bool,
    /// Whether the provider may be asked for usage at the end of a stream.
    pub include_usage: bool,
    /// The field that carries an output cap on chat completions, where it is not the usual one.
    pub output_cap_field: Option<CapField>,
    /// What an abandoned stream costs.
    pub on_disconnect: OnDisconnect,
    /// What the provider allows the account, as far as the operator says so.
    pub limits: Vec<Limit>,
}

/// What a provider does when its answer is no longer wanted, as far as is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnDisconnect {
    /// It stops generating and billing: pay for what flowed.
    Cancel,
    /// It goes on, and is read to its end for the truth: what came by then is paid for.
    Drain,
    /// Nobody knows: money keeps the whole reservation.
    Unknown,
}

/// One name that callers use, and where it is served.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// The name.
    pub name: String,
    /// Where it is served, in the order written.
    pub serve: Vec<Route>,
    /// How the first of them is chosen.
    pub prefer: Prefer,
    /// The models that stand in for it when none of them serves a request, in order.
    pub fallback: Vec<String>,
    /// The limits on requests that it serves.
    pub limits: Vec<Limit>,
    /// Guardrails on them, besides the caller's.
    pub guardrails: Guardrails,
}

/// One model of one provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The provider's name under `providers`.
    pub provider: String,
    /// The provider's own name for the model.
    pub model: String,
    /// Its share of the traffic, against the other routes' shares.
    pub weight: u32,
}

/// What a group of callers may do.
#[derive(Clone, Debug)]
pub struct TierSettings {
    /// The tier's name.
    pub name: String,
    /// The models its callers may use: names, or patterns with `*`.
    pub models: Vec<String>,
    /// The limits on its callers.
    pub limits: Vec<Limit>,
    /// Guardrails stricter than the default.
    pub guardrails: Guardrails,
    /// Whether its callers go first.
    pub priority: Priority,
}

/// Bounds that are not limits: they consume nothing. `None` says nothing.
#[derive(Clone, Debug, Default)]
pub struct Guardrails {
    /// A longer prompt is refused.
    pub max_input_tokens: Option<Tokens>,
    /// A higher cap is lowered to this; a cap the gateway chooses is at most this.
    pub max_output_tokens: Option<Tokens>,
    /// The only tools that may be offered to a model: a function's name, a hosted tool's type,
    /// `function:NAME`, `type:TYPE`, `mcp`, `mcp:LABEL`, `mcp:URL`, `connector:ID`.
    pub tools: Option<Arc<[String]>>,
    /// What happens to a request that offers another.
    pub on_forbidden_tool: Option<OnForbiddenTool>,
    /// The only fields of the top level that a body may have, besides those without which it is
    /// no request.
    pub fields: Option<Arc<[String]>>,
}

/// What happens to a request that offers a tool off the allowlist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnForbiddenTool {
    /// The request is refused.
    Reject,
    /// The tool is taken out of the request.
    Strip,
}

/// A static key, and whose it is.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// The operator's name for it; never the secret.
    pub name: String,
    /// The digest of its secret.
    pub digest: KeyDigest,
    /// Its tier.
    pub tier: String,
    /// The team it belongs to.
    pub team: Option<String>,
    /// The user it stands for.
    pub user: Option<String>,
    /// The project it belongs to.
    pub project: Option<String>,
    /// The organisation it belongs to.
    pub org: Option<String>,
    /// Limits of its own, besides the tier's.
    pub limits: Vec<Limit>,
    /// A model list of its own: what it may use is on both, the tier's and this one.
    pub models: Option<Vec<String>>,
    /// Guardrails of its own, stricter than the tier's.
    pub guardrails: Guardrails,
    /// Whether its caller may say which end user it acts for.
    pub trust_user: bool,
}

/// The SHA-256 of a key's secret. A key is 256 random bits, so a fast hash is the right one.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Reads `sha256:` and 64 hexadecimal digits, as `tollgate keys create` prints them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = (digit(high)? << 4) | digit(low)?;
        }
        Some(Self(bytes))
    }

    /// The digest of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes: what a directory is indexed by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for KeyDigest {
    /// Four digits are enough to tell keys apart in a log, and too few to look one up.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyDigest({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl PartialEq for KeyDigest {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_printed_and_in_no_other_way() {
        let digest = KeyDigest::of("secret");
        assert_eq!(KeyDigest::parse(&digest.to_string()), Some(digest));
        let upper = digest.to_string().to_uppercase().replace("SHA256", "sha256");
        assert_eq!(KeyDigest::parse(&upper), Some(digest));
        for wrong in ["", "sha256:", "sha256:00", &format!("sha256:{}", "+f".repeat(32)), "md5:00"]
        {
            assert_eq!(KeyDigest::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_digest_in_a_log_cannot_be_looked_up() {
        assert!(format!("{:?}", KeyDigest::of("secret")).len() < 20);
    }
}
