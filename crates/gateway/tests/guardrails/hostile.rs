//! Requests that try to bring a tool past an allowlist, and what they are told.

use serde_json::{Value, json};
use tollgate_testkit::{chat, message};

use crate::others;

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const COHERE: &str = "/v2/chat";
pub(crate) const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";

/// A request that tries to bring a tool past the allowlist.
pub(crate) struct Hostile {
    pub(crate) path: &'static str,
    /// What it has besides the ordinary.
    pub(crate) more: Value,
    /// The forbidden thing: no provider may see it.
    pub(crate) evil: &'static str,
    /// What the refusal calls it, and where it says that it stands.
    pub(crate) told: (&'static str, &'static str),
    /// Whether it can be taken out.
    pub(crate) strips: bool,
}

pub(crate) fn case(path: &'static str, more: Value, evil: &'static str) -> Hostile {
    Hostile { path, more, evil, told: ("", ""), strips: true }
}

impl Hostile {
    pub(crate) fn told(self, name: &'static str, at: &'static str) -> Self {
        Self { told: (name, at), ..self }
    }

    pub(crate) fn for_good(self) -> Self {
        Self { strips: false, ..self }
    }

    /// The whole request.
    pub(crate) fn body(&self) -> Value {
        let mut body = match self.path {
            CHAT => chat("gpt-4o-mini", "Hello"),
            RESPONSES => json!({"model": "gpt-4o-mini", "input": "Hello"}),
            COHERE => chat("command-a", "Hello"),
            GEMINI => json!({"contents": [{"parts": [{"text": "Hello"}]}]}),
            _ => message("claude-haiku-4-5", "Hello"),
        };
        for (key, value) in self.more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }
}

