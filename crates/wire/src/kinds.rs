//! The types of the tools that providers define, run or reach.

/// The type of a tool without the date of its version: `web_search_20250305` and
/// `web_search_2025_08_26` are `web_search`.
pub fn undated(kind: &str) -> &str {
    let is_date = |date: &str| {
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        let form = date.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        digits == 8 && (form.clone().eq(*b"_00000000") || form.eq(*b"_0000_00_00"))
    };
    let cut = |width: usize| {
        let at = kind.len().checked_sub(width).filter(|at| *at > 0)?;
        let (name, date) = kind.split_at_checked(at)?;
        is_date(date).then_some(name)
    };
    cut(9).or_else(|| cut(11)).unwrap_or(kind)
}

/// What a type is a version of, where versions have names: `web_search_preview` is `web_search`.
pub fn family(kind: &str) -> &str {
    match kind {
        "computer_use" | "computer_use_preview" => "computer",
        "tool_search_tool_bm25" | "tool_search_tool_regex" => "tool_search",
        "enterprise_web_search"
        | "exa_ai_search"
        | "google_search"
        | "google_search_retrieval"
        | "parallel_ai_search"
        | "web_search_premium" => "web_search",
        "url_context" => "web_fetch",
        _ => kind.strip_suffix("_preview").unwrap_or(kind),
    }
}

/// The kind of what carries tools where no protocol has them, and is known by its field's name.
pub const HIDDEN: &str = "hidden";

/// The types that are known, by family, besides `function`, `custom` and `mcp`: whatever else a
/// request calls a tool is one that nobody has heard of.
pub const HOSTED: &[&str] = &[
    "advisor",
    "apply_patch",
    "bash",
    "code_execution",
    "code_interpreter",
    "computer",
    "data_sources",
    "document_library",
    "file_search",
    "google_maps",
    "image_generation",
    "local_shell",
    "memory",
    "plugins",
    "programmatic_tool_calling",
    "retrieval",
    "shell",
    "text_editor",
    "tool_search",
    "web_fetch",
    "web_search",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_date_at_the_end_and_nothing_else() {
        let table = [
            ("web_search", "web_search"),
            ("web_search_20250305", "web_search"),
            ("web_search_2025_08_26", "web_search"),
            ("web_search_preview_2025_03_11", "web_search_preview"),
            ("web_search_2025030", "web_search_2025030"),
            ("web_search_20250305x", "web_search_20250305x"),
            ("web_search_2025-08-26", "web_search_2025-08-26"),
            ("_20250305", "_20250305"),
            ("é20250305", "é20250305"),
            ("", ""),
        ];
        for (kind, expected) in table {
            assert_eq!(undated(kind), expected);
        }
        assert_eq!(family(undated("web_search_preview_2025_03_11")), "web_search");
        assert_eq!(family("computer_use_preview"), "computer");
    }
}
