//! What a sentence says beside amount, period and subjects: what happens when the limit is
//! exceeded, when somebody is warned, and how it reserves.

use core::ops::Range;

use super::{Items, Reader, once, unsupported};
use crate::limit::{Exceed, Unit};
use crate::sentence::Mistake;
use crate::sentence::words::{Word, nearest};

/// Reads the option that begins with `word`.
pub(super) fn option(
    reader: &mut Reader<'_>,
    items: &mut Items,
    word: &Word<'_>,
    expected: &str,
) -> Result<(), Mistake> {
    let start = word.at.start;
    if word.is("then") {
        let exceed = exceed(reader, start)?;
        return once(&mut items.exceed, exceed, reader.since(start), "what happens then");
    }
    if word.is("warn") {
        reader.must("at")?;
        let percent = percent(reader)?;
        return once(&mut items.warn, percent, reader.since(start), "a mark to warn at");
    }
    if word.is("reserve") {
        let how = reader.take("expected \"strict\"")?;
        return match () {
            () if how.is("strict") => Ok(()),
            () if how.is("adaptive") => Err(unsupported(reader.since(start), "reserve adaptive")),
            () => Err(Mistake::new(how.at, "expected \"strict\"")),
        };
    }
    if word.is("hard") || word.is("soft") {
        return Err(unsupported(word.at.clone(), &word.text.to_ascii_lowercase()));
    }
    if word.is("on") {
        let _words = reader.eat("store").and_then(|_| reader.eat("failure"));
        return Err(unsupported(reader.since(start), "on store failure"));
    }
    let suggestion = nearest(word.text, super::ITEM_WORDS);
    Err(Mistake::new(word.at.clone(), expected).suggesting(suggestion))
}

/// What follows `then`.
fn exceed(reader: &mut Reader<'_>, start: usize) -> Result<Exceed, Mistake> {
    let word = reader.take(THEN)?;
    if word.is("reject") {
        return Ok(Exceed::Reject);
    }
    if word.is("queue") {
        return Err(unsupported(reader.since(start), "then queue"));
    }
    if word.is("downgrade") {
        reader.must("to")?;
        let model = reader.take("expected the name of a model")?;
        if model.text == "," {
            return Err(Mistake::new(model.at, "expected the name of a model"));
        }
        return Ok(Exceed::Downgrade(model.text.to_owned()));
    }
    if word.is("answer") {
        reader.must("without")?;
        reader.must("tools")?;
        return Ok(Exceed::AnswerWithoutTools);
    }
    let suggestion = nearest(word.text, ["reject", "downgrade", "answer"]);
    Err(Mistake::new(word.at, THEN).suggesting(suggestion))
}

/// `80%`: a mark to warn at.
fn percent(reader: &mut Reader<'_>) -> Result<u8, Mistake> {
    const EXPECTED: &str = "expected a percentage from 1% to 100%, such as 80%";
    let word = reader.take(EXPECTED)?;
    let number = word.text.strip_suffix('%').and_then(|digits| digits.parse().ok());
    number
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| Mistake::new(word.at, EXPECTED))
}

/// Whether what is to happen makes sense for what is counted, and how.
pub(super) fn fits(items: &Items, unit: Unit) -> Result<(), Mistake> {
    if let (Some(warn), Some(_)) = (&items.warn, &items.at_once) {
        let what = "a limit \"at once\" is never used up, so there is no mark to warn at";
        return Err(Mistake::new(warn.at.clone(), what));
    }
    let counts_an_agent = matches!(unit, Unit::Steps | Unit::ToolCalls);
    match &items.exceed {
        Some(said) if said.what == Exceed::AnswerWithoutTools && !counts_an_agent => {
            let at: Range<usize> = said.at.clone();
            let what = "only a limit on steps or tool calls can be answered without tools";
            Err(Mistake::new(at, what))
        }
        Some(_) | None => Ok(()),
    }
}

const THEN: &str = "expected \"reject\", \"downgrade to MODEL\" or \"answer without tools\"";
