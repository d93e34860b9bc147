//! What reaches the model, as its protocol hands it over piece by piece.
//!
//! Text is counted, files are judged by their size, what is not understood counts as it is written,
//! and what lies somewhere else is of a length that nobody can see.

use std::borrow::Cow;

use super::Draft;
use crate::read::field::{self, members};
use crate::read::{hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Malformed, Place};

impl Draft {
    /// `messages`: one or more, each of which goes to `message`.
    pub(crate) fn messages(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
        message: impl Fn(&mut Self, Value<'_>, &Path<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        const EXPECTED: &str = "a list with at least one message";
        self.has_input = true;
        field::one_or_more(value, path, EXPECTED, |item, path| message(self, item, path))?;
        Ok(())
    }

    /// A message was read: it has to say its role, which reaches the model too.
    pub(crate) fn spoken(
        &mut self,
        role: Option<Value<'_>>,
        (message, path): (Value<'_>, &Path<'_>),
    ) -> Result<(), Malformed> {
        field::name(role, (message, path), "role")?;
        self.prompt.add_message();
        role.map_or(Ok(()), |role| self.counted(role, path))
    }

    /// The `type` of a part whose content stands under that name. What stands beside it is not
    /// read, but may carry tools.
    pub(crate) fn kind_of_part<'b>(
        &mut self,
        known: &[&str],
        value: Value<'b>,
        path: &Path<'_>,
    ) -> Result<Cow<'b, str>, Malformed> {
        let mut kind = None;
        members(value, path, (known, "a part: an object with a `type`"), |key, value, path| {
            match key {
                "type" => kind = Some(value),
                _ if known.contains(&key) => {}
                _ => hidden::member(self, key, value, path)?,
            }
            Ok(())
        })?;
        field::name(kind, (value, path), "type")
    }

    /// A part that its protocol does not have; other servers may.
    pub(crate) fn unknown_part(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        stored::within(self, value, path)?;
        hidden::within(self, value, path)?;
        self.prompt.unseen = true;
        self.addresses(value);
        self.unknown(value);
        Ok(())
    }

    /// A member that is not understood, and may carry tools.
    pub(crate) fn unknown_member(
        &mut self,
        key: &str,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        hidden::member(self, key, value, path)?;
        self.unknown(value);
        Ok(())
    }

    /// A string of the prompt, or `null`.
    pub(crate) fn counted(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        match value.kind() {
            Kind::String => self.prompt.add_text(value.place()),
            Kind::Null => {}
            _ => return Err(Malformed::wrong(value, path, "a string")),
        }
        Ok(())
    }

    /// Something that is not understood but may reach the model. Bare numbers and flags do not.
    pub(crate) fn unknown(&mut self, value: Value<'_>) {
        if !matches!(value.kind(), Kind::Array | Kind::Object | Kind::String) {
            return;
        }
        // What carries a picture or a file is that; what stands around it is text all the same.
        let mut at = value.place().start;
        while let Some(carrier) = value.find_from(at, CARRIERS, |_, inner| is_base64(inner)) {
            self.prompt.add_opaque(Place::new(at, carrier.value.place().start));
            self.attachment(carrier.value, BYTES_A_FILE_TOKEN);
            at = carrier.value.place().end;
        }
        self.prompt.add_opaque(Place::new(at, value.place().end));
    }

    /// The base64 of a file; some servers take its address in the same place.
    pub(crate) fn file(&mut self, value: Value<'_>) {
        self.attachment(value, BYTES_A_FILE_TOKEN);
        self.address(value);
    }

    /// The base64 of a sound, or the object that holds it.
    pub(crate) fn sound(&mut self, value: Value<'_>) {
        self.attachment(value, BYTES_A_SOUND_TOKEN);
        self.addresses(value);
    }

    /// What a provider has encrypted for itself: it reads what is in there as input.
    pub(crate) fn sealed(&mut self, value: Value<'_>) {
        if value.kind() == Kind::String {
            self.attach(value, BYTES_A_FILE_TOKEN);
        }
    }

    /// A string that may say where a document is.
    pub(crate) fn address(&mut self, value: Value<'_>) {
        if is_address(value) {
            self.prompt.add_elsewhere();
        }
    }

    /// The same anywhere in what nobody knows.
    pub(crate) fn addresses(&mut self, value: Value<'_>) {
        let from = value.place().start;
        if value
            .find_named(from, &[], |name| name != "filename", |_, inner| is_address(inner))
            .is_some()
        {
            self.prompt.add_elsewhere();
        }
    }

    fn attachment(&mut self, value: Value<'_>, bytes_a_token: usize) {
        self.prompt.unseen = true;
        self.attach(value, bytes_a_token);
    }

    fn attach(&mut self, value: Value<'_>, bytes_a_token: usize) {
        let tokens = value.place().len().div_ceil(bytes_a_token);
        self.prompt.attached = self.prompt.attached.saturating_add(tokens as u64);
    }
}

/// The fields that carry pictures, sound and files, in one API or another.
const CARRIERS: &[&str] = &[
    "b64_json",
    "data",
    "encrypted_content",
    "encrypted_stdout",
    "file_data",
    "image_url",
    "result",
    "url",
];

/// A string that is longer than words are and has only what base64 (or a data URL) has.
fn is_base64(value: Value<'_>) -> bool {
    let has = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-:;,.\\".contains(byte);
    let inside = value.raw().strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inside.is_some_and(|inside| inside.len() > WORD_BYTES_MAX && inside.iter().all(has))
}

/// A string that begins as addresses do: a scheme, and what a parser takes for a slash. The base64
/// of a `data:` URL begins otherwise.
fn is_address(value: Value<'_>) -> bool {
    if value.kind() != Kind::String {
        return false;
    }
    let inside = value.raw().get(1..).unwrap_or_default();
    let head = inside.get(..HEAD_BYTES).unwrap_or(inside);
    let text = if head.contains(&b'\\') { value.text() } else { String::from_utf8_lossy(head) };
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = |each: char| each.is_ascii_alphanumeric() || matches!(each, '+' | '-' | '.');
    let scheme = scheme.trim_start();
    !scheme.is_empty() && scheme.chars().all(is_scheme) && rest.starts_with(['/', '\\'])
}

/// How much of a string is looked at for a scheme, where nothing in it is escaped.
const HEAD_BYTES: usize = 64;

/// A dense page of a PDF is some 5 KB, which is 7 KB of base64, and reaches the model as some 700
/// tokens of text and 1,000 of its picture. What is encrypted has some five bytes a token.
const BYTES_A_FILE_TOKEN: usize = 4;
/// A model hears ten tokens a second. Speech takes 4 KB a second and more, 5 KB of base64.
const BYTES_A_SOUND_TOKEN: usize = 512;
/// What is longer than this, without a space, is no text.
const WORD_BYTES_MAX: usize = 256;
