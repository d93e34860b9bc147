//! The order that words stand in.
//!
//! ```text
//! limit = amount unit { [","] item }
//! item  = "per" [ "rolling" | "fixed" ] period | "at once" | "in" zone
//!       | "per" subject { "and" subject } | option
//! ```
//!
//! Items come in any order, because people write them in any order; what contradicts what is
//! decided at the end, in [`measure`], where every item still knows its place.

mod measure;
mod options;

use core::ops::Range;

use tollgate_units::Amount;

use super::Mistake;
use super::amount::{Quantity, quantity, whole};
use super::words::{Word, nearest, words};
use crate::calendar::Zone;
use crate::limit::{Exceed, Limit, SubjectKind, Unit};

/// Something with the place where it was said.
#[derive(Clone, Debug)]
struct Said<T> {
    what: T,
    at: Range<usize>,
}

/// What follows `per` when it is a length of time.
#[derive(Clone, Copy, Debug)]
struct Pace {
    kind: PaceKind,
    /// How many of them, where a number is written.
    count: Option<u64>,
    period: Period,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PaceKind {
    Fixed,
    Rolling,
    Unsaid,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Period {
    Day,
    Hour,
    Minute,
    Month,
    Second,
    Week,
}

/// Everything said after the unit.
#[derive(Debug, Default)]
struct Items {
    at_once: Option<Said<()>>,
    burst: Option<Said<Quantity>>,
    exceed: Option<Said<Exceed>>,
    name: Option<String>,
    pace: Option<Said<Pace>>,
    shadow: bool,
    subjects: Vec<Said<SubjectKind>>,
    warn: Option<Said<u8>>,
    zone: Option<Said<Zone>>,
}

/// Reads a whole sentence.
pub(super) fn limit(text: &str) -> Result<Limit, Mistake> {
    let mut reader = Reader { words: words(text), next: 0, end: text.trim_end().len() };
    let amount = quantity(&reader.take("expected an amount, such as 20, 10k or $25")?)?;
    let unit = reader.unit(amount)?;
    let mut items = Items::default();
    while reader.peek().is_some() {
        reader.item(&mut items)?;
    }
    let (unit, measure) = measure::of(unit, amount, &items, reader.end)?;
    options::fits(&items, unit)?;
    let mut subjects: Vec<SubjectKind> = items.subjects.into_iter().map(|said| said.what).collect();
    subjects.sort();
    subjects.dedup();
    let (Quantity::Count(amount) | Quantity::Nanos(amount)) = amount;
    Ok(Limit {
        name: items.name,
        unit,
        amount: Amount::new(amount),
        measure,
        subjects,
        exceed: items.exceed.map_or(Exceed::Reject, |said| said.what),
        warn: items.warn.map(|said| said.what),
        shadow: items.shadow,
    })
}

/// The words, and how far they have been read.
struct Reader<'t> {
    words: Vec<Word<'t>>,
    next: usize,
    /// Where something that is missing would stand.
    end: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&Word<'t>> {
        self.words.get(self.next)
    }

