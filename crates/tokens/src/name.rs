//! Reading model names: whose prefix, which date.
//!
//! Names are made by people, so nothing here is certain; each caller decides what it means when a
//! name is not recognised (a ratio instead of a tokenizer, no price instead of a wrong one).

/// The model's own name: `openai/gpt-4o` and `ft:gpt-4o:acme::7p` are both about `gpt-4o`.
pub(crate) fn bare(model: &str) -> &str {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

/// The name without its date: `-2024-07-18`, `-20241022`. `None` where it carries none.
pub(crate) fn undated(model: &str) -> Option<&str> {
    [11, 9].into_iter().find_map(|length| {
        let at = model.len().checked_sub(length)?;
        let (name, date) = (model.get(..at)?, model.get(at..)?.as_bytes());
        let separators: &[usize] = if length == 11 { &[0, 5, 8] } else { &[0] };
        let dated = date.iter().enumerate().all(|(position, byte)| {
            if separators.contains(&position) { *byte == b'-' } else { byte.is_ascii_digit() }
        });
        (dated && !name.is_empty()).then_some(name)
    })
}

/// Whether `name` is `family`, or a member of it: `gpt-4-turbo` of `gpt-4`, `gpt-5.1` of `gpt-5.`.
pub(crate) fn is_of(name: &str, family: &str) -> bool {
    // Families begin alike and end differently: most are told apart by one byte.
    let end = family.len().saturating_sub(1);
    let ends_alike = name.as_bytes().get(end) == family.as_bytes().get(end);
    ends_alike
        && name.strip_prefix(family).is_some_and(|rest| {
            family.ends_with('.') || rest.is_empty() || rest.starts_with(['-', '@'])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_taken_off_and_nothing_else() {
        for (model, expected) in [
            ("gpt-4o-mini-2024-07-18", Some("gpt-4o-mini")),
            ("claude-3-5-sonnet-20241022", Some("claude-3-5-sonnet")),
            ("gpt-4o", None),
            ("gpt-4-0613", None),
            ("gpt-4-1106-preview", None),
            ("-20241022", None),
            ("modèle-2024-07-1é", None),
            ("x-2024_07_18", None),
            ("", None),
        ] {
            assert_eq!(undated(model), expected, "{model}");
        }
    }

    #[test]
    fn a_prefix_is_not_part_of_the_name() {
        for (model, expected) in [
            ("gpt-4o", "gpt-4o"),
            ("openai/gpt-4o", "gpt-4o"),
            ("accounts/fireworks/models/gpt-oss-120b", "gpt-oss-120b"),
            ("ft:gpt-4o-2024-08-06:acme::7p4lURel", "gpt-4o-2024-08-06"),
            ("deepseek/deepseek-r1:free", "deepseek-r1"),
        ] {
            assert_eq!(bare(model), expected);
        }
    }
}
