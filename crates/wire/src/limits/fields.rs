//! Structured fields of RFC 9651, as far as limits need them: lists of items with parameters.
//!
//! A field that breaks the grammar anywhere is nothing as a whole, as the RFC asks. Only base64 is
//! read generously: the drafts' own examples have pad bits that a strict decoder refuses.

/// A bare item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Bare {
    /// `:base64:`
    Bytes(Box<[u8]>),
    /// `60`
    Integer(i64),
    /// A decimal, boolean, date or token: nothing that limits are told in.
    Other,
    /// `"text"`
    Text(String),
}

/// One member of a list: an item and its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Item {
    pub(crate) bare: Bare,
    pub(crate) parameters: Vec<(String, Bare)>,
}

impl Item {
    pub(crate) fn parameter(&self, name: &str) -> Option<&Bare> {
        // Of parameters that are said twice the last one counts.
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, bare)| bare)
    }
}

/// The items of a list.
pub(crate) fn list(text: &str) -> Option<Vec<Item>> {
    let mut reader = Reader { rest: text.trim_matches(' ').as_bytes() };
    let mut items = Vec::new();
    if reader.rest.is_empty() {
        return Some(items);
    }
    loop {
        if items.len() == ITEMS_MAX {
            return None;
        }
        items.push(reader.item()?);
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            return Some(items);
        }
        reader.expect(b',')?;
        reader.skip(b" \t");
    }
}

/// A dictionary of integers, as draft 07 has it: `limit=100, remaining=50`. What is no integer, or
/// has no value, is left out.
pub(crate) fn dictionary(text: &str) -> Option<Vec<(String, i64)>> {
    let mut reader = Reader { rest: text.trim_matches(' ').as_bytes() };
    let mut found = Vec::new();
    loop {
        if found.len() == ITEMS_MAX {
            return None;
        }
        let key = reader.key()?;
        if reader.take(b'=') {
            let item = reader.item()?;
            if let Bare::Integer(number) = item.bare {
                found.push((key, number));
            }
        } else {
            reader.parameters()?;
        }
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            return Some(found);
        }
        reader.expect(b',')?;
        reader.skip(b" \t");
    }
}

const ITEMS_MAX: usize = 32;
const PARAMETERS_MAX: usize = 16;

struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    fn item(&mut self) -> Option<Item> {
        let bare = self.bare()?;
        Some(Item { bare, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Vec<(String, Bare)>> {
        let mut parameters = Vec::new();
        while self.take(b';') {
            if parameters.len() == PARAMETERS_MAX {
                return None;
            }
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.take(b'=') { self.bare()? } else { Bare::Other };
            parameters.push((key, value));
        }
        Some(parameters)
    }

    fn key(&mut self) -> Option<String> {
        let first = *self.rest.first()?;
        let starts = first.is_ascii_lowercase() || first == b'*';
        let inside = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'.' | b'*')
        };
        let key = self.while_is(inside);
        starts.then(|| String::from_utf8_lossy(key).into_owned())
    }

    fn bare(&mut self) -> Option<Bare> {
        match *self.rest.first()? {
            b'"' => self.quoted().map(Bare::Text),
            b':' => {
                self.expect(b':')?;
                let text = self.while_is(|byte| byte != b':');
                self.expect(b':')?;
                base64(text).map(Bare::Bytes)
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.expect(b'?')?;
                (self.take(b'0') || self.take(b'1')).then_some(Bare::Other)
            }
            b'@' => {
                self.expect(b'@')?;
                self.number().filter(|number| matches!(number, Bare::Integer(_)))?;
                Some(Bare::Other)
            }
            b'%' => {
                self.expect(b'%')?;
                self.quoted()?;
                Some(Bare::Other)
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.while_is(is_token);
                Some(Bare::Other)
            }
            _ => None,
        }
    }

    /// At most fifteen digits, or twelve and three decimals.
    fn number(&mut self) -> Option<Bare> {
        let negative = self.take(b'-');
        let digits = self.while_is(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return None;
        }
        if self.take(b'.') {
            let decimals = self.while_is(|byte| byte.is_ascii_digit()).len();
            let fits = digits.len() <= 12 && (1..=3).contains(&decimals);
            return fits.then_some(Bare::Other);
        }
        let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Bare::Integer(if negative { number.checked_neg()? } else { number }))
    }

    fn quoted(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(text),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    matches!(escaped, b'"' | b'\\').then(|| text.push(char::from(escaped)))?;
                }
                b' '..=b'~' => text.push(char::from(byte)),
                _ => return None,
            }
        }
    }

    fn while_is(&mut self, is: impl Fn(u8) -> bool) -> &'t [u8] {
        let length = self.rest.iter().take_while(|&&byte| is(byte)).count();
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.while_is(|byte| bytes.contains(&byte));
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
                | b':'
                | b'/'
        )
}

/// Base64 with or without padding, whatever its pad bits.
fn base64(text: &[u8]) -> Option<Box<[u8]>> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last.saturating_add(1));
    let letters = text.get(..end)?;
    let padding = text.len().saturating_sub(end);
    if padding > 2 || letters.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for group in letters.chunks(4) {
        let mut bits = 0_u32;
        for &letter in group {
            bits = bits << 6 | sextet(letter)?;
        }
        bits <<= 6 * 4_usize.saturating_sub(group.len());
        let [_, whole @ ..] = bits.to_be_bytes();
        bytes.extend(whole.iter().take(group.len().saturating_sub(1)));
    }
    Some(bytes.into())
}

fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter.checked_sub(b'A')?,
        b'a'..=b'z' => letter.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => letter.checked_sub(b'0')?.checked_add(52)?,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests;
