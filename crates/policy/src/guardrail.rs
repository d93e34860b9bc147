//! Bounds that are not limits: what a request may carry at all. A guardrail consumes nothing.

use tollgate_wire::{Ask, Tool};

use crate::refusal::Refusal;
use crate::settings::{Guardrails, OnForbiddenTool};

impl Guardrails {
    /// Both sets of guardrails at once: the stricter of each.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            max_input_tokens: least(self.max_input_tokens, other.max_input_tokens),
            max_output_tokens: least(self.max_output_tokens, other.max_output_tokens),
            tools: match (&self.tools, &other.tools) {
                (Some(ours), Some(theirs)) => {
                    Some(ours.iter().filter(|tool| theirs.contains(tool)).cloned().collect())
                }
                (ours, theirs) => ours.clone().or_else(|| theirs.clone()),
            },
            on_forbidden_tool: other.on_forbidden_tool.or(self.on_forbidden_tool),
        }
    }

    /// The tools of `ask` that are to be taken out, by position; or the refusal of a request that
    /// offers a tool off the allowlist.
    pub(crate) fn tools_to_strip(&self, ask: &Ask) -> Result<Vec<usize>, Refusal> {
        let Some(allowed) = &self.tools else {
            return Ok(Vec::new());
        };
        let forbidden: Vec<_> =
            (0..ask.tools.len()).filter(|&at| !is_allowed(allowed, ask.tools.get(at))).collect();
        match (forbidden.first(), self.on_forbidden_tool) {
            (None, _) | (_, Some(OnForbiddenTool::Strip)) => Ok(forbidden),
            (Some(&first), None | Some(OnForbiddenTool::Reject)) => Err(Refusal::Tool {
                name: ask.tools.get(first).map(name_of).unwrap_or_default(),
                allowed: allowed.clone(),
            }),
        }
    }
}

/// A function or custom tool is known by its name; any other type, known or not, by its type: a
/// hosted tool that nobody listed is not allowed.
fn is_allowed(allowed: &[String], tool: Option<&Tool>) -> bool {
    tool.is_some_and(|tool| allowed.contains(&name_of(tool)))
}

fn name_of(tool: &Tool) -> String {
    match (&*tool.kind, &tool.name) {
        ("custom" | "function", Some(name)) => name.clone(),
        (kind, _) => kind.to_owned(),
    }
}

fn least<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
