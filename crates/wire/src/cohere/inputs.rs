//! What is embedded and what is ranked: all of it is input.

use tollgate_units::Tokens;

use super::messages::part;
use crate::openai::image_part;
use crate::read::Draft;
use crate::read::field::{self, items, members};
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
    let count = field::one_or_more(value, path, &expected, |item, path| match key {
        "texts" => text(draft, item, path),
        "images" => image(draft, item, path),
        _ => input(draft, item, path),
    })?;
    draft.prompts = draft.prompts.max(count);
    draft.has_input = true;
    Ok(())
}

/// `query`
pub(super) fn query(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    draft.ranking.query(length(value));
    text(draft, value, path)
}

/// `documents` to be ranked: strings, or objects of which all the text is.
pub(super) fn ranked(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    const EXPECTED: &str = "a list with at least one document";
    draft.has_input = true;
    field::one_or_more(value, path, EXPECTED, |item, path| {
        if item.kind() == Kind::Object {
            draft.ranking.object(length(item));
            draft.unknown(item);
            return Ok(());
        }
        draft.ranking.text(length(item));
        text(draft, item, path)
    })
    .map(|_| ())
}

/// `max_tokens_per_doc`: how much of each document is read.
pub(super) fn read_most(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    draft.ranking.read_at_most(field::whole(value, path)?.map(Tokens::new));
    Ok(())
}

/// The bytes of a string or an object as it lies in the body: never fewer than it says.
fn length(value: Value<'_>) -> u64 {
    value.place().len() as u64
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
