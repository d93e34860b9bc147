//! Which tools a request wants called: `tool_choice` and its older form `function_call`.
//!
//! A choice is a surface of its own, because a server may know a tool that the request only names.
//! A server may also take the name from where another protocol has it, so every name in a choice is
//! one that is chosen.

use std::borrow::Cow;

use super::Draft;
use super::field::members;
use crate::edit::WORDS;
use crate::kinds::undated;
use crate::walk::{Kind, Path, Value};
use crate::{Malformed, Tool, ToolList};

/// A field that chooses: a word such as `auto` chooses nothing in particular.
pub(crate) fn field(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    chosen(draft, value, path)?;
    for owner in owners(value) {
        let inner = path.key(ALLOWED);
        let path = if owner.place() == value.place() { path } else { &inner };
        let path = path.key("tools");
        for (at, item) in owner.member("tools").into_iter().flat_map(Value::items).enumerate() {
            chosen(draft, item, &path.index(at))?;
        }
    }
    Ok(())
}

/// Where a choice may have a list of `allowed_tools`: responses have it in the choice itself, chat
/// completions a level deeper.
fn owners(choice: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    [Some(choice), choice.member(ALLOWED)].into_iter().flatten()
}

/// The lists of the tools that may be chosen from.
pub(crate) fn lists(choice: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    owners(choice).filter_map(|owner| owner.member("tools"))
}

fn chosen(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match value.kind() {
        Kind::Null | Kind::String => {}
        Kind::Object => members(value, path, (CHOICE, EXPECTED), |key, value, path| {
            let has_name = matches!(key, "custom" | "function") && value.kind() == Kind::Object;
            if has_name { members(value, path, (NAME, EXPECTED), |_, _, _| Ok(())) } else { Ok(()) }
        })?,
        Kind::Array | Kind::Bool(_) | Kind::Number => {
            return Err(Malformed::wrong(value, path, EXPECTED));
        }
    }
    for pick in picks(value) {
        let name = pick.name.map(Cow::into_owned);
        let tool = Tool::new(ToolList::Inside, &pick.kind, value, path).named(name);
        draft.add_chosen(tool, value, path)?;
    }
    Ok(())
}

/// A tool that a choice picks: by its kind and, where the choice has one, its name. A server of
/// tools is picked by its label.
#[derive(Eq, Hash, PartialEq)]
pub(crate) struct Pick<'b> {
    pub(crate) kind: Cow<'b, str>,
    pub(crate) name: Option<Cow<'b, str>>,
}

/// The kind of what is picked by its name alone.
pub(crate) const ANY: &str = "tool";

/// All that a choice picks; nothing where it leaves the choice to the model.
pub(crate) fn picks(choice: Value<'_>) -> Vec<Pick<'_>> {
    let (mut kind, mut label, mut names) = (None, None, Vec::new());
    if choice.kind() == Kind::String && !is_word(&choice.text()) {
        names.push((None, choice));
    }
    for member in choice.members() {
        match (&*member.key.text(), member.value.kind()) {
            (_, Kind::Null) => {}
            ("type", _) => kind = Some(member.value.text()),
            ("name", _) => names.push((None, member.value)),
            ("server_label", _) => label = Some(member.value.text()),
            (_, Kind::Object) => {
                let name = member.value.member("name").filter(|name| !name.is_null());
                names.extend(name.map(|name| (Some(member.key.text()), name)));
            }
            (_, Kind::Array | Kind::Bool(_) | Kind::Number | Kind::String) => {}
        }
    }
    let kind = kind.map(|kind| match kind {
        Cow::Borrowed(kind) => Cow::Borrowed(undated(kind)),
        Cow::Owned(kind) => Cow::Owned(undated(&kind).to_owned()),
    });
    let is_string = choice.kind() == Kind::String;
    let kind = kind.unwrap_or(Cow::Borrowed(if is_string { ANY } else { "function" }));
    let is_named = matches!(&*kind, "custom" | "function" | ANY);
    let is_mcp = kind == "mcp";
    let mut picks: Vec<Pick<'_>> = Vec::new();
    for (owner, name) in names {
        // The name of a server's own tool is as good as the server.
        let is_own = owner.as_deref().is_none_or(|owner| owner == kind);
        if !(is_mcp && owner.is_none()) {
            let kind = if is_named && is_own { kind.clone() } else { Cow::Borrowed(ANY) };
            picks.push(Pick { kind, name: Some(name.text()) });
        }
    }
    if is_mcp {
        picks.push(Pick { kind, name: label });
        return picks;
    }
    if let Some(label) = label {
        picks.push(Pick { kind: Cow::Borrowed("mcp"), name: Some(label) });
    }
    let says_nothing = is_named && !picks.is_empty();
    let is_list = kind == ALLOWED && lists(choice).next().is_some();
    if choice.kind() == Kind::Object && !(says_nothing || is_list || is_word(&kind)) {
        picks.push(Pick { kind, name: None });
    }
    picks
}

/// Anthropic writes `auto`, `any` and `none` as objects.
fn is_word(kind: &str) -> bool {
    WORDS.contains(&kind)
}

const ALLOWED: &str = "allowed_tools";
const CHOICE: &[&str] = &[ALLOWED, "custom", "function", "name", "server_label", "tools", "type"];
const NAME: &[&str] = &["name"];
const EXPECTED: &str = "a word such as \"auto\", or an object that names a tool";
