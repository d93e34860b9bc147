//! Cohere's protocol, the second version of its API: the reading of its bodies.

pub(crate) mod dialect;

use crate::Malformed;
use crate::read::Draft;
use crate::walk::{Path, Value};

/// The fields that decide something here; in another case they are refused.
pub(crate) const GOVERNED: &[&str] = &["model", "stream"];

/// One field of the top level.
pub(crate) fn top(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    match key {
        "model" => draft.model(value, path),
        "stream" => draft.stream(value, path),
        _ => {
            draft.unknown(value);
            Ok(())
        }
    }
}
