//! Gemini's protocol: the reading of its bodies. The path names the model.

pub(crate) mod dialect;

use crate::Malformed;
use crate::read::Draft;
use crate::read::field::items;
use crate::walk::{Path, Value};

/// The fields that decide something here; in another case they are refused.
pub(crate) const GOVERNED: &[&str] = &["contents"];

/// One field of the top level.
pub(crate) fn top(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if key == "contents" {
        draft.has_input = items(value, path, "a list of contents", |_, _| Ok(()))? > 0;
    }
    draft.unknown(value);
    Ok(())
}
