//! Images in a prompt, as chat, responses and moderations carry them.

use crate::read::Draft;
use crate::read::field::{self, members};
use crate::walk::{Kind, Path, Value};
use crate::{Detail, Image, Malformed, image};

/// `image_url`: `{"url": …, "detail": …}`, or the URL itself.
pub(crate) fn image_url(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.kind() == Kind::String {
        add(draft, Some(value), Detail::Auto);
        return Ok(());
    }
    let (mut url, mut detail) = (None, Detail::Auto);
    let known = (&["detail", "url"][..], "a URL, or an object with a `url`");
    members(value, path, known, |key, value, path| {
        match key {
            "url" => url = field::string(value, path)?.map(|_| value),
            "detail" => detail = detail_of(value, path)?,
            _ => draft.unknown(value),
        }
        Ok(())
    })?;
    if url.is_none() {
        return Err(Malformed::missing(value, path, "url", "a URL"));
    }
    add(draft, url, detail);
    Ok(())
}

/// Notes an image; one without a URL is one that cannot be seen.
pub(crate) fn add(draft: &mut Draft, url: Option<Value<'_>>, detail: Detail) {
    let size = url.and_then(|url| image::size_of_url(&url.text()));
    draft.prompt.add_image(Image { detail, size });
}

/// Notes an image that a model has made: in base64, or only known to the provider.
pub(super) fn made(draft: &mut Draft, base64: Option<Value<'_>>) {
    let size = base64.and_then(|base64| image::size_of_base64(&base64.text()));
    draft.prompt.add_image(Image { detail: Detail::Auto, size });
}

/// `detail`
pub(super) fn detail_of(value: Value<'_>, path: &Path<'_>) -> Result<Detail, Malformed> {
    match field::string(value, path)?.as_deref() {
        None | Some("auto") => Ok(Detail::Auto),
        Some("high") => Ok(Detail::High),
        Some("low") => Ok(Detail::Low),
        Some("original") => Ok(Detail::Original),
        Some(_) => Err(Malformed::wrong(value, path, "auto, low, high or original")),
    }
}
