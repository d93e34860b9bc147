//! Model lists: names, and patterns in which `*` stands for anything.

/// Whether any of `patterns` matches `name`.
pub(crate) fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether `name` is `pattern`, where each `*` stands for any run of characters. Greedy from the
/// left with one place to come back to, so it is linear in practice and quadratic at worst, on
/// patterns that only the operator writes. A `*` alone does not reach into `provider/model` names:
/// what an operator never named is only open where a pattern says the provider.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.contains('/') && !pattern.contains('/') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else {
        return false;
    };
    let mut tail = None;
    for part in parts {
        if let Some(part) = tail.replace(part) {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
    }
    tail.map_or(rest.is_empty(), |part| rest.ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_what_it_reads_like() {
        let table = [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o*", "gpt-4", false),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini-x", false),
            ("g*4*mini", "gpt-4o-mini", true),
            ("*", "anything", true),
            ("*", "openai/gpt-4o", false),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "other/gpt-4o", false),
            ("a*a", "a", false),
            ("", "", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
