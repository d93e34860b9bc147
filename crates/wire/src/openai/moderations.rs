//! Moderations: texts and images to be judged; no output, no price, no usage.

use super::image_part;
use crate::Malformed;
use crate::read::Draft;
use crate::read::field::{self, members};
use crate::walk::{Kind, Path, Value};

const EXPECTED: &str = "a string, a list of strings, or a list of parts; not empty";

/// `input`
pub(super) fn input(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    draft.has_input = true;
    if value.kind() == Kind::String && value.place().len() > 2 {
        return draft.counted(value, path);
    }
    field::one_or_more(value, path, EXPECTED, |item, path| match item.kind() {
        Kind::String => draft.counted(item, path),
        _ => part(draft, item, path),
    })
    .map(|_| ())
}

fn part(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let mut kind = None;
    let known = (&["image_url", "text", "type"][..], "a string, or an object with a `type`");
    members(value, path, known, |key, value, path| {
        match key {
            "image_url" => image_part::image_url(draft, value, path)?,
            "text" => draft.counted(value, path)?,
            "type" => kind = Some(value),
            _ => draft.unknown(value),
        }
        Ok(())
    })?;
    field::name(kind, (value, path), "type").map(|_| ())
}
