use bytes::Bytes;
use tollgate_units::Tokens;

use super::super::{CapEdit, Edits, edit};
use crate::{CapField, Destination, Endpoint, read};

fn edited(body: &str, edits: &Edits<'_>) -> String {
    let to = Destination { model: Some("m".to_owned()), ..Endpoint::GenerateContent.into() };
    let bytes = Bytes::from(body.to_owned());
    let ask = read(to, &bytes).unwrap_or_else(|error| panic!("{body}: {error}"));
    String::from_utf8(edit(&bytes, &ask, edits).to_vec()).unwrap()
}

fn body(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}}]{comma}{more}}}"#)
}

#[test]
fn the_model_is_only_replaced_where_the_body_repeats_it() {
    let edits = Edits { model: Some("real"), ..Edits::default() };
    assert_eq!(edited(&body(""), &edits), body(""));
    let named = edited(&body(r#""model":"models/m""#), &edits);
    assert_eq!(named, body(r#""model":"models/real""#));
}

#[test]
fn the_cap_is_lowered_where_it_stands_and_written_where_it_belongs() {
    let cap = CapEdit { at_most: Tokens::new(9), write: Some(CapField::MaxOutputTokens) };
    let edits = Edits { cap: Some(cap), ..Edits::default() };
    let table = [
        (
            r#""generationConfig":{"maxOutputTokens":50}"#,
            r#""generationConfig":{"maxOutputTokens":9}"#,
        ),
        (
            r#""generationConfig":{"maxOutputTokens":5}"#,
            r#""generationConfig":{"maxOutputTokens":5}"#,
        ),
        (
            r#""generation_config":{"max_output_tokens":50}"#,
            r#""generation_config":{"max_output_tokens":9}"#,
        ),
        (
            r#""generationConfig":{"maxOutputTokens":null}"#,
            r#""generationConfig":{"maxOutputTokens":9}"#,
        ),
        (r#""generationConfig":{}"#, r#""generationConfig":{"maxOutputTokens":9}"#),
        (
            r#""generation_config":{"topK":1}"#,
            r#""generation_config":{"maxOutputTokens":9,"topK":1}"#,
        ),
        (r#""generationConfig":null"#, r#""generationConfig":{"maxOutputTokens":9}"#),
    ];
    for (before, after) in table {
        assert_eq!(edited(&body(before), &edits), body(after), "{before}");
    }
    let written = edited(&body(""), &edits);
    let rest = written.strip_prefix(r#"{"generationConfig":{"maxOutputTokens":9},"#).unwrap();
    assert_eq!(format!("{{{rest}"), body(""));
}

const FIND: &str = r#"{"name":"find"}"#;
const ADD: &str = r#"{"name":"add"}"#;

#[test]
fn tools_are_taken_out_one_by_one_and_what_is_empty_goes() {
    // Of find, add, the search and the code, these go.
    let table: [(&[usize], &str); 6] = [
        (
            &[0],
            r#""tools":[{"functionDeclarations":[{"name":"add"}],"googleSearch":{}},{"codeExecution":{}}]"#,
        ),
        (&[1, 3], r#""tools":[{"functionDeclarations":[{"name":"find"}],"googleSearch":{}}]"#),
        (&[0, 1], r#""tools":[{"googleSearch":{}},{"codeExecution":{}}]"#),
        (
            &[2],
            r#""tools":[{"functionDeclarations":[{"name":"find"},{"name":"add"}]},{"codeExecution":{}}]"#,
        ),
        (&[0, 1, 2], r#""tools":[{"codeExecution":{}}]"#),
        (&[0, 1, 2, 3], ""),
    ];
    let all = format!(
        r#""tools":[{{"functionDeclarations":[{FIND},{ADD}],"googleSearch":{{}}}},{{"codeExecution":{{}}}}]"#
    );
    for (drop, after) in table {
        let edits = Edits { drop_tools: drop.to_vec(), ..Edits::default() };
        assert_eq!(edited(&body(&all), &edits), body(after), "{drop:?}");
    }
    let field = body(r#""webSearch":true"#);
    let edits = Edits { drop_tools: vec![0], ..Edits::default() };
    assert_eq!(edited(&field, &edits), body(""));
}

#[test]
fn no_function_is_chosen_that_was_taken_out() {
    let whole = |names: &str| {
        body(&format!(
            r#""tools":[{{"functionDeclarations":[{FIND},{ADD}]}}],"toolConfig":{{"functionCallingConfig":{{"mode":"ANY","allowedFunctionNames":[{names}]}}}}"#
        ))
    };
    let edits = Edits { drop_tools: vec![0], ..Edits::default() };
    let left = edited(&whole(r#""find","add""#), &edits);
    assert!(left.contains(r#""allowedFunctionNames":["add"]"#), "{left}");
    let gone = edited(&whole(r#""find""#), &edits);
    assert_eq!(gone, body(r#""tools":[{"functionDeclarations":[{"name":"add"}]}]"#));
    let all = Edits { drop_tools: vec![0, 1], ..Edits::default() };
    assert_eq!(edited(&whole(r#""find""#), &all), body(""));
    let unoffered = Edits { drop_choices: true, ..Edits::default() };
    let left = edited(&whole(r#""other","add""#), &unoffered);
    assert!(left.contains(r#""allowedFunctionNames":["add"]"#), "{left}");
}

#[test]
fn without_tools_no_function_may_be_called_and_googles_own_go() {
    const NONE: &str = r#"{"functionCallingConfig":{"mode":"NONE"}}"#;
    let edits = Edits { no_tools: true, ..Edits::default() };
    let functions = format!(r#""tools":[{{"functionDeclarations":[{FIND}]}}]"#);
    let table = [
        (functions.clone(), format!(r#"{{"toolConfig":{NONE},{}"#, &body(&functions)[1..])),
        (
            format!(r#"{functions},"tool_config":{{"functionCallingConfig":{{"mode":"ANY"}}}}"#),
            body(&format!(r#"{functions},"tool_config":{NONE}"#)),
        ),
        (r#""tools":[{"googleSearch":{}}]"#.to_owned(), body("")),
        (
            format!(
                r#""tools":[{{"googleSearch":{{}}}},{{"functionDeclarations":[{FIND}]}}],"toolConfig":null"#
            ),
            body(&format!(r#"{functions},"toolConfig":{NONE}"#)),
        ),
        (String::new(), body("")),
    ];
    for (before, after) in table {
        assert_eq!(edited(&body(&before), &edits), after, "{before}");
    }
}
