//! Durations, sizes, token counts, prices and addresses, as people write them.
//!
//! Each returns nothing for what it does not understand; the reader knows where that stands. All
//! are exact: decimal digits to integers, never through a floating-point number.

use tollgate_units::{Span, Tokens};

/// `500ms`, `10s`, `2m`, `1h`: more than nothing, and at most a day.
pub(crate) fn duration(text: &str) -> Option<Span> {
    let (number, unit) = split_unit(text)?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    (1..=86_400_000).contains(&millis).then(|| Span::from_millis(millis))
}

/// `10%`: from nothing to all.
pub(crate) fn percent(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|percent| plain && *percent <= 100)
}

/// `32MB`, `1MiB`, `512KB`, `4096B`: from one kilobyte to one gibibyte.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| (1_000..=1 << 30).contains(bytes))
}

/// `4096`, `32k`, `1.5M`: at least one.
pub(crate) fn tokens(text: &str) -> Option<Tokens> {
    // A limit's amount is read by the same rules, so they are asked.
    if text.contains(char::is_whitespace) {
        return None;
    }
    let limit = tollgate_policy::parse(&format!("{text} tokens")).ok()?;
    Some(Tokens::new(limit.amount.get())).filter(|tokens| *tokens > Tokens::ZERO)
}

/// `0.10`, `$2.50`: dollars, at most six decimals, at most a million; as micro-dollars.
pub(crate) fn micro_dollars(text: &str) -> Option<u64> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = if fraction == "0" { "" } else { fraction.trim_end_matches('0') };
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || text.ends_with('.') || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 6)?;
    let decimals: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let dollars: u64 = whole.parse().ok().filter(|dollars| *dollars <= 1_000_000)?;
    Some(dollars * 1_000_000 + decimals * 10u64.pow(6 - places))
}

/// The host of an `http` or `https` URL that has nothing but a host, a port and a path.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '"' | '<' | '>');
    if !path.chars().all(is_plain) {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            rest.get(..end)?.parse::<std::net::Ipv6Addr>().ok()?;
            authority.split_at(end + 2)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok_and(|p| p > 0);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_host = host.starts_with('[') || (!host.is_empty() && host.chars().all(is_name));
    (is_port && is_host).then_some(host)
}

/// Whether `host` is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Digits, and the letters behind them.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}
