//! Bodies: what is asked, edited and read again, and what is answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tollgate_units::{Timestamp, Tokens};
use tollgate_wire::{
    AccountKey, CapEdit, DIALECTS, Edits, Endpoint, answer_text, answer_without_account, check_json,
    created_of, edit, error_inside, is_complete, is_finished, judge, opening, read, tool_calls_of,
    usage_of, without_account,
};

/// A body that can be read can be edited, and can be read again with the edits made.
pub(crate) fn request(endpoint: u8, edits: u8, body: &[u8]) {
    let endpoint = endpoint_at(endpoint);
    let Ok(ask) = read(endpoint, body) else { return };
    check_json(body).expect("what was read is JSON");
    let body = Bytes::copy_from_slice(body);
    assert_eq!(edit(&body, &ask, &Edits::default()), body, "no edits, no change");
    let at_most = Tokens::new(u64::from(edits) + 1);
    let edits = Edits {
        model: (edits & 1 != 0 && !ask.model_place.is_empty()).then_some("another \"model\""),
        cap: (edits & 2 != 0).then_some(CapEdit { at_most, write: None }),
        ask_usage: edits & 4 != 0,
        drop_tools: (0..ask.tools.len()).filter(|at| edits & 8 != 0 && at % 2 == 0).collect(),
        drop_choices: edits & 16 != 0,
        no_tools: edits & 32 != 0,
    };
    let edited = edit(&body, &ask, &edits);
    check_json(&edited).expect("what was edited is JSON");
    let again = match read(endpoint, &edited) {
        Ok(again) => again,
        Err(malformed) => panic!("{malformed:?}: {}", String::from_utf8_lossy(&edited)),
    };
    if let Some(model) = edits.model {
        assert_eq!(again.model, model);
    }
    if let Some(cap) = edits.cap {
        assert!(again.caps.is_empty() || again.cap.is_none_or(|tokens| tokens <= cap.at_most));
    }
    assert!(again.tools.len() <= ask.tools.len());
}

/// An answer can be anything at all.
pub(crate) fn answer(endpoint: u8, body: &[u8]) {
    let endpoint = endpoint_at(endpoint);
    if let Some(usage) = usage_of(endpoint, body) {
        assert!(usage.cached_input <= usage.input);
        assert!(usage.reasoning <= usage.output);
    }
    let _ = (answer_text(endpoint, body), tool_calls_of(endpoint, body));
    let _ = (created_of(endpoint, body), is_finished(body));
    let _ = (is_complete(endpoint, body), [true, false].map(|is| opening(is, body, is)));
    let _ = [true, false].map(|is_events| error_inside(is_events, body));
    let key = AccountKey::default();
    let clean = without_account(body, &key);
    assert_eq!(without_account(&clean, &key), clean, "what is clean stays as it is");
    let _ = answer_without_account(Bytes::copy_from_slice(body), &key);
    for dialect in DIALECTS {
        let _ = judge(dialect, StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body, NOW);
    }
}

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn endpoint_at(byte: u8) -> Endpoint {
    Endpoint::ALL[usize::from(byte) % Endpoint::ALL.len()]
}
