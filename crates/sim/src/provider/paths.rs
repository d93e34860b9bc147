//! Where a request goes: the endpoint, and the model where the path names it, as Gemini's and
//! Azure's do.

use std::borrow::Cow;

use http::Uri;

use super::asked::Endpoint;

/// Where a request goes.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) model: Option<String>,
    pub(super) form: Form,
}

/// How a stream comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// As one JSON array.
    Array,
    /// As events.
    Events,
}

impl Place {
    /// Where `uri` leads; nothing where the provider has nothing there.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let path = usual(uri.path());
        let events = uri.query().is_some_and(|query| query.split('&').any(|it| it == "alt=sse"));
        if let Some(rest) = path.strip_prefix("/v1beta/models/") {
            let (model, method) = rest.rsplit_once(':')?;
            let endpoint = match method {
                "countTokens" => Endpoint::CountContent,
                "generateContent" => Endpoint::GenerateContent,
                "streamGenerateContent" => Endpoint::StreamGenerateContent,
                _ => return None,
            };
            let form = if events { Form::Events } else { Form::Array };
            return Some(Self { endpoint, model: Some(model.to_owned()), form });
        }
        if let Some(rest) = path.strip_prefix("/openai/deployments/") {
            // Azure serves nobody who does not say which version is spoken.
            uri.query().filter(|query| query.contains("api-version="))?;
            let (model, path) = rest.split_once('/')?;
            let endpoint = Endpoint::of_path(&format!("/v1/{path}"))?;
            return Some(Self { endpoint, model: Some(model.to_owned()), form: Form::Events });
        }
        let endpoint = Endpoint::of_path(&path)?;
        Some(Self { endpoint, model: None, form: Form::Events })
    }
}

/// The path that OpenAI itself has for one of Azure's.
pub(super) fn usual(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("/openai") {
        Some(rest) if rest.starts_with("/v1/") => rest.into(),
        Some(rest) if rest.starts_with("/responses") => format!("/v1{rest}").into(),
        Some(_) | None => path.into(),
    }
}