    /// The next word, or `expected` at the end of the sentence.
    fn take(&mut self, expected: &str) -> Result<Word<'t>, Mistake> {
        let word = self.peek().cloned();
        self.next += 1;
        word.ok_or_else(|| Mistake::new(self.end..self.end, expected))
    }

    /// Takes the next word if it is `word`.
    fn eat(&mut self, word: &str) -> Option<Range<usize>> {
        let at = self.peek().filter(|next| next.is(word))?.at.clone();
        self.next += 1;
        Some(at)
    }

    /// Takes the next word, which can be nothing but `word`.
    fn must(&mut self, word: &str) -> Result<Range<usize>, Mistake> {
        let expected = format!("expected \"{word}\"");
        let next = self.take(&expected)?;
        if next.is(word) {
            return Ok(next.at);
        }
        Err(Mistake::new(next.at, expected))
    }

    /// From `start` to the end of the word read last.
    fn since(&self, start: usize) -> Range<usize> {
        let last = self.next.checked_sub(1).and_then(|at| self.words.get(at));
        start..last.map_or(self.end, |word| word.at.end)
    }

    fn unit(&mut self, amount: Quantity) -> Result<Unit, Mistake> {
        if matches!(amount, Quantity::Nanos(_)) {
            let Some(word) = self.peek().filter(|next| unit_word(next)) else {
                return Ok(Unit::Cost);
            };
            return Err(Mistake::new(
                word.at.clone(),
                "money is counted in dollars and needs no unit",
            ));
        }
        let word = self.take(UNIT)?;
        let kind = [("input", Unit::InputTokens), ("output", Unit::OutputTokens)];
        if let Some((_, unit)) = kind.into_iter().find(|(kind, _)| word.is(kind)) {
            let noun = self.take("expected \"tokens\"")?;
            if noun.is_one_or_many("token") {
                return Ok(unit);
            }
            return Err(Mistake::new(noun.at, "expected \"tokens\""));
        }
        if word.is("tool") {
            let noun = self.take("expected \"calls\"")?;
            if noun.is_one_or_many("call") {
                return Ok(Unit::ToolCalls);
            }
            return Err(Mistake::new(noun.at, "expected \"calls\""));
        }
        match UNITS.iter().find(|(noun, _)| word.is_one_or_many(noun)) {
            Some((_, unit)) => Ok(*unit),
            None => Err(self.not_a_unit(&word)),
        }
    }

    fn not_a_unit(&self, word: &Word<'_>) -> Mistake {
        let mistake = Mistake::new(word.at.clone(), UNIT);
        if word.is_one_or_many("dollar") || word.is("usd") {
            let amount = self.words.first().map_or("25", |amount| amount.text);
            let what = "expected a unit; money is written with a dollar sign";
            return Mistake::new(word.at.clone(), what).suggesting(Some(format!("${amount}")));
        }
        mistake.suggesting(nearest(word.text, UNIT_WORDS))
    }

    fn item(&mut self, items: &mut Items) -> Result<(), Mistake> {
        let comma = self.eat(",").is_some();
        let expected = if comma { AFTER_COMMA } else { ITEM };
        let word = self.take(expected)?;
        let start = word.at.start;
        if word.is("per") {
            return self.per(items, start);
        }
        if word.is("at") {
            self.must("once")?;
            return once(&mut items.at_once, (), self.since(start), "at once");
        }
        if word.is("in") {
            let zone = self.zone()?;
            return once(&mut items.zone, zone, self.since(start), "a time zone");
        }
        if word.is("burst") {
            let burst = quantity(&self.take("expected an amount, such as 20, 10k or $25")?)?;
            return once(&mut items.burst, burst, self.since(start), "a burst");
        }
        if word.is("named") {
            let name = self.name()?;
            let mut named = items.name.take().map(|what| Said { what, at: start..start });
            once(&mut named, name, self.since(start), "a name")?;
            items.name = named.map(|said| said.what);
            return Ok(());
        }
        if word.is("shadow") {
            items.shadow = true;
            return Ok(());
        }
        options::option(self, items, &word, expected)
    }

    fn per(&mut self, items: &mut Items, start: usize) -> Result<(), Mistake> {
        let paced = items.pace.is_some() || items.at_once.is_some();
        if let Some(pace) = self.pace()? {
            return once(&mut items.pace, pace, self.since(start), "a period");
        }
        self.subject(items, if paced { SUBJECT } else { PERIOD_OR_SUBJECT }, !paced)?;
        while self.eat("and").is_some() {
            self.eat("per");
            self.subject(items, SUBJECT, false)?;
        }
        Ok(())
    }

    /// A period, unless the next word begins a subject.
    fn pace(&mut self) -> Result<Option<Pace>, Mistake> {
        let kind = match () {
            () if self.eat("rolling").is_some() => PaceKind::Rolling,
            () if self.eat("fixed").is_some() => PaceKind::Fixed,
            () => PaceKind::Unsaid,
        };
        let count = self.peek().and_then(whole).transpose();
        let count = count.map_err(|mistake| mistake.suggesting(self.spelt_out()))?;
        if count.is_some() {
            self.next += 1;
        }
        let period =
            self.peek().and_then(|word| PERIODS.iter().find(|(name, _)| word.is_one_or_many(name)));
        if let Some((_, period)) = period {
            self.next += 1;
            return Ok(Some(Pace { kind, count, period: *period }));
        }
        if kind == PaceKind::Unsaid && count.is_none() {
            return Ok(None);
        }
        let word = self.take("expected a period")?;
        let names = PERIODS.iter().map(|(name, _)| *name);
        let suggestion = nearest(word.text, names);
        Err(Mistake::new(word.at, "expected a period").suggesting(suggestion))
    }

    /// `30s` as a sentence says it.
    fn spelt_out(&self) -> Option<String> {
        let text = self.peek()?.text;
        let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &text[..text.len() - letters.len()];
        let word = match letters {
            "s" | "sec" | "secs" => "seconds",
            "m" | "min" | "mins" => "minutes",
            "h" | "hr" | "hrs" => "hours",
            "d" => "days",
            _ => return None,
        };
        Some(format!("{number} {word}"))
    }

    fn subject(
        &mut self,
        items: &mut Items,
        expected: &str,
        or_period: bool,
    ) -> Result<(), Mistake> {
        let word = self.take(expected)?;
        if let Some((_, kind)) = SUBJECTS.iter().find(|(name, _)| word.is_one_or_many(name)) {
            items.subjects.push(Said { what: kind.clone(), at: word.at });
            return Ok(());
        }
        if let Some(kind) = header(&word)? {
            items.subjects.push(Said { what: kind, at: word.at });
            return Ok(());
        }
        let periods = PERIODS.iter().map(|(name, _)| *name).filter(|_| or_period);
        let subjects = SUBJECTS.iter().map(|(name, _)| *name);
        let suggestion = nearest(word.text, periods.chain(subjects));
        Err(Mistake::new(word.at, expected).suggesting(suggestion))
    }

    fn zone(&mut self) -> Result<Zone, Mistake> {
        let expected = "expected a time zone, such as Europe/Berlin";
        let word = self.take(expected)?;
        Zone::named(word.text)
            .ok_or_else(|| Mistake::new(word.at, expected).suggesting(Zone::nearest(word.text)))
    }

    fn name(&mut self) -> Result<String, Mistake> {
        let expected = "expected a name: letters, digits, \"-\", \"_\" and \".\", at most 64";
        let word = self.take(expected)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if word.text.len() <= NAME_BYTES_MAX && word.text.chars().all(is_plain) {
            return Ok(word.text.to_owned());
        }
        Err(Mistake::new(word.at, expected))
    }
}

