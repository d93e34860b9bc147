//! One field at a time: right type, right range, right spelling, or a message that says so.
//!
//! `null` is absent everywhere. Numbers that decide something are whole and in plain digits,
//! because `1e9`, `1.0` and numbers past 2⁵³ are read differently by different parsers.

use std::borrow::Cow;

use crate::Malformed;
use crate::walk::{Kind, Path, Value};

/// The largest number that every JSON parser reads alike.
pub(crate) const WHOLE_MAX: u64 = 1 << 53;

/// Hands each member of an object to `each`. A key that differs from one of `known` only in its
/// case is refused: some servers take it for the known one.
pub(crate) fn members<'b>(
    value: Value<'b>,
    path: &Path<'_>,
    (known, expected): (&[&str], &str),
    mut each: impl FnMut(&str, Value<'b>, &Path<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if value.kind() != Kind::Object {
        return Err(Malformed::wrong(value, path, expected));
    }
    for member in value.members() {
        let key = member.key.text();
        let path = path.key(&key);
        if let Some(right) = misspelt(&key, known) {
            return Err(Malformed::spelling(member.key, &path, right));
        }
        each(&key, member.value, &path)?;
    }
    Ok(())
}

/// Hands each item of an array to `each`, and says how many there were.
pub(crate) fn items<'b>(
    value: Value<'b>,
    path: &Path<'_>,
    expected: &str,
    mut each: impl FnMut(Value<'b>, &Path<'_>) -> Result<(), Malformed>,
) -> Result<u64, Malformed> {
    if value.kind() != Kind::Array {
        return Err(Malformed::wrong(value, path, expected));
    }
    let mut count = 0_u64;
    for (at, item) in value.items().enumerate() {
        each(item, &path.index(at))?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// The same for an array that has to have an item.
pub(crate) fn one_or_more<'b>(
    value: Value<'b>,
    path: &Path<'_>,
    expected: &str,
    each: impl FnMut(Value<'b>, &Path<'_>) -> Result<(), Malformed>,
) -> Result<u64, Malformed> {
    match items(value, path, expected, each)? {
        0 => Err(Malformed::wrong(value, path, expected)),
        count => Ok(count),
    }
}

/// A string, or nothing for `null`.
pub(crate) fn string<'b>(
    value: Value<'b>,
    path: &Path<'_>,
) -> Result<Option<Cow<'b, str>>, Malformed> {
    match value.kind() {
        Kind::String => Ok(Some(value.text())),
        Kind::Null => Ok(None),
        _ => Err(Malformed::wrong(value, path, "a string")),
    }
}

/// A string that has to be there and to say something.
pub(crate) fn name<'b>(
    value: Option<Value<'b>>,
    (owner, path): (Value<'b>, &Path<'_>),
    key: &str,
) -> Result<Cow<'b, str>, Malformed> {
    const EXPECTED: &str = "a string that is not empty";
    let Some(value) = value else {
        return Err(Malformed::missing(owner, path, key, EXPECTED));
    };
    if value.kind() != Kind::String || value.place().len() <= 2 {
        return Err(Malformed::wrong(value, &path.key(key), EXPECTED));
    }
    Ok(value.text())
}

/// A truth value; `null` is false.
pub(crate) fn flag(value: Value<'_>, path: &Path<'_>) -> Result<bool, Malformed> {
    match value.kind() {
        Kind::Bool(flag) => Ok(flag),
        Kind::Null => Ok(false),
        _ => Err(Malformed::wrong(value, path, "true or false")),
    }
}

/// A whole number from 1 to 2⁵³, or nothing for `null`.
pub(crate) fn whole(value: Value<'_>, path: &Path<'_>) -> Result<Option<u64>, Malformed> {
    match value.kind() {
        Kind::Null => Ok(None),
        Kind::Number => match digits(value.raw()) {
            Some(0) | None => Err(Malformed::wrong(value, path, WHOLE)),
            number => Ok(number),
        },
        _ => Err(Malformed::wrong(value, path, WHOLE)),
    }
}

const WHOLE: &str = "a whole number from 1 to 9007199254740992, in plain digits";

/// A number in plain digits, up to 2⁵³.
pub(crate) fn digits(raw: &[u8]) -> Option<u64> {
    let plain = !raw.is_empty() && raw.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(raw).ok().filter(|_| plain)?.parse().ok()?;
    (number <= WHOLE_MAX).then_some(number)
}

/// The known key that `key` is a misspelling of, in case only.
pub(crate) fn misspelt<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&key) {
        return None;
    }
    known.iter().copied().find(|right| folds_to(key, right))
}

/// Whether Unicode case folding makes `key` the ASCII name `right`. Besides the capitals two
/// characters fold into ASCII: the long s and the Kelvin sign; Go's `encoding/json` knows them.
fn folds_to(key: &str, right: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(right);
    }
    key.chars().map(folded).eq(right.chars().map(folded))
}

/// The small letter of ASCII that a character folds into, or the character.
pub(crate) const fn folded(each: char) -> char {
    match each {
        'ſ' => 's',
        '\u{212a}' => 'k',
        _ => each.to_ascii_lowercase(),
    }
}
