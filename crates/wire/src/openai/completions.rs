//! Completions: one prompt or many, as text or as token ids. Embeddings take the same shapes.

use crate::Malformed;
use crate::read::Draft;
use crate::read::field::{digits, items};
use crate::walk::{Kind, Path, Value};

/// `prompt`
pub(super) fn prompt(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    draft.prompts = prompts(draft, value, path)?;
    draft.has_input = true;
    Ok(())
}

const EXPECTED: &str = "a string, a list of strings, a list of token ids, or a list of lists of \
                        token ids; none of them empty";

/// Notes a prompt in any of its shapes, and says how many there are.
pub(super) fn prompts(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<u64, Malformed> {
    let wrong = |value, path: &Path<'_>| Err(Malformed::wrong(value, path, EXPECTED));
    match value.kind() {
        Kind::String => one(draft, value, path).map(|()| 1),
        Kind::Array => match value.items().next().map(Value::kind) {
            Some(Kind::String) => items(value, path, EXPECTED, |item, path| one(draft, item, path)),
            Some(Kind::Array) => items(value, path, EXPECTED, |item, path| ids(draft, item, path)),
            Some(Kind::Number) => ids(draft, value, path).map(|()| 1),
            Some(Kind::Bool(_) | Kind::Null | Kind::Object) | None => wrong(value, path),
        },
        Kind::Bool(_) | Kind::Null | Kind::Number | Kind::Object => wrong(value, path),
    }
}

fn one(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::String || value.place().len() <= 2 {
        return Err(Malformed::wrong(value, path, "a string that is not empty"));
    }
    draft.prompt.add_text(value.place());
    Ok(())
}

fn ids(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let count = items(value, path, "a list of token ids", |item, path| {
        match (item.kind(), digits(item.raw())) {
            (Kind::Number, Some(_)) => Ok(()),
            _ => Err(Malformed::wrong(item, path, "a token id: a whole number in plain digits")),
        }
    })?;
    if count == 0 {
        return Err(Malformed::wrong(value, path, "a list with at least one token id"));
    }
    draft.prompt.token_ids = draft.prompt.token_ids.saturating_add(count);
    Ok(())
}