/// `header:NAME`, in lower case as headers are compared. A credential is counted as the key that it
/// is, and would be shown as a header's value.
fn header(word: &Word<'_>) -> Result<Option<SubjectKind>, Mistake> {
    let Some((kind, name)) = word.text.split_once(':') else {
        return Ok(None);
    };
    if !kind.eq_ignore_ascii_case("header") {
        return Ok(None);
    }
    let name = name.to_ascii_lowercase();
    if CREDENTIALS.contains(&&*name) {
        return Err(Mistake::new(word.at.clone(), "expected \"per key\": this header is a secret"));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name) {
        let expected = "expected the name of a header, such as header:x-app";
        return Err(Mistake::new(word.at.clone(), expected));
    }
    Ok(Some(SubjectKind::Header(name)))
}

/// Says `what` for the first time, or it is a mistake.
fn once<T>(
    said: &mut Option<Said<T>>,
    what: T,
    at: Range<usize>,
    noun: &str,
) -> Result<(), Mistake> {
    if said.is_some() {
        return Err(Mistake::new(at, format!("this limit already has {noun}")));
    }
    *said = Some(Said { what, at });
    Ok(())
}

fn unsupported(at: Range<usize>, words: &str) -> Mistake {
    Mistake::new(at, format!("\"{words}\" is not supported by this version yet"))
}

fn unit_word(word: &Word<'_>) -> bool {
    let mut nouns = UNITS.iter().map(|(noun, _)| *noun);
    word.is("input") || word.is("output") || nouns.any(|noun| word.is_one_or_many(noun))
}

const NAME_BYTES_MAX: usize = 64;
const CREDENTIALS: [&str; 6] =
    ["api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"];
const UNIT: &str = "expected a unit: requests, tokens, input tokens, output tokens, tool calls, \
                    steps or streams";
const ITEM: &str = "expected \"per\", \"at once\" or an option";
const AFTER_COMMA: &str = "expected \"per\" or an option after the comma";
const SUBJECT: &str = "expected a subject";
const PERIOD_OR_SUBJECT: &str = "expected a period or a subject";
const UNITS: [(&str, Unit); 4] = [
    ("request", Unit::Requests),
    ("step", Unit::Steps),
    ("stream", Unit::Streams),
    ("token", Unit::Tokens),
];
const UNIT_WORDS: [&str; 7] = ["requests", "tokens", "streams", "input", "output", "steps", "tool"];
const ITEM_WORDS: [&str; 9] =
    ["per", "at", "in", "burst", "named", "shadow", "then", "reserve", "warn"];
const PERIODS: [(&str, Period); 6] = [
    ("second", Period::Second),
    ("minute", Period::Minute),
    ("hour", Period::Hour),
    ("day", Period::Day),
    ("week", Period::Week),
    ("month", Period::Month),
];
const SUBJECTS: [(&str, SubjectKind); 11] = [
    ("ip", SubjectKind::Ip),
    ("key", SubjectKind::Key),
    ("user", SubjectKind::User),
    ("team", SubjectKind::Team),
    ("project", SubjectKind::Project),
    ("org", SubjectKind::Org),
    ("session", SubjectKind::Session),
    ("model", SubjectKind::Model),
    ("provider", SubjectKind::Provider),
    ("tier", SubjectKind::Tier),
    ("path", SubjectKind::Path),
];
