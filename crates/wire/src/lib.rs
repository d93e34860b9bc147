//! What each provider protocol asks, streams, reports and refuses.
//!
//! Only this crate knows a protocol's JSON, headers and statuses. A body is never rebuilt: it is
//! checked once and strictly ([`read`]), the few things that decisions need are noted with their
//! places, and [`edit`] splices at those places; every other byte reaches the provider as it came.
//! Answers pass the same way: [`Tap`] watches a stream go by and hands on the bytes it was given.
//! Everything here is pure: bytes in, values out, linear time, no clock.
//! It is the wrong place for what a request may do or cost; that is policy.
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test that slices wrongly should fail loudly")
)]

mod anthropic;
mod ask;
mod azure;
mod calls;
mod cohere;
mod destination;
mod dialect;
mod edit;
mod endpoint;
mod errand;
mod finish;
mod gemini;
mod image;
mod judge;
mod kinds;
mod limits;
mod malformed;
mod models;
mod notice;
mod openai;
mod place;
mod prompt;
mod read;
mod repeat;
mod reply;
mod reset;
mod sse;
mod standing;
mod stored;
mod strict;
mod tally;
mod tap;
mod text;
mod usage;
mod walk;

pub use ask::{Ask, Cap, CapField, Extra, Keeping, Server, Tool, ToolList};
pub use azure::Azure;
pub use calls::{ToolCall, ToolCalls, tool_calls_of};
pub use destination::{Destination, Streamed};
pub use dialect::{
    Calendar, DIALECTS, Dialect, ErrorRule, LimitHeaders, Meaning, MoreHeaders, ReserveRule, Says,
    Weighed, Windows, dialect_of,
};
pub use edit::{CapEdit, Edits, edit};
pub use endpoint::{Endpoint, Protocol};
pub use errand::Errand;
pub use finish::is_complete;
pub use judge::inside::{Opening, error_inside, is_told, opening, opening_without_account};
pub use judge::{AccountKey, Judgement, answer_without_account, judge, without_account};
pub use kinds::{HIDDEN, HOSTED, family, undated};
pub use limits::told::Told;
pub use limits::{Counted, LIMITS_MAX, Refill, Report, Reported, report};
pub use malformed::{Malformed, MalformedKind};
pub use models::{model_json, models_json};
pub use notice::{Limited, Notice, NoticeKind, Reply};
pub use place::{Place, text};
pub use prompt::{Detail, FunctionShape, Image, Prompt, PropertyShape};
pub use read::read;
pub use repeat::{FORM_BYTES_MAX, Repeat, normal_form};
pub use reply::reply;
pub use reset::{ResetGrammar, go_duration};
pub use standing::{QuotaPolicy, QuotaUnit, StandingHeaders, Stands, rfc3339};
pub use stored::{Reference, Stored, StoredKind, created_of, is_finished};
pub use strict::check as check_json;
pub use tap::{Tally, Tap};
pub use text::{answer_text, is_whole};
pub use usage::{Billed, Usage, searches_of, usage_of};
