//! Which tools a request may offer to a model.
//!
//! | entry | allows |
//! |---|---|
//! | `search`, `find_*` | the caller's own function or custom tool of that name |
//! | `web_search` | also the provider's tool of that type, dated or a preview |
//! | `function:NAME` | only the function |
//! | `type:TYPE` | only the provider's tool, also of a type that this version does not know |
//! | `mcp` | any MCP server that has an address |
//! | `mcp:https://host/*` | the servers at such an address |
//! | `mcp:LABEL` | the server that the caller calls so, wherever it is |
//! | `connector:ID` | the provider's connector: `connector:gmail` is `connector_gmail` |
//!
//! `*` stands for anything in a name, an address, a label and an id, never in a type: no pattern
//! lets in a tool that nobody has thought of. An address that could lead out of what its pattern
//! says is on no list. A type that is not known is off every list that does
//! not spell it out. What only refers to a server (a toolset, a list of its tools) is as good as
//! the server of that label in the same request.

use std::sync::Arc;

use tollgate_wire::{Ask, HIDDEN, HOSTED, Server, Tool, ToolList, family, undated};

use crate::access::matches;
use crate::refusal::Refusal;

/// What is to be taken out of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strip {
    /// Tools, by position.
    pub(crate) tools: Vec<usize>,
    /// Whether choices of tools that are not offered go too.
    pub(crate) choices: bool,
}

/// Holds what `ask` offers and chooses against the list. Where the list strips, what can be taken
/// out is; else the first tool that is not on it refuses the request.
pub(crate) fn hold(list: &[String], ask: &Ask, strips: bool) -> Result<Strip, Refusal> {
    let refuse = |tool: &Tool| {
        let (name, path) = (name_of(tool), tool.path.clone());
        Err(Refusal::Tool { name, path, allowed: list.to_vec() })
    };
    let mut strip = Strip::default();
    for (at, tool) in ask.tools.iter().enumerate() {
        if is_allowed(list, tool, ask) {
            continue;
        }
        if !strips || tool.list == ToolList::Inside {
            return refuse(tool);
        }
        strip.tools.push(at);
    }
    // A choice of what is offered is as good as the offer.
    let unoffered = ask.chosen.iter().filter(|chosen| !is_offered(chosen, ask));
    match unoffered.into_iter().find(|chosen| !may_choose(list, chosen)) {
        Some(_) if strips => strip.choices = true,
        Some(chosen) => return refuse(chosen),
        None => {}
    }
    Ok(strip)
}

/// What is on both lists. Where two patterns overlap and neither holds the other, what they share
/// has no name and is on none.
pub(crate) fn both(ours: &[String], theirs: &[String]) -> Arc<[String]> {
    let in_theirs = |entry: &&String| theirs.iter().any(|wider| covers(wider, entry));
    let in_ours = |entry: &&String| ours.iter().any(|wider| covers(wider, entry));
    let narrower = theirs.iter().filter(in_ours).filter(|entry| !ours.contains(entry));
    ours.iter().filter(in_theirs).chain(narrower).cloned().collect()
}

