//! Lengths of time as people say them.

use tollgate_units::Span;

/// A window as people say it: `minute`, `5 min`.
pub(crate) fn window_in_words(window: Span) -> String {
    let whole = [(1, "second"), (60, "minute"), (3600, "hour"), (86_400, "day")];
    let unit = whole.iter().find(|(secs, _)| Span::from_secs(*secs) == window);
    unit.map_or_else(|| in_words(window), |(_, unit)| (*unit).to_owned())
}

/// A length of time as people say it, in its two largest units, rounded up.
pub fn in_words(span: Span) -> String {
    let secs = span.as_secs_ceil();
    let (days, hours) = (secs / 86_400, secs / 3600 % 24);
    let (minutes, seconds) = (secs / 60 % 60, secs % 60);
    let two = |large: u64, unit: &str, small: u64, part: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {part}")
        }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => two(minutes, "min", seconds, "s"),
        (0, _, _) => two(hours, "h", minutes, "min"),
        (_, _, _) => two(days, "d", hours, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reads_as_people_say_it() {
        let table = [
            (0, "0 s"),
            (1, "1 s"),
            (11_640, "12 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (18_180_000, "5 h 3 min"),
            (187_200_000, "2 d 4 h"),
        ];
        for (millis, expected) in table {
            assert_eq!(in_words(Span::from_millis(millis)), expected);
        }
    }
}
