//! Embeddings: many inputs, no output.

use super::completions::prompts;
use crate::Malformed;
use crate::read::Draft;
use crate::walk::{Path, Value};

/// `input`
pub(super) fn input(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    draft.prompts = prompts(draft, value, path)?;
    draft.has_input = true;
    Ok(())
}
