//! What is embedded and what is ranked: all of it is input.

use super::messages::part;
use crate::openai::image_part;
use crate::read::Draft;
use crate::read::field::{items, members};
use crate::walk::{Kind, Path, Value};
use crate::{Detail, Extra, Malformed};

/// `texts`, `images` and `inputs`: one of them says what is embedded.
pub(super) fn embedded(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    let expected = format!("a list with at least one of the {key}");
    let count = items(value, path, &expected, |item, path| match key {
        "texts" => text(draft, item, path),
        "images" => image(draft, item, path),
        _ => input(draft, item, path),
    })?;
    draft.prompts = draft.prompts.max(count);
    draft.has_input = true;
    if count == 0 { Err(Malformed::wrong(value, path, &expected)) } else { Ok(()) }
}

/// `query`
pub(super) fn query(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    // Paid by the search, and only the answer says how many there were.
    draft.add_extra(Extra::SearchUnits);
    text(draft, value, path)
}

/// `documents` to be ranked: strings, or objects of which all the text is.
pub(super) fn ranked(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    const EXPECTED: &str = "a list with at least one document";
    let count = items(value, path, EXPECTED, |item, path| match item.kind() {
        Kind::Object => {
            draft.unknown(item);
            Ok(())
        }
        _ => text(draft, item, path),
    })?;
    draft.has_input = true;
    if count == 0 { Err(Malformed::wrong(value, path, EXPECTED)) } else { Ok(()) }
}

fn text(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::String || value.place().len() <= 2 {
        return Err(Malformed::wrong(value, path, "a string that is not empty"));
    }
    draft.prompt.add_text(value.place());
    Ok(())
}

/// A picture as a `data:` URL. Its tokens have a price of their own.
fn image(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::String || value.place().len() <= 2 {
        return Err(Malformed::wrong(value, path, "an image as a data URL"));
    }
    image_part::add(draft, Some(value), Detail::Auto);
    draft.add_extra(Extra::Modality("image".to_owned()));
    Ok(())
}

/// An input of several parts, which together have one vector.
fn input(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["content"][..], "an input: an object with a `content`");
    let images = draft.prompt.images.len();
    let mut has_content = false;
    members(value, path, known, |key, value, path| {
        if key == "content" {
            let count = items(value, path, "a list of parts", |it, path| part(draft, it, path))?;
            has_content |= count > 0;
        } else {
            draft.unknown(value);
        }
        Ok(())
    })?;
    if draft.prompt.images.len() > images {
        draft.add_extra(Extra::Modality("image".to_owned()));
    }
    let expected = "a list with at least one part";
    if has_content { Ok(()) } else { Err(Malformed::missing(value, path, "content", expected)) }
}
