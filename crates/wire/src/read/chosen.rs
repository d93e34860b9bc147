//! Which tools a request wants called: `tool_choice` and its older form `function_call`.
//!
//! A choice is a surface of its own, because a server may know a tool that the request only names.

use super::Draft;
use crate::edit::WORDS;
use crate::kinds::undated;
use crate::walk::{Kind, Path, Value};
use crate::{Malformed, Tool, ToolList};

/// A field that chooses: a word such as `auto` chooses nothing in particular.
pub(crate) fn field(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::Object {
        return Ok(());
    }
    // Chat completions keep the list of `allowed_tools` a level deeper than responses do.
    let deeper = value.member("allowed_tools");
    let inner = path.key("allowed_tools");
    let (owner, path) = deeper.map_or((value, path), |owner| (owner, &inner));
    let Some(list) = owner.member("tools") else {
        return if is_word(value) { Ok(()) } else { chosen(draft, value, path) };
    };
    let path = path.key("tools");
    for (at, item) in list.items().enumerate() {
        chosen(draft, item, &path.index(at))?;
    }
    Ok(())
}

/// Anthropic writes `auto`, `any` and `none` as objects.
fn is_word(value: Value<'_>) -> bool {
    let kind = value.member("type").map(Value::text);
    kind.is_some_and(|kind| WORDS.contains(&&*kind))
}

fn chosen(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (name, kind) = picked(value);
    let name = name.map(|name| name.text().into_owned());
    let kind = kind.map_or_else(|| "function".into(), Value::text);
    let tool = Tool::new(ToolList::Inside, undated(&kind), value, path).named(name);
    draft.add_chosen(tool, value, path)
}

/// The name and the type of the tool that a choice picks.
pub(crate) fn picked(choice: Value<'_>) -> (Option<Value<'_>>, Option<Value<'_>>) {
    let inner = ["function", "custom"].iter().find_map(|kind| choice.member(kind));
    let label = choice.member("server_label");
    (label.or_else(|| inner.unwrap_or(choice).member("name")), choice.member("type"))
}
