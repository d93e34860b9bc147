//! The two spellings of a field: `maxOutputTokens`, and `max_output_tokens` as the description of
//! the API has it. Google's JSON readers take both; whatever else comes close is refused.

use crate::Malformed;
use crate::read::field::{folded, misspelt};
use crate::walk::{Kind, Path, Value};

/// Hands each member of an object to `each`, under the first spelling of its name where it is one
/// of `known`. Refused: what is spelt in a third way, and what is said in both.
pub(crate) fn fields<'b>(
    value: Value<'b>,
    path: &Path<'_>,
    (known, expected): (&[&'static str], &str),
    mut each: impl FnMut(&str, Value<'b>, &Path<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if value.kind() != Kind::Object {
        return Err(Malformed::wrong(value, path, expected));
    }
    let mut seen: Vec<&str> = Vec::new();
    for member in value.members() {
        let key = member.key.text();
        let path = path.key(&key);
        let Some(name) = named(&key, known) else {
            each(&key, member.value, &path)?;
            continue;
        };
        if *key != *name && *key != snake(name) {
            return Err(Malformed::spelling(member.key, &path, name));
        }
        if seen.contains(&name) {
            let why = "it is said twice, in two spellings; say it once";
            return Err(Malformed::unsupported(member.key, &path, why));
        }
        seen.push(name);
        each(name, member.value, &path)?;
    }
    Ok(())
}

/// The member called `name`, in either spelling.
pub(crate) fn member<'b>(value: Value<'b>, name: &str) -> Option<Value<'b>> {
    value.member(name).or_else(|| value.member(&snake(name)))
}

/// Whether `key` is `name` in one of its spellings.
pub(crate) fn is_named(key: &str, name: &str) -> bool {
    key == name || key == snake(name)
}

/// `maxOutputTokens` as `max_output_tokens`.
pub(crate) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    for each in name.chars() {
        if each.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(each.to_ascii_lowercase());
    }
    snake
}

/// The known name that `key` says, however it is spelt.
fn named<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    if let Some(found) = known.iter().copied().find(|name| *name == key) {
        return Some(found);
    }
    let bare: String = key.chars().filter(|each| !matches!(each, '_' | '-')).map(folded).collect();
    misspelt(&bare, known).or_else(|| known.iter().copied().find(|name| *name == bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_two_spellings_and_whatever_else_comes_close_is_refused() {
        let told = |body: &str| {
            let mut found = Vec::new();
            let known = (&["maxOutputTokens", "tools"][..], "an object");
            fields(Value::root(body.as_bytes()), &Path::ROOT, known, |key, value, _| {
                found.push(format!("{key}={}", value.text()));
                Ok(())
            })
            .map(|()| found.join(" "))
            .map_err(|error| error.message)
        };
        let right = [
            (r#"{"maxOutputTokens":1,"x":2}"#, "maxOutputTokens=1 x=2"),
            (r#"{"max_output_tokens":1}"#, "maxOutputTokens=1"),
            (r#"{"max\u005foutput_tokens":1}"#, "maxOutputTokens=1"),
            (r#"{"Other_Name":1}"#, "Other_Name=1"),
        ];
        for (body, expected) in right {
            assert_eq!(told(body).as_deref(), Ok(expected), "{body}");
        }
        let wrong = [
            "maxoutputtokens",
            "MaxOutputTokens",
            "MAX_OUTPUT_TOKENS",
            "max-output-tokens",
            "max_outputTokens",
            "maxOutputToken\u{17f}",
            "_tools",
            "Tools",
        ];
        for key in wrong {
            let message = told(&format!("{{\"{key}\":1}}")).unwrap_err();
            assert!(message.contains("is spelt differently"), "{message}");
        }
        let message = told(r#"{"maxOutputTokens":1,"max_output_tokens":2}"#).unwrap_err();
        assert!(message.contains("said twice"), "{message}");
        assert!(told("[]").is_err());
    }
}
