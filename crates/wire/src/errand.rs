//! What may be asked of a stored response: to be shown, ended or removed.
//!
//! The path that goes to the provider is made here from the parts that were understood, never
//! passed on, so no spelling of it can lead anywhere else. Every parameter that is not known is
//! left out.

use http::Method;

use crate::azure;

/// What is asked of a stored response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Errand {
    id: String,
    act: Act,
    /// The parameters that are known, as they came.
    query: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Act {
    Cancel,
    Delete,
    Items,
    Show,
}

impl Errand {
    /// What a request to the data plane asks of a stored response; nothing where it asks something
    /// else.
    pub fn of(method: &Method, path: &str, query: Option<&str>) -> Option<Self> {
        let path = azure::as_openais(path);
        let rest = path.strip_prefix("/v1/responses/")?;
        let (id, more) = rest.split_once('/').unwrap_or((rest, ""));
        let act = match (method, more) {
            (&Method::DELETE, "") => Act::Delete,
            (&Method::GET, "") => Act::Show,
            (&Method::GET, "input_items") => Act::Items,
            (&Method::POST, "cancel") => Act::Cancel,
            _ => return None,
        };
        let query = known_of(query.unwrap_or_default(), act.parameters());
        is_plain(id).then(|| Self { id: id.to_owned(), act, query })
    }

    /// To be shown the response called `id`, as the gateway asks for itself; nothing where no path
    /// can hold the id.
    pub fn show(id: &str) -> Option<Self> {
        is_plain(id).then(|| Self { id: id.to_owned(), act: Act::Show, query: String::new() })
    }

    /// Which response.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the provider is to forget it.
    pub fn removes(&self) -> bool {
        self.act == Act::Delete
    }

    /// How it is asked.
    pub const fn method(&self) -> Method {
        match self.act {
            Act::Cancel => Method::POST,
            Act::Delete => Method::DELETE,
            Act::Items | Act::Show => Method::GET,
        }
    }

    /// The path under a provider's base URL.
    pub fn path(&self) -> String {
        let end = match self.act {
            Act::Cancel => "/cancel",
            Act::Items => "/input_items",
            Act::Delete | Act::Show => "",
        };
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("/responses/{}{end}{mark}{}", self.id, self.query)
    }
}

impl Act {
    /// The parameters that are passed on.
    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Cancel | Self::Delete => &[],
            Self::Items => &["after", "include", "include%5B%5D", "include[]", "limit", "order"],
            Self::Show => &[
                "include",
                "include%5B%5D",
                "include[]",
                "include_obfuscation",
                "starting_after",
                "stream",
            ],
        }
    }
}

/// What every id of a response consists of; nothing in it means anything in a path.
fn is_plain(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

fn known_of(query: &str, known: &[&str]) -> String {
    let is_known = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        known.contains(&name) && pair.len() <= PARAMETER_BYTES_MAX
    };
    query.split('&').filter(is_known).take(PARAMETERS_MAX).collect::<Vec<_>>().join("&")
}

const PARAMETERS_MAX: usize = 16;
const PARAMETER_BYTES_MAX: usize = 512;
const ID_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_goes_where_it_was_meant_to_and_nowhere_else() {
        let table = [
            (Method::GET, "resp_1", None, Some("/responses/resp_1")),
            (
                Method::GET,
                "resp_1",
                Some("stream=true&starting_after=7"),
                Some("/responses/resp_1?stream=true&starting_after=7"),
            ),
            (
                Method::GET,
                "resp_1",
                Some("include[]=a&limit=1&%73tream=1&include%5B%5D=b&x=y"),
                Some("/responses/resp_1?include[]=a&include%5B%5D=b"),
            ),
            (
                Method::GET,
                "resp_1/input_items",
                Some("limit=5&after=x&stream=true"),
                Some("/responses/resp_1/input_items?limit=5&after=x"),
            ),
            (Method::DELETE, "resp_1", Some("limit=5"), Some("/responses/resp_1")),
            (Method::POST, "resp_1/cancel", None, Some("/responses/resp_1/cancel")),
            (Method::POST, "resp_1", None, None),
            (Method::GET, "resp_1/cancel", None, None),
            (Method::GET, "", None, None),
            (Method::GET, "..", None, None),
            (Method::GET, "resp_1%2f..%2ffiles", None, None),
            (Method::GET, "resp_1/../x", None, None),
            (Method::PUT, "resp_1", None, None),
        ];
        for (method, rest, query, expected) in table {
            let errand = Errand::of(&method, &format!("/v1/responses/{rest}"), query);
            assert_eq!(errand.as_ref().map(Errand::path).as_deref(), expected, "{method} {rest}");
            assert!(errand.is_none_or(|errand| errand.method() == method));
        }
        assert!(Errand::show("a?b").is_none() && Errand::show(&"a".repeat(257)).is_none());
        assert!(Errand::of(&Method::GET, "/v1/models/x", None).is_none());
    }
}
