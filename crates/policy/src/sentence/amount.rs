//! Amounts as people write them: `20`, `10,000`, `10k`, `1.5M`, `$25`, `$0.50`.
//!
//! Exact: digits and a power of ten, never a floating-point number. What does not come out whole
//! (in units, or in nano-dollars) is a mistake, not rounded.

use super::Mistake;
use super::words::Word;

/// An amount and what it is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantity {
    /// Of something that is counted.
    Count(u64),
    /// Of money, in nano-dollars.
    Nanos(u64),
}

/// Reads `word` as an amount.
pub(crate) fn quantity(word: &Word<'_>) -> Result<Quantity, Mistake> {
    let mistake = |what: &str| Mistake::new(word.at.clone(), what);
    if let Some(number) = word.text.strip_suffix('$').filter(|number| !number.is_empty()) {
        let suggestion = format!("${number}");
        return Err(mistake(AMOUNT).suggesting(Some(suggestion)));
    }
    let (number, money) = match word.text.strip_prefix('$') {
        Some(number) => (number, true),
        None => (word.text, false),
    };
    if number.starts_with('-') {
        return Err(mistake("expected an amount of zero or more"));
    }
    let (digits, thousands) = suffix(number);
    if digits.ends_with('m') && digits[..digits.len() - 1].bytes().all(|b| b.is_ascii_digit()) {
        let suggestion = word.text.replace('m', "M");
        return Err(mistake(AMOUNT).suggesting(Some(suggestion)));
    }
    let decimal = Decimal::read(digits).ok_or_else(|| mistake(AMOUNT))?;
    if !money && thousands == 0 && digits.contains('.') {
        // Half the world writes a thousand as `1.000`.
        return Err(mistake("expected a whole number"));
    }
    let places = if money { NANO_PLACES } else { 0 };
    match decimal.scaled(thousands + places) {
        Ok(units) if money => Ok(Quantity::Nanos(units)),
        Ok(units) => Ok(Quantity::Count(units)),
        Err(Scaling::NotWhole) if money => Err(mistake("expected at most nine decimals")),
        Err(Scaling::NotWhole) => Err(mistake("expected a whole number")),
        Err(Scaling::TooLarge) if money => {
            Err(mistake("expected a smaller amount; the most is $18,446,744,073"))
        }
        Err(Scaling::TooLarge) => Err(mistake("expected a smaller amount")),
    }
}

/// Reads `word` as a whole number of something, without `k` or `$`.
pub(crate) fn whole(word: &Word<'_>) -> Option<Result<u64, Mistake>> {
    if !word.text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let number = Decimal::read(word.text).and_then(|decimal| decimal.scaled(0).ok());
    let expected = || Mistake::new(word.at.clone(), "expected a whole number and a period");
    Some(number.filter(|number| *number > 0).ok_or_else(expected))
}

/// The number before `k` or `M`, and the power of ten they stand for.
fn suffix(number: &str) -> (&str, u32) {
    if let Some(digits) = number.strip_suffix(['k', 'K']) {
        return (digits, 3);
    }
    match number.strip_suffix('M') {
        Some(digits) => (digits, 6),
        None => (number, 0),
    }
}

/// `digits × 10^-places`.
struct Decimal {
    digits: u128,
    places: u32,
}

impl Decimal {
    /// Digits, with `,` or `_` between groups of three before the point.
    fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, fraction),
            None => (text, "0"),
        };
        if !is_grouped(whole) || fraction.is_empty() {
            return None;
        }
        // What is left out on the right changes nothing, so `$0.5000000000` is as good as `$0.5`.
        let fraction = fraction.trim_end_matches('0');
        let mut digits: u128 = 0;
        for digit in whole.chars().filter(|c| !matches!(c, ',' | '_')).chain(fraction.chars()) {
            let digit = u128::from(digit.to_digit(10)?);
            let longer = digits.checked_mul(10).and_then(|digits| digits.checked_add(digit));
            let Some(longer) = longer else {
                return Some(Self { digits: u128::MAX, places: 0 });
            };
            digits = longer;
        }
        Some(Self { digits, places: u32::try_from(fraction.len()).ok()? })
    }

    /// `self × 10^power`, if that is whole and fits.
    fn scaled(&self, power: u32) -> Result<u64, Scaling> {
        let scaled = if power >= self.places {
            let factor = 10u128.checked_pow(power - self.places).ok_or(Scaling::TooLarge)?;
            self.digits.checked_mul(factor).ok_or(Scaling::TooLarge)?
        } else {
            let divisor = 10u128.checked_pow(self.places - power).ok_or(Scaling::NotWhole)?;
            if !self.digits.is_multiple_of(divisor) {
                return Err(Scaling::NotWhole);
            }
            self.digits / divisor
        };
        u64::try_from(scaled).map_err(|_| Scaling::TooLarge)
    }
}

/// Why a decimal has no whole number of units.
enum Scaling {
    NotWhole,
    TooLarge,
}

/// Digits alone, or in groups parted by one kind of mark: `10000`, `10,000`, `10_000`.
fn is_grouped(whole: &str) -> bool {
    let all_digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let Some(mark) = whole.chars().find(|c| matches!(c, ',' | '_')) else {
        return all_digits(whole);
    };
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    all_digits(first)
        && first.len() <= 3
        && groups.all(|group| all_digits(group) && group.len() == 3)
}

const AMOUNT: &str = "expected an amount, such as 20, 10k or $25";
const NANO_PLACES: u32 = 9;
