//! What was said: contents, part by part.
//!
//! A part is known by the member that it has. Pictures, sounds and files are judged by their size,
//! what is written is counted, and what lies at the account is noted by its address.

use super::names::{fields, member};
use crate::read::field::{self, items};
use crate::read::{Draft, hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Detail, Extra, Image, Malformed, StoredKind, image};

/// `contents`
pub(super) fn contents(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    const EXPECTED: &str = "a list with at least one content";
    if draft.has_input {
        let why = "it is given beside `generateContentRequest`; give one of the two";
        return Err(Malformed::unsupported(value, path, why));
    }
    draft.has_input = true;
    field::one_or_more(value, path, EXPECTED, |item, path| content(draft, item, path)).map(|_| ())
}

/// `systemInstruction`
pub(super) fn instruction(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() { Ok(()) } else { content(draft, value, path) }
}

fn content(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["parts", "role"][..], "a content: an object with `parts`");
    fields(value, path, known, |key, value, path| match key {
        "role" => draft.counted(value, path),
        "parts" => {
            items(value, path, "a list of parts", |item, path| part(draft, item, path)).map(|_| ())
        }
        _ => other(draft, key, value, path),
    })?;
    draft.prompt.add_message();
    Ok(())
}

const PART: &[&str] = &[
    "codeExecutionResult",
    "executableCode",
    "fileData",
    "functionCall",
    "functionResponse",
    "inlineData",
    "mediaResolution",
    "text",
    "thought",
    "thoughtSignature",
    "videoMetadata",
];

fn part(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    fields(value, path, (PART, "a part: an object"), |key, value, path| match key {
        _ if value.is_null() => Ok(()),
        "text" => draft.counted(value, path),
        "inlineData" => inline(draft, value, path),
        "fileData" => file(draft, value, path),
        "functionCall" | "executableCode" | "codeExecutionResult" => {
            draft.unknown(value);
            Ok(())
        }
        "functionResponse" => response(draft, value, path),
        // The thinking itself, which nobody else can read.
        "thoughtSignature" => {
            draft.sealed(value);
            Ok(())
        }
        "mediaResolution" | "thought" | "videoMetadata" => Ok(()),
        _ => other(draft, key, value, path),
    })
}

/// What nobody knows may still name what the account stores, or bring tools.
fn other(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    stored::at(draft, key, value, path)?;
    hidden::member(draft, key, value, path)?;
    hidden::within(draft, value, path)?;
    draft.addresses(value);
    draft.unknown(value);
    Ok(())
}

/// What a function has answered: an object of the caller's, and parts that show more.
fn response(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["id", "name", "parts", "response"][..], "an object with a `name`");
    fields(value, path, known, |key, value, path| match key {
        "id" => Ok(()),
        "parts" if !value.is_null() => {
            let each = |item: Value<'_>, path: &Path<'_>| {
                fields(item, path, (PART, "a part: an object"), |key, value, path| match key {
                    "inlineData" => inline(draft, value, path),
                    "fileData" => file(draft, value, path),
                    _ => other(draft, key, value, path),
                })
            };
            items(value, path, "a list of parts", each).map(|_| ())
        }
        _ => {
            draft.unknown(value);
            Ok(())
        }
    })
}

/// Bytes in the body itself, of the type that stands beside them.
fn inline(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (mut data, mut mime) = (None, None);
    let known = (&["data", "displayName", "mimeType"][..], "an object with `data`");
    fields(value, path, known, |key, value, path| {
        match key {
            "data" => data = field::string(value, path)?.map(|_| value),
            "mimeType" => mime = field::string(value, path)?,
            "displayName" => draft.counted(value, path)?,
            _ => draft.unknown(value),
        }
        Ok(())
    })?;
    let Some(data) = data else {
        return Err(Malformed::missing(value, path, "data", "base64"));
    };
    let mime = mime.unwrap_or_default().to_ascii_lowercase();
    match mime.split('/').next().unwrap_or_default() {
        "image" => {
            let size = image::size_of_base64(&data.text());
            draft.prompt.add_image(Image { detail: Detail::Auto, size });
        }
        kind @ ("audio" | "video") => {
            draft.file(data);
            draft.add_extra(Extra::Modality(kind.to_owned()));
        }
        _ => draft.file(data),
    }
    Ok(())
}

/// Something at an address: a file at the account, unless it is a public video.
fn file(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["displayName", "fileUri", "mimeType"][..], "an object with a `fileUri`");
    fields(value, path, known, |key, value, path| match key {
        "displayName" | "mimeType" => Ok(()),
        "fileUri" => {
            draft.prompt.add_elsewhere();
            let uri = field::string(value, path)?.unwrap_or_default();
            if PUBLIC.iter().any(|known| uri.starts_with(known)) {
                draft.add_extra(Extra::Modality("video".to_owned()));
                return Ok(());
            }
            stored::refer(draft, StoredKind::File, value, path)
        }
        _ => other(draft, key, value, path),
    })?;
    match member(value, "fileUri").map(Value::kind) {
        Some(Kind::String) => Ok(()),
        _ => Err(Malformed::missing(value, path, "fileUri", "the address of a file")),
    }
}

/// Where everything is everybody's.
const PUBLIC: &[&str] =
    &["https://www.youtube.com/watch?", "https://youtu.be/", "https://youtube.com/watch?"];
