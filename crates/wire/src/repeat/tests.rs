//! What may be repeated, as tables; and that a form is that of one meaning, as laws.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::{Destination, read};

fn repeat(to: impl Into<Destination>, body: &str) -> Repeat {
    let ask = read(to, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    Repeat::of(&ask, body.as_bytes())
}

fn form(to: impl Into<Destination>, body: &str) -> Vec<u8> {
    let ask = read(to, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    normal_form(&ask, body.as_bytes(), &HeaderMap::new()).unwrap()
}

/// A request for an answer to "Hi", with more fields.
fn chat(more: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#)
}

fn message(more: &str) -> String {
    chat(&format!(r#","max_tokens":9{more}"#))
}

fn response(more: &str) -> String {
    format!(r#"{{"model":"m","input":"Hi"{more}}}"#)
}

fn content(more: &str) -> String {
    format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"Hi"}}]}}]{more}}}"#)
}

fn gemini(method: &str) -> Destination {
    Destination::of_path(&format!("/v1beta/models/m:{method}")).unwrap()
}

#[test]
fn chats_are_repeated_at_zero_and_only_for_one_answer_without_tools_that_act() {
    use Repeat::{Always, IfError, Never};
    let function = r#","tools":[{"type":"function","function":{"name":"f","parameters":{}}}]"#;
    let picture = r#","temperature":0,"messages":[{"role":"user","content":
        [{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]"#;
    let table = [
        ("", IfError),
        (r#","temperature":0"#, Always),
        (r#","temperature":-0.0e7"#, Always),
        (r#","temperature":0.01"#, IfError),
        (r#","temperature":0e1,"n":1"#, Always),
        (r#","temperature":"0""#, IfError),
        (r#","temperature":null"#, IfError),
        (r#","temperature":0,"n":2"#, IfError),
        (r#","temperature":0,"stream":true"#, Always),
        (r#","temperature":0,"store":true"#, Never),
        (r#","temperature":0,"store":false"#, Always),
        (r#","temperature":0,"web_search_options":{}"#, Never),
        (r#","temperature":0,"modalities":["text","audio"]"#, Never),
        (r#","temperature":0,"tools":[{"type":"mcp","server_label":"x"}]"#, Never),
        (r#","temperature":0,"data_sources":[{"type":"azure_search"}]"#, Never),
    ];
    for (more, expected) in table {
        assert_eq!(repeat(Endpoint::ChatCompletions, &chat(more)), expected, "{more}");
    }
    let with_function = chat(&format!(r#"{function},"temperature":0"#));
    assert_eq!(repeat(Endpoint::ChatCompletions, &with_function), Always);
    let elsewhere = format!(r#"{{"model":"m"{picture}}}"#);
    assert_eq!(repeat(Endpoint::ChatCompletions, &elsewhere), IfError);
}

#[test]
fn every_endpoint_has_its_own_word_on_being_repeated() {
    use Repeat::{Always, IfError, Never};
    let embed = r#"{"model":"m","texts":["a"],"input_type":"search_query"}"#;
    let rerank = r#"{"model":"m","query":"q","documents":["a"]}"#;
    let zero = r#","temperature":0"#;
    let cold = r#","generationConfig":{"temperature":0.0}"#;
    let spelt = r#","generation_config":{"temperature":0}"#;
    let cached = r#","cachedContent":"cachedContents/1""#;
    let kept = r#","temperature":0,"store":false"#;
    let reference = r#","temperature":0,"store":false,"previous_response_id":"resp_1""#;
    let server = r#","temperature":0,"mcp_servers":[{"type":"url","url":"https://x","name":"x"}]"#;
    let search = r#","temperature":0,"tools":[{"googleSearch":{}}]"#;
    let table: [(Destination, String, Repeat); 17] = [
        (Endpoint::Embed.into(), embed.to_owned(), Always),
        (Endpoint::Embeddings.into(), response(""), Always),
        (Endpoint::Rerank.into(), rerank.to_owned(), Always),
        (Endpoint::Moderations.into(), response(""), Never),
        (Endpoint::CountTokens.into(), chat(""), Never),
        (gemini("countTokens"), content(""), Never),
        (Endpoint::Chat.into(), chat(zero), Always),
        (Endpoint::Messages.into(), message(zero), Always),
        (Endpoint::Messages.into(), message(""), IfError),
        (Endpoint::Messages.into(), message(server), Never),
        (gemini("generateContent"), content(cold), Always),
        (gemini("streamGenerateContent"), content(spelt), Always),
        (gemini("generateContent"), content(zero), IfError),
        (gemini("generateContent"), content(cached), Never),
        (gemini("generateContent"), content(search), Never),
        (Endpoint::Responses.into(), response(kept), Always),
        (Endpoint::Responses.into(), response(zero), Never),
    ];
    for (to, body, expected) in table {
        assert_eq!(repeat(to.clone(), &body), expected, "{to:?} {body}");
    }
    assert_eq!(repeat(Endpoint::Responses, &response(reference)), Never);
    let two = r#"{"model":"m","prompt":["a","b"],"temperature":0}"#;
    assert_eq!(repeat(Endpoint::Completions, two), IfError);
}

#[test]
fn who_asks_changes_no_form_but_where_the_answer_repeats_it() {
    let said = r#","user":"ana","safety_identifier":"ana","metadata":{"a":"1"}"#;
    let cached = r#","prompt_cache_key":"k","prompt_cache_retention":"24h","store":false"#;
    let openai = Endpoint::ChatCompletions;
    assert_eq!(form(openai, &chat(said)), form(openai, &chat("")));
    assert_eq!(form(openai, &chat(cached)), form(openai, &chat("")));
    assert_ne!(form(openai, &chat(r#","store":true"#)), form(openai, &chat("")));
    let user = r#","metadata":{"user_id":"ana"}"#;
    assert_eq!(form(Endpoint::Messages, &message(user)), form(Endpoint::Messages, &message("")));
    let labels = r#","labels":{"team":"a"}"#;
    let to = || gemini("generateContent");
    assert_eq!(form(to(), &content(labels)), form(to(), &content("")));
    for more in [r#","user":"ana""#, r#","metadata":{"a":"1"}"#, r#","prompt_cache_key":"k""#] {
        assert_ne!(
            form(Endpoint::Responses, &response(more)),
            form(Endpoint::Responses, &response(""))
        );
    }
    // Only at the top: inside the input, the model reads it.
    let spoken = chat("").replace(r#""role""#, r#""user":"ana","role""#);
    assert_ne!(form(openai, &spoken), form(openai, &chat("")));
}

#[test]
fn the_form_holds_where_a_request_goes_and_how_its_answer_comes() {
    let azure = Destination::of_path("/openai/deployments/m/chat/completions").unwrap();
    let unnamed = chat("").replace(r#""model":"m","#, "");
    assert_eq!(form(azure, &unnamed), form(Endpoint::ChatCompletions, &chat("")));
    let events = gemini("streamGenerateContent").with_query(Some("alt=sse"));
    let usage = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let forms = [
        form(Endpoint::ChatCompletions, &chat("")),
        form(Endpoint::ChatCompletions, &chat("").replace(r#""m""#, r#""n""#)),
        form(Endpoint::ChatCompletions, &chat(r#","stream":true"#)),
        form(Endpoint::ChatCompletions, &chat(usage)),
        form(Endpoint::Chat, &chat("")),
        form(Endpoint::Embeddings, &response("")),
        form(Endpoint::Responses, &response("")),
        form(gemini("generateContent"), &content("")),
        form(gemini("streamGenerateContent"), &content("")),
        form(events, &content("")),
    ];
    for (at, one) in forms.iter().enumerate() {
        assert!(!forms[..at].contains(one), "form {at}");
    }
    let plain = chat("");
    let ask = read(Endpoint::ChatCompletions, plain.as_bytes()).unwrap();
    let with = |name, value| {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        normal_form(&ask, plain.as_bytes(), &headers).unwrap()
    };
    let beta = http::HeaderName::from_static("anthropic-beta");
    assert_ne!(with(beta.clone(), "a"), with(beta, "b"));
    assert_eq!(with(http::header::USER_AGENT, "a"), forms[0]);
}

#[test]
fn the_order_of_a_schemas_properties_is_kept_and_no_other() {
    let schema = |properties: &str, more: &str| {
        chat(&format!(
            r#","response_format":{{"type":"json_schema","json_schema":{{"name":"s",
            "schema":{{{more}"type":"object","properties":{{{properties}}}}}}}}}"#
        ))
    };
    let form = |body: &str| form(Endpoint::ChatCompletions, body);
    let (ab, ba) = (r#""a":{},"b":{}"#, r#""b":{},"a":{}"#);
    assert_ne!(form(&schema(ab, "")), form(&schema(ba, "")));
    let (before, after) = (
        schema(ab, r#""$id":"x","#),
        schema(ab, "").replace(r#""type":"object""#, r#""type":"object","$id":"x""#),
    );
    assert_eq!(form(&before), form(&after));
}

/// Pairs that a form without lengths, kinds or ends would take for one.
#[test]
fn what_looks_alike_has_two_forms() {
    let table = [
        ("1", r#""1""#),
        ("null", r#""null""#),
        (r#"["a","b"]"#, r#"["asb"]"#),
        (r#"["a","b"]"#, r#"["ab"]"#),
        (r#"["a","b"]"#, r#"["b","a"]"#),
        (r#"[["a"],"b"]"#, r#"[["a","b"]]"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#),
        (r#"{"a":[],"b":1}"#, r#"{"a":["b",1]}"#),
        (r#"{"a":"b"}"#, r#"["a","b"]"#),
        (r#"{"a":1}"#, r#"{"A":1}"#),
        ("{}", "[]"),
        ("1.0", "1"),
        ("18446744073709551616", "18446744073709551617"),
        (r#""\u00e9""#, r#""e\u0301""#),
    ];
    let form = |json: &str| form(Endpoint::ChatCompletions, &chat(&format!(r#","x":{json}"#)));
    for length in [0, 1, 253, 254, 255, 256, 300] {
        let (shorter, longer) = ("x".repeat(length), "x".repeat(length + 1));
        assert_ne!(form(&format!("{shorter:?}")), form(&format!("{longer:?}")), "{length}");
    }
    for (one, other) in table {
        assert_ne!(form(one), form(other), "{one} and {other}");
    }
}

#[test]
fn what_is_too_long_or_was_never_checked_has_no_form() {
    let long = chat(&format!(r#","stop":"{}""#, "x".repeat(FORM_BYTES_MAX)));
    let ask = read(Endpoint::ChatCompletions, long.as_bytes()).unwrap();
    let none = HeaderMap::new();
    assert_eq!(normal_form(&ask, long.as_bytes(), &none), None);
    let deep = format!("{}{}", r#"{"a":["#.repeat(40), "]}".repeat(40));
    for broken in ["", "{", r#"{"a"#, r#"{"a":"#, r#"{"a":[1"#, "{1:2}", &deep] {
        assert_eq!(normal_form(&ask, broken.as_bytes(), &none), None, "{broken}");
    }
}

/// What a value means: the order of members is none of it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Tree {
    Array(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
    String(String),
    /// A number, `true`, `false` or `null`, as it is written.
    Word(&'static str),
}

const WORDS: &[&str] =
    &["0", "-0", "1", "1.0", "1e0", "10", "true", "null", "18446744073709551617"];
const TEXTS: &[&str] =
    &["", "a", "b", "ab", "1", "null", "é", "\"", "\\", "s\u{0}\u{1}", "[", "😀"];

/// Few words and small trees, so that two of them are often the same.
fn tree() -> impl Strategy<Value = Tree> {
    let name = || prop::sample::select(TEXTS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        prop::sample::select(WORDS).prop_map(Tree::Word),
        name().prop_map(Tree::String),
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Tree::Array),
            prop::collection::btree_map(name(), inner, 0..3).prop_map(Tree::Object),
        ]
    })
}

/// A tree as JSON, its freedoms used as the bits of `taste` say.
struct Writer {
    json: String,
    taste: u64,
}

impl Writer {
    /// The next of many numbers below `most`, by a generator of Knuth's.
    fn pick(&mut self, most: u64) -> u64 {
        self.taste = self.taste.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.taste >> 33) % most
    }

    fn space(&mut self) {
        let spaces = ["", "", " ", "\n\t", "\r\n  "];
        let space = spaces[usize::try_from(self.pick(5)).unwrap()];
        self.json.push_str(space);
    }

    fn string(&mut self, text: &str) {
        self.json.push('"');
        for each in text.chars() {
            let must = matches!(each, '"' | '\\') || each < ' ';
            if must || self.pick(3) == 0 {
                for unit in each.encode_utf16(&mut [0; 2]) {
                    let is_upper = self.pick(2) == 0;
                    let hex = if is_upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
                    write!(self.json, "\\u{hex}").unwrap();
                }
            } else {
                self.json.push(each);
            }
        }
        self.json.push('"');
    }

    fn tree(&mut self, tree: &Tree) {
        self.space();
        match tree {
            Tree::Word(word) => self.json.push_str(word),
            Tree::String(text) => self.string(text),
            Tree::Array(items) => self.list(('[', ']'), items.iter().collect(), Self::tree),
            Tree::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                for at in (1..members.len()).rev() {
                    let other = self.pick(at as u64 + 1);
                    members.swap(at, usize::try_from(other).unwrap());
                }
                self.list(('{', '}'), members, |writer, (name, value)| {
                    writer.space();
                    writer.string(name);
                    writer.space();
                    writer.json.push(':');
                    writer.tree(value);
                });
            }
        }
        self.space();
    }

    fn list<T>(
        &mut self,
        (open, close): (char, char),
        items: Vec<T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.json.push(open);
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.json.push(',');
            }
            each(self, item);
        }
        self.space();
        self.json.push(close);
    }
}

/// A request that has the tree somewhere, written as `taste` says.
fn request(tree: &Tree, taste: u64) -> String {
    let text = |text: &str| Tree::String(text.to_owned());
    let object = |members: Vec<(&str, Tree)>| {
        Tree::Object(members.into_iter().map(|(name, tree)| (name.to_owned(), tree)).collect())
    };
    let message = object(vec![("role", text("user")), ("content", text("Hi"))]);
    let body = object(vec![
        ("model", text("m")),
        ("messages", Tree::Array(vec![message])),
        ("stream", Tree::Word("false")),
        ("logit_bias", tree.clone()),
    ]);
    let mut writer = Writer { json: String::new(), taste };
    writer.tree(&body);
    writer.json
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn how_a_body_is_written_changes_no_form(tree in tree(), one: u64, other: u64) {
        let (one, other) = (request(&tree, one), request(&tree, other));
        let to = Endpoint::ChatCompletions;
        prop_assert_eq!(form(to, &one), form(to, &other), "{} and {}", one, other);
    }

    #[test]
    fn what_means_something_else_has_another_form(a in tree(), b in tree(), one: u64, other: u64) {
        let to = Endpoint::ChatCompletions;
        let same = form(to, &request(&a, one)) == form(to, &request(&b, other));
        prop_assert_eq!(same, a == b);
    }

    #[test]
    fn any_bytes_have_a_form_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = chat("");
        let ask = read(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
        let form = normal_form(&ask, &bytes, &HeaderMap::new());
        prop_assert!(form.is_none_or(|form| form.len() < 2 * bytes.len() + 512));
    }
}
