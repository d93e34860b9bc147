use super::*;

/// The endpoint, and the model where the path names it.
type Found = Option<(Endpoint, Option<&'static str>)>;

#[test]
fn a_path_leads_to_one_endpoint_and_one_model_or_nowhere() {
    use Endpoint::{Chat, ChatCompletions, CountContent, GenerateContent, Responses};
    let table: [(&str, Found); 27] = [
        ("/v1/chat/completions", Some((ChatCompletions, None))),
        ("/v2/chat", Some((Chat, None))),
        ("/v1/chat", None),
        ("/v2/chat/completions", None),
        ("/v1beta/chat", None),
        ("/v1beta/models/m-1.5:generateContent", Some((GenerateContent, Some("m-1.5")))),
        ("/v1beta/models/a/b:countTokens", Some((CountContent, Some("a/b")))),
        (
            "/v1beta/models/a%2Fb%3Ac:streamGenerateContent",
            Some((Endpoint::StreamGenerateContent, Some("a/b:c"))),
        ),
        ("/v1beta/models/a%2:generateContent", None),
        ("/v1beta/models/a%ff:generateContent", None),
        ("/v1beta/models/:generateContent", None),
        ("/v1beta/models/m:embedContent", None),
        ("/v1beta/models/m:chat", None),
        ("/v1beta/models/m", None),
        ("/v1/models/m:generateContent", None),
        ("/openai/deployments/m/chat/completions", Some((ChatCompletions, Some("m")))),
        ("/openai/deployments/m/embeddings", Some((Endpoint::Embeddings, Some("m")))),
        ("/openai/deployments/m/responses", None),
        ("/openai/deployments/m/messages", None),
        ("/openai/deployments//chat/completions", None),
        ("/openai/deployments/m", None),
        ("/openai/responses", Some((Responses, None))),
        ("/openai/chat/completions", None),
        ("/openai/v1/chat/completions", Some((ChatCompletions, None))),
        ("/openai/v1/responses", Some((Responses, None))),
        ("/openai/v1/messages", None),
        ("/openaix/responses", None),
    ];
    for (path, expected) in table {
        let found = Destination::of_path(path);
        let found = found.as_ref().map(|to| (to.endpoint, to.model.as_deref()));
        assert_eq!(found, expected, "{path}");
    }
    let long = format!("/v1beta/models/{}:generateContent", "m".repeat(257));
    assert_eq!(Destination::of_path(&long), None);
}

#[test]
fn only_a_gemini_stream_without_alt_sse_is_no_events() {
    let table = [
        ("/v1beta/models/m:streamGenerateContent", None, Streamed::Array),
        ("/v1beta/models/m:streamGenerateContent", Some("alt=json"), Streamed::Array),
        ("/v1beta/models/m:streamGenerateContent", Some("a=b&alt=sse"), Streamed::Events),
        ("/v1beta/models/m:generateContent", None, Streamed::Events),
        ("/v1/chat/completions", Some("alt=json"), Streamed::Events),
    ];
    for (path, query, expected) in table {
        let to = Destination::of_path(path).unwrap().with_query(query);
        assert_eq!(to.streamed, expected, "{path} {query:?}");
    }
}

#[test]
fn the_path_to_a_provider_holds_the_name_and_nothing_that_it_could_mean_besides() {
    let stream = Endpoint::StreamGenerateContent;
    let table = [
        (Endpoint::Chat, "../x", Streamed::Events, Some("/chat")),
        (
            Endpoint::GenerateContent,
            "m-1.5",
            Streamed::Events,
            Some("/models/m-1.5:generateContent"),
        ),
        (Endpoint::GenerateContent, "a/b?c#d%", Streamed::Events, Some(ESCAPED)),
        (stream, "m", Streamed::Events, Some("/models/m:streamGenerateContent?alt=sse")),
        (stream, "m", Streamed::Array, Some("/models/m:streamGenerateContent")),
        (Endpoint::CountContent, "..", Streamed::Events, None),
        (Endpoint::CountContent, "", Streamed::Events, None),
    ];
    for (endpoint, model, streamed, expected) in table {
        let path = Destination::path_to(endpoint, model, streamed);
        assert_eq!(path.as_deref(), expected, "{endpoint:?} {model}");
    }
}

const ESCAPED: &str = "/models/a%2Fb%3Fc%23d%25:generateContent";
