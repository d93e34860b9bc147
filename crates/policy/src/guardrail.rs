//! Bounds that are not limits: what a request may carry at all. A guardrail consumes nothing.

use std::sync::Arc;

use tollgate_wire::Ask;

use crate::allowlist::{self, Strip};
use crate::refusal::Refusal;
use crate::settings::{Guardrails, OnForbiddenTool};

impl Guardrails {
    /// Both sets of guardrails at once: the stricter of each.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            max_input_tokens: least(self.max_input_tokens, other.max_input_tokens),
            max_output_tokens: least(self.max_output_tokens, other.max_output_tokens),
            tools: both(self.tools.as_ref(), other.tools.as_ref(), allowlist::both),
            on_forbidden_tool: other.on_forbidden_tool.or(self.on_forbidden_tool),
            fields: both(self.fields.as_ref(), other.fields.as_ref(), |ours, theirs| {
                ours.iter().filter(|field| theirs.contains(field)).cloned().collect()
            }),
        }
    }

    /// What of `ask` is to be taken out; or the refusal of a request that offers or chooses a tool
    /// off the allowlist, or has a field that may not be sent.
    pub(crate) fn look_at(&self, ask: &Ask) -> Result<Strip, Refusal> {
        let strip = match &self.tools {
            Some(allowed) => {
                let strips = self.on_forbidden_tool == Some(OnForbiddenTool::Strip);
                allowlist::hold(allowed, ask, strips)?
            }
            None => Strip::default(),
        };
        let Some(allowed) = &self.fields else {
            return Ok(strip);
        };
        // A field whose tools are all taken out goes with them.
        let is_gone = |name: &str| {
            let is_in_it = |path: &str| path.split(['[', '.']).next() == Some(name);
            let own = ask.tools.iter().enumerate().filter(|(_, tool)| is_in_it(&tool.path));
            let mut own = own.map(|(at, _)| strip.tools.binary_search(&at).is_ok()).peekable();
            own.peek().is_some() && own.all(|is_stripped| is_stripped)
        };
        let is_allowed = |name: &String| {
            ask.endpoint.cannot_lack(name) || allowed.contains(name) || is_gone(name)
        };
        match ask.fields.iter().find(|name| !is_allowed(name)) {
            Some(name) => Err(Refusal::Field { name: name.clone(), allowed: allowed.to_vec() }),
            None => Ok(strip),
        }
    }
}

/// The fields that a caller without a key may send where the configuration names none: those of
/// ordinary chats, messages, embeddings and moderations. What stores something at the provider's
/// account, works in the background, changes the price or brings tools that the provider runs is
/// for callers whom the operator knows.
pub const ANONYMOUS_FIELDS: &[&str] = &[
    // Input.
    "contents",
    "documents",
    "images",
    "input",
    "inputs",
    "instructions",
    "messages",
    "prompt",
    "query",
    "suffix",
    "system",
    "systemInstruction",
    "texts",
    // How much.
    "generationConfig",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tokens_per_doc",
    "n",
    "stop",
    "stop_sequences",
    "top_n",
    "truncate",
    "truncation",
    // How.
    "cache_control",
    "citation_options",
    "context_management",
    "frequency_penalty",
    "k",
    "logprobs",
    "output_config",
    "p",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "safetySettings",
    "safety_mode",
    "seed",
    "temperature",
    "text",
    "thinking",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
    // Functions of the caller's own, and what the allowlist of tools lets pass.
    "function_call",
    "functions",
    "max_tool_calls",
    "parallel_tool_calls",
    "strict_tools",
    "toolConfig",
    "tool_choice",
    "tools",
    // The answer's form.
    "dimensions",
    "echo",
    "embedding_types",
    "encoding_format",
    "include",
    "input_type",
    "output_dimension",
    "stream",
    "stream_options",
    // Who asks, in which conversation. Clients of Anthropic say it in `metadata`, unasked.
    "metadata",
    "model",
    "prompt_cache_key",
    "safety_identifier",
    "user",
];

fn both(
    ours: Option<&Arc<[String]>>,
    theirs: Option<&Arc<[String]>>,
    meet: impl Fn(&[String], &[String]) -> Arc<[String]>,
) -> Option<Arc<[String]>> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(meet(ours, theirs)),
        (ours, theirs) => ours.or(theirs).cloned(),
    }
}

fn least<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
