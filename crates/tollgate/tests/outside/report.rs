//! What a replay showed: the figures, and whether the limits held.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tollgate_units::Span;

use super::ledger::{Fate, Record, peak};
use super::traffic::{Limits, Row};

/// One replay.
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) window: Span,
    pub(crate) rows: Arc<Vec<Row>>,
    pub(crate) records: Vec<Record>,
    /// The gateway's metrics at the end.
    pub(crate) metrics: String,
}

/// The most that stood in any window, for each limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peaks {
    pub(crate) everyone: u64,
    pub(crate) key: u64,
    pub(crate) requests: u64,
}

impl Report {
    /// Everything that is not as promised, in words; nothing when all is.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let (peaks, limits) = (self.peaks(), self.limits);
        let (admitted, lost) = (self.count(Fate::Answered), self.count(Fate::Lost));
        let arrived = self.records.iter().filter(|one| one.received.is_some()).count();
        let most = [
            ("everybody's tokens", peaks.everyone, limits.everyone),
            ("a key's tokens", peaks.key, limits.key),
            ("a key's requests", peaks.requests, limits.requests),
        ];
        let above = most.iter().filter(|(_, peak, limit)| peak > limit);
        let mut complaints: Vec<_> =
            above.map(|(what, peak, limit)| format!("{what}: {peak} of {limit}")).collect();
        let debts: Vec<_> =
            self.records.iter().map(Record::debt).filter(|&debt| debt > 0).collect();
        let equal = [
            ("requests without an answer", lost as u64, 0),
            ("requests at the provider", arrived as u64, admitted as u64),
            ("settlements", self.metric("settlements_total"), admitted as u64),
            ("overruns", self.overruns(), debts.len() as u64),
            ("tokens of debt", self.metric("debt_tokens_total"), debts.iter().sum()),
            ("tokens used", self.metric("tokens_total"), self.used()),
        ];
        let unequal = equal.iter().filter(|(_, is, due)| is != due);
        complaints.extend(unequal.map(|(what, is, due)| format!("{what}: {is}, not {due}")));
        complaints.extend(self.records.iter().find_map(|record| record.lost.clone()));
        complaints
    }

    /// The most that stood in any window.
    pub(crate) fn peaks(&self) -> Peaks {
        let window = Duration::from_millis(self.window.as_millis());
        let all: Vec<_> = self.records.iter().collect();
        let callers = self.records.iter().map(|record| record.caller).max().unwrap_or(0);
        let (mut key, mut requests) = (0, 0);
        for caller in 0..=callers {
            let own: Vec<_> = all.iter().copied().filter(|one| one.caller == caller).collect();
            key = key.max(peak(&own, window, Record::weighs));
            requests = requests.max(peak(&own, window, |_, _| 1));
        }
        Peaks { everyone: peak(&all, window, Record::weighs), key, requests }
    }

    /// How many met this fate.
    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.records.iter().filter(|record| record.fate == fate).count()
    }

    /// Overruns that the gateway counted.
    pub(crate) fn overruns(&self) -> u64 {
        self.metric("settlements_total{kind=\"overrun\"}")
    }

    /// How many were refused, by whichever limit.
    pub(crate) fn refused(&self) -> usize {
        let is_refused = |one: &&Record| matches!(one.fate, Fate::Refused { .. });
        self.records.iter().filter(is_refused).count()
    }

    fn used(&self) -> u64 {
        self.records.iter().map(|record| record.used).sum()
    }

    fn offered(&self) -> u64 {
        self.rows.iter().map(|row| row.input + row.output).sum()
    }

    /// What everybody used, in hundredths of their limit, over the windows in which that limit
    /// refused somebody.
    fn utilisation(&self) -> Option<f64> {
        let window = u128::from(self.window.as_millis());
        let of = |at: Duration| usize::try_from(at.as_millis() / window).unwrap_or(usize::MAX);
        let last = self.records.iter().map(|one| of(one.sent)).max()?;
        let (mut used, mut busy) = (vec![0; last + 2], vec![false; last + 2]);
        for record in &self.records {
            if let (Some(received), Fate::Answered) = (record.received, &record.fate) {
                used[of(received).min(last + 1)] += record.used;
            }
            busy[of(record.sent)] |= record.fate == Fate::Refused { by_everyone: true };
        }
        let busy: Vec<_> = used.iter().zip(&busy).filter(|(_, busy)| **busy).collect();
        let sum = busy.iter().map(|(used, _)| **used).sum();
        let whole = self.limits.everyone * busy.len() as u64;
        (whole > 0).then(|| hundredths(sum, whole))
    }

    /// The `share`-th thousandth of used over reserved tokens, of the requests that were answered;
    /// first of output alone, then of input and output.
    fn errors(&self, share: usize) -> (f64, f64) {
        let answered = || self.records.iter().filter(|one| one.fate == Fate::Answered);
        let output = answered().map(|one| ratio(one.output, one.cap));
        let all = answered().map(|one| ratio(one.used, one.bound));
        (quantile(output, share), quantile(all, share))
    }

    fn metric(&self, name: &str) -> u64 {
        sum_of(&self.metrics, &format!("tollgate_{name}")).round() as u64
    }

    /// The mean of a histogram of the gateway's.
    fn mean(&self, name: &str, labels: &str) -> f64 {
        let part = |part| {
            let lines = self.metrics.lines().filter(|line| line.contains(labels));
            let lines: Vec<_> = lines.collect();
            sum_of(&lines.join("\n"), &format!("tollgate_{name}_{part}"))
        };
        part("sum") / part("count")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, offered) = (self.used(), self.offered());
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  requests          {}", self.rows.len())?;
        writeln!(f, "  admitted          {}", self.count(Fate::Answered))?;
        writeln!(f, "  refused           {}", self.refused())?;
        let share = hundredths(used, offered);
        writeln!(f, "  goodput           {used} of {offered} tokens offered ({share:.1} %)")?;
        self.write_windows(f)?;
        self.write_estimates(f)?;
        let (overruns, debt) = (self.overruns(), self.metric("debt_tokens_total"));
        writeln!(f, "  overruns          {overruns} counted, {debt} tokens of debt")
    }
}

