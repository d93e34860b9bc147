//! The same in Cohere's and Gemini's protocols.

use serde_json::{Value, json};

use crate::hostile::{COHERE, GEMINI, Hostile, case, nested};

fn chats() -> Vec<Hostile> {
    vec![
        case(COHERE, json!({"tools": [nested("search"), nested("evil")]}), "evil")
            .told("evil", "tools[1]"),
        case(COHERE, json!({"tools": [{"type": "brand_new"}]}), "brand_new")
            .told("brand_new", "tools[0]"),
        case(COHERE, json!({"connectors": [{"id": "web-search"}]}), "web-search")
            .told("connectors", "connectors"),
        case(COHERE, json!({"extra": {"mcpServers": [{"url": "https://x"}]}}), "mcpServers")
            .told("extra", "extra"),
        case(
            COHERE,
            json!({"messages": [{"role": "user", "content": [{"type": "new", "tools": ["evil"]}]}]}),
            "evil",
        )
        .told("tools", "messages[0].content[0].tools")
        .for_good(),
    ]
}

fn contents() -> Vec<Hostile> {
    let tool =
        |more: Value| json!({"tools": [{"functionDeclarations": [{"name": "search"}]}, more]});
    let chosen = |name: &str| json!({"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": [name]}}});
    vec![
        case(
            GEMINI,
            json!({"tools": [{"functionDeclarations": [{"name": "search"}, {"name": "evil"}]}]}),
            "evil",
        )
        .told("evil", "tools[0].functionDeclarations[1]"),
        case(GEMINI, tool(json!({"function_declarations": [{"name": "evil"}]})), "evil")
            .told("evil", "tools[1].function_declarations[0]"),
        case(GEMINI, tool(json!({"googleSearch": {}})), "googleSearch")
            .told("google_search", "tools[1].googleSearch"),
        case(GEMINI, tool(json!({"url_context": {}})), "url_context")
            .told("url_context", "tools[1].url_context"),
        case(GEMINI, tool(json!({"codeExecution": {}})), "codeExecution")
            .told("code_execution", "tools[1].codeExecution"),
        case(GEMINI, tool(json!({"brandNew": {"a": 1}})), "brandNew")
            .told("brand_new", "tools[1].brandNew"),
        case(GEMINI, tool(json!({"mcp_servers": [{"name": "search"}]})), "mcp_servers")
            .told("mcp:search", "tools[1].mcp_servers[0]"),
        case(GEMINI, json!({"googleSearch": {}}), "googleSearch")
            .told("google_search", "googleSearch"),
        case(GEMINI, chosen("evil"), "evil")
            .told("evil", "toolConfig.functionCallingConfig.allowedFunctionNames[0]"),
        case(
            GEMINI,
            json!({"tools": [{"functionDeclarations": [{"name": "search", "tools": ["evil"]}]}]}),
            "evil",
        )
        .told("tools", "tools[0].functionDeclarations[0].tools")
        .for_good(),
        case(GEMINI, json!({"generationConfig": {"tools": [{"name": "evil"}]}}), "evil")
            .told("tools", "generationConfig.tools")
            .for_good(),
        case(
            GEMINI,
            json!({"contents": [{"parts": [{"text": "x", "more": {"tool": {"name": "evil"}}}]}]}),
            "evil",
        )
        .told("tool", "contents[0].parts[0].more.tool")
        .for_good(),
    ]
}

pub(crate) fn everything() -> impl Iterator<Item = Hostile> {
    chats().into_iter().chain(contents())
}
