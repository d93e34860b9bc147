//! What OpenAI's subscriptions tell: which share of their windows is used.

use std::borrow::Cow;

use tollgate_units::Timestamp;

use super::share::{share, unused};
use super::{Dialect, ReserveRule};
use crate::limits::Report;
use crate::limits::told::Told;
use crate::reset::{self, ResetGrammar};

pub(crate) static DIALECT: Dialect = Dialect {
    name: "openai-codex",
    base_url: None,
    hosts: &["chatgpt.com"],
    limits: &[],
    more: Some(windows),
    reserve: ReserveRule::Unlimited,
    errors: &[],
    stops_billing: None,
};

/// A share in percent, the window in minutes, the reset in Unix seconds.
fn windows(told: &Told<'_>, now: Timestamp, report: &mut Report) {
    for (name, used, window, reset) in WINDOWS {
        let Some(remaining) = report.header(told, Some(used), |text| unused(text, 100)) else {
            continue;
        };
        let window = report.header(told, Some(window), reset::minutes);
        let reset =
            report.header(told, Some(reset), |text| ResetGrammar::UnixSeconds.read(text, now));
        report.add(share(Cow::Borrowed(name), window, (remaining, reset)));
    }
}

const WINDOWS: &[(&str, &str, &str, &str)] = &[
    (
        "codex-primary",
        "x-codex-primary-used-percent",
        "x-codex-primary-window-minutes",
        "x-codex-primary-reset-at",
    ),
    (
        "codex-secondary",
        "x-codex-secondary-used-percent",
        "x-codex-secondary-window-minutes",
        "x-codex-secondary-reset-at",
    ),
];
