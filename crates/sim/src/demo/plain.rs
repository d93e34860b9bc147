//! The demo as text: a line a second, and a table at the end.
//!
//! For terminals that draw nothing, logs, and tests; every width is fixed, so that the lines stand
//! under one another.

use tollgate_units::NanoUsd;

use super::Frame;
use crate::score::Row;

/// One line for one second.
pub fn line(frame: &Frame) -> String {
    let (sent, answered, refused) = frame.calls();
    let gate = &frame.gate;
    format!(
        "{:>3} s  sent {sent:>4}  answered {answered:>4}  refused {refused:>4}  in flight {:>3}  \
         tokens reserved {:>9}  used {:>9}  spent {:>8}  saved {:>8}",
        frame.elapsed.as_millis() / 1000,
        frame.provider.in_flight,
        count(gate.reserved.get()),
        count(gate.used.get()),
        dollars(gate.spent),
        dollars(gate.saved),
    )
}

/// What is said at the end.
pub fn summary(frame: &Frame) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<6} {:<10} {:>5} {:>9} {:>8} {:>7} {:>10} {:>8} {:>8}  refused by",
        "who", "tier", "sent", "answered", "refused", "failed", "tokens", "spent", "saved"
    )];
    lines.extend(frame.rows.iter().flat_map(row));
    let (gate, provider) = (&frame.gate, &frame.provider);
    lines.push(String::new());
    lines.push(format!(
        "The gate reserved {} tokens, of which {} were used; the rest came back. \
         Spent {}, saved {}.",
        count(gate.reserved.get()),
        count(gate.used.get()),
        dollars(gate.spent),
        dollars(gate.saved),
    ));
    lines.push(format!(
        "The provider saw {} requests, at most {} at once, and bills {} tokens: {}.",
        count(provider.seen),
        count(provider.in_flight_max),
        count(provider.billed_tokens()),
        dollars(provider.billed.to_nano()),
    ));
    lines
}

/// A person's line, and one more for each further reason.
fn row(row: &Row) -> Vec<String> {
    let person = &row.person;
    let mut reasons = row.reasons.iter().map(|(reason, times)| format!("{times} × {reason}"));
    let first = format!(
        "{:<6} {:<10} {:>5} {:>9} {:>8} {:>7} {:>10} {:>8} {:>8}  {}",
        person.name,
        person.tier,
        row.sent(),
        row.answered,
        row.refused,
        row.failed,
        count(row.input.plus(row.output).get()),
        dollars(row.spent.to_nano()),
        dollars(row.saved.to_nano()),
        reasons.next().unwrap_or_default(),
    );
    let others = reasons.map(|reason| format!("{:80}{reason}", ""));
    let lines = core::iter::once(first).chain(others);
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(',');
        }
    }
    text
}

/// Dollars with four decimals, which is enough for a minute; rounded up, as bills are.
pub fn dollars(amount: NanoUsd) -> String {
    let parts = amount.get().div_ceil(100_000);
    format!("${}.{:04}", count(parts / 10_000), parts % 10_000)
}