/// Whether all that `entry` allows is allowed by `wider`.
fn covers(wider: &str, entry: &str) -> bool {
    let bare = |entry: &str| (!entry.contains(':') && entry != MCP).then(|| entry.to_owned());
    match (split(wider), split(entry)) {
        _ if wider == entry => true,
        (Some((ours, pattern)), Some((theirs, name))) => ours == theirs && matches(pattern, name),
        (None, Some((FUNCTION, name))) => bare(wider).is_some_and(|it| matches(&it, name)),
        (None, Some((MCP, _))) => wider == MCP,
        (None, Some((TYPE, kind))) => HOSTED.contains(&family(kind)) && is_kind(wider, kind),
        // A bare name may be a type as well, and patterns match none.
        (None, None) => {
            let is_type = HOSTED.contains(&family(entry));
            !is_type && bare(entry).is_some() && bare(wider).is_some_and(|it| matches(&it, entry))
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_allowed(list: &[String], tool: &Tool, ask: &Ask) -> bool {
    if tool.kind != MCP {
        return list.iter().any(|entry| allows(entry, tool));
    }
    let Some(server) = &tool.server else {
        return refers(list, tool, ask);
    };
    let by_connector = server.connector.as_deref().is_none_or(|id| {
        let is_it = |entry: &String| allows_connector(entry, id);
        list.iter().any(is_it)
    });
    let only_connector = server.connector.is_some() && server.url.is_none();
    let by_server = || list.iter().any(|entry| allows_server(entry, tool, server));
    by_connector && (only_connector || by_server())
}

/// Whether what only names a server is allowed: by the server of that name, or where none is in
/// the request, by an entry that needs to know no more than the name.
fn refers(list: &[String], tool: &Tool, ask: &Ask) -> bool {
    // An approval does not even say which server it is for.
    let is_it = |server: &&Tool| {
        server.server.is_some() && (tool.name.is_none() || server.name == tool.name)
    };
    let mut servers = ask.tools.iter().filter(is_it).peekable();
    if servers.peek().is_some() {
        return servers.all(|server| is_allowed(list, server, ask));
    }
    list.iter().any(|entry| allows_server(entry, tool, &Server::default()))
}

fn allows(entry: &str, tool: &Tool) -> bool {
    let name = tool.name.as_deref().unwrap_or_default();
    match (split(entry), is_function(tool)) {
        (Some((FUNCTION, pattern)), true) => matches(pattern, name),
        // What has no kind that anybody knows cannot be spelt out.
        _ if tool.kind == HIDDEN => false,
        (Some((TYPE, kind)), false) => is_kind(kind, &tool.kind),
        (Some(_), _) => false,
        (None, true) => entry != MCP && matches(entry, name),
        (None, false) => HOSTED.contains(&family(&tool.kind)) && is_kind(entry, &tool.kind),
    }
}

fn allows_server(entry: &str, tool: &Tool, server: &Server) -> bool {
    let label = tool.name.as_deref().unwrap_or_default();
    match split(entry) {
        None => entry == MCP,
        Some((MCP, pattern)) if pattern.contains("://") => {
            server.url.as_deref().is_some_and(|url| is_at(pattern, url))
        }
        Some((MCP, pattern)) => matches(pattern, label),
        Some(_) => false,
    }
}

/// Whether `url` leads to where `pattern` says, whoever reads it: a pattern has a whole host, and
/// what a server could take for a way out of its path is at no allowed address. That is dot
/// segments, slashes that are encoded or turned, and what parsers leave out.
fn is_at(pattern: &str, url: &str) -> bool {
    let is_odd = |each: char| each == '\\' || each.is_control() || each.is_whitespace();
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let climbs = ["%25", "%2e", "%2f", "%5c"].iter().any(|encoded| path.contains(encoded));
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    matches(pattern, url) && !url.contains(is_odd) && !climbs && !path.split('/').any(is_dots)
}

fn allows_connector(entry: &str, id: &str) -> bool {
    let plain = |id| str::strip_prefix(id, "connector_").unwrap_or(id);
    matches!(split(entry), Some((CONNECTOR, pattern)) if matches(plain(pattern), plain(id)))
}

/// Whether `kind`, as an operator says it, is the type `written`: itself or one of its versions.
fn is_kind(kind: &str, written: &str) -> bool {
    let kind = undated(kind);
    kind == written || kind == family(written)
}

/// Whether a tool of that kind and name is offered. A name that is chosen without a kind is any
/// tool's, but no label of a server.
fn is_offered(chosen: &Tool, ask: &Ask) -> bool {
    let is_it = |tool: &Tool| {
        let is_kind = tool.kind == chosen.kind || (chosen.kind == ANY && tool.kind != MCP);
        is_kind && (chosen.name.is_none() || tool.name == chosen.name)
    };
    ask.tools.iter().any(is_it)
}

/// A name is a function's, unless its type says that it is not.
fn may_choose(list: &[String], chosen: &Tool) -> bool {
    let kind = if chosen.kind == ANY { FUNCTION } else { &chosen.kind };
    let tool = Tool { kind: kind.to_owned(), ..chosen.clone() };
    if tool.kind == MCP {
        list.iter().any(|entry| allows_server(entry, &tool, &Server::default()))
    } else {
        list.iter().any(|entry| allows(entry, &tool))
    }
}

fn is_function(tool: &Tool) -> bool {
    matches!(&*tool.kind, "custom" | "function")
}

/// An entry with one of the prefixes that mean something.
fn split(entry: &str) -> Option<(&str, &str)> {
    let known = |(prefix, _): &(&str, &str)| [CONNECTOR, FUNCTION, MCP, TYPE].contains(prefix);
    entry.split_once(':').filter(known)
}

/// The kind of a tool that is chosen by its name alone.
const ANY: &str = "tool";
const CONNECTOR: &str = "connector";
const FUNCTION: &str = "function";
const MCP: &str = "mcp";
const TYPE: &str = "type";

/// What the list would call a tool.
fn name_of(tool: &Tool) -> String {
    let name = tool.name.as_deref();
    let connector = tool.server.as_ref().and_then(|server| server.connector.as_deref());
    match (&*tool.kind, name, connector) {
        (MCP, _, Some(id)) => format!("{CONNECTOR}:{id}"),
        (MCP, Some(label), None) => format!("{MCP}:{label}"),
        ("custom" | "function" | ANY | HIDDEN, Some(name), _) => name.to_owned(),
        (kind, ..) => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_both_lists_is_never_more_than_either() {
        let list = |words: &str| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let table = [
            ("a b c", "b c d", "b c"),
            ("find_*", "find_me search", "find_me"),
            ("*", "search", "search"),
            ("*", "web_search", ""),
            ("web_search", "web_search", "web_search"),
            (
                "web_search",
                "type:web_search_preview function:web_search",
                "type:web_search_preview function:web_search",
            ),
            ("a*", "*a", ""),
            ("mcp", "mcp:crm", "mcp:crm"),
            ("mcp:*", "mcp:crm", "mcp:crm"),
            ("mcp:crm", "connector:gmail", ""),
            ("*", "mcp", ""),
            ("", "a", ""),
        ];
        for (ours, theirs, expected) in table {
            assert_eq!(&*both(&list(ours), &list(theirs)), list(expected), "{ours} and {theirs}");
            let mut turned = both(&list(theirs), &list(ours)).to_vec();
            let mut expected = list(expected);
            turned.sort();
            expected.sort();
            assert_eq!(turned, expected, "{theirs} and {ours}");
        }
    }
}