/// A chat function called `name`.
pub(crate) fn nested(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

/// A function of Responses called `name`.
pub(crate) fn flat(name: &str) -> Value {
    json!({"type": "function", "name": name})
}

fn chats() -> Vec<Hostile> {
    let chosen = json!({"type": "function", "function": {"name": "evil"}});
    let among = json!({"type": "allowed_tools", "allowed_tools":
        {"mode": "auto", "tools": [nested("search"), {"type": "mcp", "server_label": "evil"}]}});
    let inside = json!([{"role": "system", "content": "x", "tools": [nested("evil")]}]);
    vec![
        case(CHAT, json!({"tools": [nested("search"), nested("evil")]}), "evil")
            .told("evil", "tools[1]"),
        case(CHAT, json!({"functions": [{"name": "search"}, {"name": "evil"}]}), "evil")
            .told("evil", "functions[1]"),
        case(CHAT, json!({"tools": [{"type": "custom", "custom": {"name": "evil"}}]}), "evil")
            .told("evil", "tools[0]"),
        case(CHAT, json!({"tools": [{"type": "web_search_2025_08_26"}]}), "web_search")
            .told("web_search", "tools[0]"),
        case(CHAT, json!({"web_search_options": {}}), "web_search")
            .told("web_search", "web_search_options"),
        case(CHAT, json!({"plugins": [{"id": "web"}]}), "plugins").told("plugins", "plugins"),
        case(CHAT, json!({"data_sources": [{"type": "azure_search"}]}), "azure_search")
            .told("data_sources", "data_sources"),
        case(CHAT, json!({"mcp_servers": [{"name": "search", "url": "https://x"}]}), "mcp_servers")
            .told("mcp_servers", "mcp_servers"),
        case(CHAT, json!({"extra_body": {"mcpServers": [{"url": "https://x"}]}}), "mcpServers")
            .told("extra_body", "extra_body"),
        case(CHAT, json!({"search_parameters": {"mode": "on"}}), "search_parameters")
            .told("search_parameters", "search_parameters"),
        case(CHAT, json!({"tools": [{"type": "Function", "function": {"name": "search"}}]}), "Funct")
            .told("Function", "tools[0]"),
        case(CHAT, json!({"tools": [{"type": "search", "server_url": "https://x"}]}), "server_url")
            .told("search", "tools[0]"),
        case(
            CHAT,
            json!({"tools": [{"type": "function", "function": {"name": "search"}, "name": "evil"}]}),
            "evil",
        )
        .told("evil", "tools[0]"),
        case(CHAT, json!({"tools": [nested("search")], "tool_choice": chosen}), "evil")
            .told("evil", "tool_choice"),
        case(CHAT, json!({"function_call": {"name": "evil"}}), "evil")
            .told("evil", "function_call"),
        case(CHAT, json!({"tools": [nested("search")], "tool_choice": among}), "evil")
            .told("mcp:evil", "tool_choice.allowed_tools.tools[1]"),
        case(CHAT, json!({"messages": inside}), "evil")
            .told("tools", "messages[0].tools")
            .for_good(),
        case(CHAT, json!({"builtin_tools": ["evil"]}), "evil")
            .told("builtin_tools", "builtin_tools"),
        case(CHAT, json!({"tool": "evil"}), "evil").told("tool", "tool"),
        case(CHAT, json!({"connector_ids": ["evil"]}), "evil")
            .told("connector_ids", "connector_ids"),
        case(CHAT, json!({"mcp": {"url": "evil"}}), "evil").told("mcp", "mcp"),
        case(CHAT, json!({"tool_resources": {"evil": 1}}), "evil")
            .told("tool_resources", "tool_resources"),
        case(CHAT, json!({"web_search_enabled": true}), "web_search_enabled")
            .told("web_search_enabled", "web_search_enabled"),
        case(CHAT, json!({"search": true}), "search\":").told("search", "search"),
        case(CHAT, json!({"grounding": {"evil": 1}}), "evil").told("grounding", "grounding"),
        case(CHAT, json!({"tool_config": {"evil": 1}}), "evil").told("tool_config", "tool_config"),
        case(CHAT, json!({"messages": [{"role": "user", "content":
                [{"type": "text", "text": "x", "tools": ["evil"]}]}]}), "evil")
            .told("tools", "messages[0].content[0].tools")
            .for_good(),
        case(CHAT, json!({"tools": [{"type": "function", "function":
                {"name": "search", "mcp_serverſ": ["evil"]}}]}), "evil")
            .told("mcp_serverſ", "tools[0].function.mcp_serverſ")
            .for_good(),
    ]
}

/// Choices that pick what is not offered, as one server or another reads them, though `search` is
/// offered and picked too.
fn choices() -> Vec<Hostile> {
    let chat = |choice: Value| {
        case(CHAT, json!({"tools": [nested("search")], "tool_choice": choice}), "tool_choice")
            .told("evil", "tool_choice")
    };
    let responses = |choice: Value| {
        case(RESPONSES, json!({"tools": [flat("search")], "tool_choice": choice}), "tool_choice")
            .told("evil", "tool_choice")
    };
    let messages = |choice: Value| {
        let tools = json!([{"name": "search", "input_schema": {}}]);
        case(MESSAGES, json!({"tools": tools, "tool_choice": choice}), "tool_choice")
            .told("evil", "tool_choice")
    };
    let search = json!({"name": "search"});
    let evil = json!({"name": "evil"});
    vec![
        chat(json!("evil")),
        chat(json!({"type": "function", "function": search, "custom": evil})),
        chat(json!({"type": "function", "function": search, "name": "evil"})),
        chat(json!({"type": "function", "function": evil, "tools": [nested("search")]})),
        responses(json!({"type": "function", "name": "evil", "function": search})),
        responses(json!({"type": "function", "name": "evil", "server_label": "search"})),
        responses(json!({"type": "function", "name": "search", "server_label": "evil"}))
            .told("mcp:evil", "tool_choice"),
        responses(json!({"type": "mcp", "server_label": "search", "name": "evil"}))
            .told("mcp:search", "tool_choice"),
        responses(json!({"type": "image_generation", "name": "search"}))
            .told("image_generation", "tool_choice"),
        messages(json!({"type": "tool", "name": "evil", "function": search})),
        messages(json!({"type": "tool", "name": "search", "function": evil})),
        messages(json!({"type": "auto", "name": "evil"})),
    ]
}

fn responses() -> Vec<Hostile> {
    let space = |inner: Value| json!([{"type": "namespace", "name": "search", "tools": [inner]}]);
    let mcp = |more: Value| {
        let mut tool = json!({"type": "mcp", "server_label": "search"});
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([flat("search"), tool])
    };
    let hello = json!({"role": "user", "content": "Hello"});
    let late = |kind: &str, tool: Value| json!([hello, {"type": kind, "tools": [tool]}]);
    let listed = json!([hello, {"type": "mcp_list_tools", "server_label": "search", "tools":
        [{"name": "evil", "input_schema": {}}]}]);
    let approval = json!([hello, {"type": "mcp_approval_response", "approve": true,
        "approval_request_id": "evil"}]);
    let unknown = json!([hello, {"type": "new_item", "more": {"tools": [flat("evil")]}}]);
    vec![
        case(RESPONSES, json!({"tools": mcp(json!({"server_url": "https://x"}))}), "mcp")
            .told("mcp:search", "tools[1]"),
        case(RESPONSES, json!({"tools": mcp(json!({"connector_id": "connector_gmail"}))}), "gmail")
            .told("connector:connector_gmail", "tools[1]"),
        case(RESPONSES, json!({"tools": space(flat("evil"))}), "evil")
            .told("evil", "tools[0].tools[0]"),
        case(RESPONSES, json!({"tools": space(json!({"type": "shell"}))}), "shell")
            .told("shell", "tools[0].tools[0]"),
        case(RESPONSES, json!({"tools": [{"type": "web_search_preview_2025_03_11"}]}), "web_search")
            .told("web_search_preview", "tools[0]"),
        case(
            RESPONSES,
            json!({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
            "code_interpreter",
        )
        .told("code_interpreter", "tools[0]"),
        case(RESPONSES, json!({"tools": [{"type": "brand_new"}]}), "brand_new")
            .told("brand_new", "tools[0]"),
        case(RESPONSES, json!({"tools": [{"type": "MCP", "server_label": "search"}]}), "MCP")
            .told("MCP", "tools[0]"),
        case(
            RESPONSES,
            json!({"tools": [{"type": "function", "name": "search", "function": {"name": "evil"}}]}),
            "evil",
        )
        .told("evil", "tools[0]"),
        case(RESPONSES, json!({"input": late("additional_tools", flat("evil"))}), "evil")
            .told("evil", "input[1].tools[0]"),
        case(RESPONSES, json!({"input": late("tool_search_output", flat("evil"))}), "evil")
            .told("evil", "input[1].tools[0]"),
        case(RESPONSES, json!({"input": listed}), "evil").told("mcp:search", "input[1].tools[0]"),
        case(RESPONSES, json!({"input": approval}), "evil").told("mcp", "input[1]").for_good(),
        case(RESPONSES, json!({"input": unknown}), "evil").told("tools", "input[1].more.tools").for_good(),
        case(RESPONSES, json!({"tool_choice": {"type": "shell"}}), "shell")
            .told("shell", "tool_choice"),
    ]
}

/// Items and functions that carry more than they should.
fn carriers() -> Vec<Hostile> {
    let hello = json!({"role": "user", "content": "Hello"});
    vec![
        case(
            RESPONSES,
            json!({"input": [hello, {"type": "mcp_call", "server_label": "evil", "arguments": "{}"}]}),
            "evil",
        )
        .told("mcp:evil", "input[1]")
        .for_good(),
        case(RESPONSES, json!({"input": [hello, {"type": "new", "tool": {"evil": 1}}]}), "evil")
            .told("tool", "input[1].tool")
            .for_good(),
        case(
            RESPONSES,
            json!({"input": [{"role": "user", "content":
                [{"type": "input_text", "text": "x", "tools": ["evil"]}]}]}),
            "evil",
        )
        .told("tools", "input[0].content[0].tools")
        .for_good(),
        case(
            RESPONSES,
            json!({"tools": [{"type": "function", "name": "search", "tools": [flat("evil")]}]}),
            "evil",
        )
        .told("tools", "tools[0].tools")
        .for_good(),
        case(
            RESPONSES,
            json!({"tools": [{"type": "function", "name": "search", "server_url": "evil"}]}),
            "evil",
        )
        .told("server_url", "tools[0].server_url")
        .for_good(),
    ]
}

fn messages() -> Vec<Hostile> {
    let typed = |kind: &str, name: &str| json!({"tools": [{"type": kind, "name": name}]});
    let toolset = json!({"tools": [{"type": "mcp_toolset", "mcp_server_name": "search"}]});
    let called = json!([{"name": "search", "input_schema": {},
        "allowed_callers": ["direct", "code_execution_20250825"]}]);
    let deferred = json!([{"name": "search", "input_schema": {}},
        {"name": "evil", "input_schema": {}, "defer_loading": true}]);
    vec![
        case(MESSAGES, json!({"tools": [{"name": "evil", "input_schema": {}}]}), "evil")
            .told("evil", "tools[0]"),
        case(MESSAGES, json!({"tools": deferred}), "evil").told("evil", "tools[1]"),
        case(MESSAGES, typed("web_search_20991231", "search"), "web_search")
            .told("web_search", "tools[0]"),
        case(MESSAGES, typed("bash_20250124", "search"), "bash").told("bash", "tools[0]"),
        case(MESSAGES, typed("code_execution_20250825", "search"), "code_execution")
            .told("code_execution", "tools[0]"),
        case(MESSAGES, typed("tool_search_tool_regex_20251119", "search"), "tool_search")
            .told("tool_search_tool_regex", "tools[0]"),
        case(MESSAGES, typed("brand_new_20991231", "search"), "brand_new")
            .told("brand_new", "tools[0]"),
        case(
            MESSAGES,
            json!({"mcp_servers": [{"type": "url", "name": "search", "url": "https://x"}]}),
            "mcp_servers",
        )
        .told("mcp:search", "mcp_servers[0]"),
        case(MESSAGES, toolset, "mcp_toolset").told("mcp:search", "tools[0]"),
        case(MESSAGES, json!({"tools": called}), "code_execution")
            .told("code_execution", "tools[0].allowed_callers[1]")
            .for_good(),
        case(MESSAGES, json!({"tool_choice": {"type": "tool", "name": "evil"}}), "evil")
            .told("evil", "tool_choice"),
        case(MESSAGES, json!({"mcpServers": [{"url": "https://x"}]}), "mcpServers")
            .told("mcpServers", "mcpServers"),
        case(
            MESSAGES,
            json!({"messages": [{"role": "user", "content": [{"type": "new", "tools": ["evil"]}]}]}),
            "evil",
        )
        .told("tools", "messages[0].content[0].tools")
        .for_good(),
        case(MESSAGES, said(&json!({"type": "tool_addition", "tool": {"type": "evil"}})), "evil")
            .told("tool", "messages[0].content[0].tool")
            .for_good(),
        case(
            MESSAGES,
            said(&json!({"type": "new", "more": [{"tool": {"type": "mcp_toolset"}}]})),
            "mcp_toolset",
        )
        .told("tool", "messages[0].content[0].more[0].tool")
        .for_good(),
        case(MESSAGES, said(&json!({"type": "text", "text": "x", "tools": ["evil"]})), "evil")
            .told("tools", "messages[0].content[0].tools")
            .for_good(),
        case(
            MESSAGES,
            json!({"tools": [{"name": "search", "input_schema": {}, "mcp_servers": ["evil"]}]}),
            "evil",
        )
        .told("mcp_servers", "tools[0].mcp_servers")
        .for_good(),
    ]
}

/// A conversation of one block.
fn said(block: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": [block]}]})
}

pub(crate) fn everything() -> impl Iterator<Item = Hostile> {
    let of_openai = chats().into_iter().chain(choices()).chain(responses()).chain(carriers());
    of_openai.chain(messages()).chain(others::everything())
}
