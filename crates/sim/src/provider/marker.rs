//! Markers: what one request asks the scripted provider to do differently.
//!
//! `[[tokens:500]]`, `[[fault:reset]]` anywhere in the body (a prompt, the `user` field), because a
//! gateway passes the body on; or in the header `x-sim`, where there is none in between. Unknown
//! markers are text: a prompt may contain brackets.

use memchr::memmem;
use tollgate_units::{Span, Tokens};

use super::asked::Asked;
use super::fault::Fault;
use super::script::{Act, Hold};

/// Changes `act` as the request's markers say; the last one of a kind wins.
pub(super) fn obey(asked: &Asked, act: &mut Act) {
    let header = asked.headers.get("x-sim").map(http::HeaderValue::as_bytes).unwrap_or_default();
    for text in [asked.body.as_ref(), header] {
        for marker in markers(text) {
            follow(marker, act);
        }
    }
}

/// The insides of everything in double brackets that is short enough to be a marker.
fn markers(text: &[u8]) -> impl Iterator<Item = &str> {
    memmem::find_iter(text, b"[[").filter_map(move |at| {
        let inside = text.get(at + 2..text.len().min(at + 2 + MARKER_LEN_MAX))?;
        let end = memmem::find(inside, b"]]")?;
        core::str::from_utf8(inside.get(..end)?).ok()
    })
}

fn follow(marker: &str, act: &mut Act) {
    let (name, value) = marker.split_once(':').unwrap_or((marker, ""));
    if name == "fault" {
        act.fault = Fault::named(value).or(act.fault);
        return;
    }
    if (name, value) == ("hold", "head") {
        act.hold = Some(Hold::Head);
        return;
    }
    let Ok(number) = value.parse::<u64>() else {
        return;
    };
    match name {
        "cached" => act.cached_tokens = Tokens::new(number),
        "first_byte_ms" => act.first_byte = Span::from_millis(number),
        "gap_ms" => act.gap = Span::from_millis(number),
        "hold" => act.hold = Some(Hold::After(Tokens::new(number))),
        "packet" => act.packet = usize::try_from(number).ok().filter(|&bytes| bytes > 0),
        "prompt_tokens" => act.prompt_tokens = Some(Tokens::new(number)),
        "reasoning" => act.reasoning_tokens = Tokens::new(number),
        "tokens" => act.tokens = Tokens::new(number),
        "tool_calls" => act.tool_calls = number.min(TOOL_CALLS_MAX),
        "work_looks" => act.work_looks = number,
        "written" => act.written_tokens = Tokens::new(number),
        "written_hour" => act.written_hour_tokens = Tokens::new(number),
        _ => {}
    }
}

/// Longer than this is text.
const MARKER_LEN_MAX: usize = 48;

/// The most tools that are called at once.
const TOOL_CALLS_MAX: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_wherever_they_stand() {
        let text = br#"{"a":"x [[tokens:500]] y","b":[[1,2],[3]],"user":"[[fault:reset]]"}"#;
        let mut act = Act::default();
        for marker in markers(text) {
            follow(marker, &mut act);
        }
        assert_eq!(act, Act::tokens(500).with(Fault::Reset));
    }

    #[test]
    fn what_is_no_marker_changes_nothing() {
        let mut act = Act::default();
        for text in ["[[", "[[tokens:", "[[tokens:x]]", "[[fault:tired]]", "[[packet:0]]", "[[[]]]"]
        {
            for marker in markers(text.as_bytes()) {
                follow(marker, &mut act);
            }
        }
        assert_eq!(act, Act::default());
    }
}