impl Report {
    fn write_windows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peaks, limits) = (self.peaks(), self.limits);
        let most = [
            ("everybody", peaks.everyone, limits.everyone, "tokens"),
            ("one key", peaks.key, limits.key, "tokens"),
            ("one key", peaks.requests, limits.requests, "requests"),
        ];
        for (who, peak, limit, unit) in most {
            let share = hundredths(peak, limit);
            writeln!(f, "  most in a window  {who}: {peak} of {limit} {unit} ({share:.2} %)")?;
        }
        match self.utilisation() {
            Some(share) => writeln!(
                f,
                "  utilisation       {share:.1} % of everybody's limit, while it refused"
            ),
            None => writeln!(f, "  utilisation       everybody's limit refused nobody"),
        }
    }

    fn write_estimates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((output_50, all_50), (output_99, all_99)) = (self.errors(500), self.errors(990));
        writeln!(f, "  used / reserved   p50 {all_50:.3}, p99 {all_99:.3}")?;
        writeln!(f, "    of output alone p50 {output_50:.3}, p99 {output_99:.3}")?;
        let arrived = self.records.iter().filter(|one| one.received.is_some());
        let reserved = ratio(arrived.map(|one| one.bound).sum(), self.used());
        let mean = self.mean("reserved_over_actual_ratio", "");
        writeln!(f, "  reserved / used   {reserved:.3}; mean of requests, by /metrics: {mean:.3}")?;
        let input = self.mean("estimate_error_ratio", "direction=\"input\"");
        let output = self.mean("estimate_error_ratio", "direction=\"output\"");
        writeln!(
            f,
            "  estimate error    used / estimated, by /metrics: input {input:.4}, output {output:.4}"
        )
    }
}

/// The sum of a page's samples whose name and labels begin with `prefix`.
pub(crate) fn sum_of(page: &str, prefix: &str) -> f64 {
    let samples = page.lines().filter(|line| line.starts_with(prefix));
    let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

fn quantile(values: impl Iterator<Item = f64>, share: usize) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = values.len().saturating_sub(1) * share / 1000;
    values.get(at).copied().unwrap_or(f64::NAN)
}

fn hundredths(part: u64, whole: u64) -> f64 {
    100.0 * ratio(part, whole)
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
