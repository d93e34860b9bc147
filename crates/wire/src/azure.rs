//! Azure OpenAI: OpenAI's protocol on other paths, in both directions.
//!
//! The classic API has the deployment in the path and its own version in the query; the newer one
//! has OpenAI's paths under `/openai/v1`. Azure's clients are served whatever account stands behind
//! the model, and an account at Azure serves whatever client asks.

use std::borrow::Cow;

use crate::destination::{decoded, segment};
use crate::{Destination, Endpoint, Protocol};

/// How an account at Azure is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Azure {
    /// By its deployments, in this version of the API: `2024-10-21`.
    Classic {
        /// The version.
        api_version: String,
    },
    /// On OpenAI's own paths: the base URL ends in `/openai/v1`.
    V1,
}

impl Azure {
    /// The path under the account's base URL; nothing where no path can hold the deployment's name.
    pub fn path_to(&self, endpoint: Endpoint, deployment: &str) -> Option<Cow<'static, str>> {
        let Self::Classic { api_version } = self else {
            return Some(endpoint.path().into());
        };
        let deployment = match endpoint {
            Endpoint::Responses => String::new(),
            _ => format!("/deployments/{}", segment(deployment)?),
        };
        let path = endpoint.path();
        Some(format!("/openai{deployment}{path}?api-version={api_version}").into())
    }

    /// The path of an errand to a stored response, where OpenAI has it at `path`.
    pub fn path_of_errand(&self, path: String) -> String {
        match self {
            Self::Classic { api_version } => {
                let mark = if path.contains('?') { '&' } else { '?' };
                format!("/openai{path}{mark}api-version={api_version}")
            }
            Self::V1 => path,
        }
    }
}

/// Where a path of Azure's clients leads, from behind `/openai` on.
pub(crate) fn destination(rest: &str) -> Option<Destination> {
    let of_openai = |path: &str| {
        let mut all = Endpoint::ALL.into_iter().filter(|it| it.protocol() == Protocol::OpenAi);
        all.find(|endpoint| endpoint.path() == path)
    };
    if let Some(rest) = rest.strip_prefix("/deployments/") {
        let (model, path) = rest.split_at_checked(rest.find('/')?)?;
        let has_deployment =
            |it: &Endpoint| !matches!(it, Endpoint::Moderations | Endpoint::Responses);
        let endpoint = of_openai(path).filter(has_deployment)?;
        return Some(Destination { model: Some(decoded(model)?), ..endpoint.into() });
    }
    let endpoint = match rest.strip_prefix("/v1") {
        Some(path) => of_openai(path),
        None => of_openai(rest).filter(|it| *it == Endpoint::Responses),
    };
    endpoint.map(Destination::from)
}

/// The same path as OpenAI's clients say it, where it leads to stored responses.
pub(crate) fn as_openais(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("/openai") {
        Some(rest) if rest.starts_with("/v1/responses/") => rest.into(),
        Some(rest) if rest.starts_with("/responses/") => format!("/v1{rest}").into(),
        Some(_) | None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_stands_in_the_path_and_the_version_in_the_query() {
        let classic = Azure::Classic { api_version: "2024-10-21".to_owned() };
        let chat = Endpoint::ChatCompletions;
        let table = [
            (
                &classic,
                chat,
                "gpt-4o",
                Some("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
            ),
            (
                &classic,
                Endpoint::Embeddings,
                "a/b",
                Some("/openai/deployments/a%2Fb/embeddings?api-version=2024-10-21"),
            ),
            (&classic, Endpoint::Responses, "x", Some("/openai/responses?api-version=2024-10-21")),
            (&classic, chat, "..", None),
            (&Azure::V1, chat, "gpt-4o", Some("/chat/completions")),
        ];
        for (azure, endpoint, deployment, expected) in table {
            let path = azure.path_to(endpoint, deployment);
            assert_eq!(path.as_deref(), expected, "{azure:?} {deployment}");
        }
    }

    #[test]
    fn errands_go_where_azure_has_them_and_come_from_there() {
        let classic = Azure::Classic { api_version: "v".to_owned() };
        let table = [
            (&classic, "/responses/r", "/openai/responses/r?api-version=v"),
            (&classic, "/responses/r?limit=1", "/openai/responses/r?limit=1&api-version=v"),
            (&Azure::V1, "/responses/r", "/responses/r"),
        ];
        for (azure, path, expected) in table {
            assert_eq!(azure.path_of_errand(path.to_owned()), expected);
        }
        for (path, expected) in [
            ("/openai/responses/r/cancel", "/v1/responses/r/cancel"),
            ("/openai/v1/responses/r", "/v1/responses/r"),
            ("/openai/v1/models", "/openai/v1/models"),
            ("/v1/responses/r", "/v1/responses/r"),
        ] {
            assert_eq!(as_openais(path), expected);
        }
    }
}
