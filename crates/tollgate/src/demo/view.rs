//! The demo as a picture: tables that a terminal draws anew several times a second.
//!
//! It draws numbers that somebody else has gathered and holds nothing, so a test draws into memory
//! what a person sees. Where there is no terminal, the same numbers are lines of text.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, LineGauge, Paragraph, Row, Table};

use tollgate_sim::Row as Person;
use tollgate_sim::demo::{Frame as Numbers, count, dollars};

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, numbers: &Numbers) {
    let people = u16::try_from(numbers.rows.len()).unwrap_or(u16::MAX).saturating_add(3);
    let [clock, callers, below, hint] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(people),
        Constraint::Length(7),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let third = Constraint::Ratio(1, 3);
    let [tokens, money, provider] = Layout::horizontal([third, third, third]).areas(below);
    draw_clock(frame, clock, numbers);
    draw_callers(frame, callers, numbers);
    draw_figures(frame, tokens, " Tokens ", &token_figures(numbers));
    draw_figures(frame, money, " Dollars ", &money_figures(numbers));
    draw_figures(frame, provider, " Provider ", &provider_figures(numbers));
    frame.render_widget(Line::from(" q ends the demo ").dim(), hint);
}

/// How far the demo has come, and how long it still runs.
fn draw_clock(frame: &mut Frame<'_>, area: Rect, numbers: &Numbers) {
    let label = format!(" tollgate demo   {:>2} s left", numbers.left().as_secs_ceil());
    let gauge = LineGauge::default()
        .filled_style(Style::new().cyan())
        .label(Line::from(label).bold())
        .ratio(share(numbers.elapsed.as_millis(), numbers.lasts.as_millis()));
    frame.render_widget(gauge, area);
}

/// Who is admitted and who is refused, and by which limit.
fn draw_callers(frame: &mut Frame<'_>, area: Rect, numbers: &Numbers) {
    let heads = ["who", "tier", "does", "sent", "answered", "refused", "spent", "refused by"];
    let widths = [
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(29),
        Constraint::Length(5),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let table = Table::new(numbers.rows.iter().map(caller), widths)
        .header(Row::new(heads).bold())
        .block(Block::bordered().title(" Who is admitted, and who is not "));
    frame.render_widget(table, area);
}

fn caller(person: &Person) -> Row<'static> {
    let number = |number: u64| Line::from(count(number)).alignment(Alignment::Right);
    let refused = number(person.refused);
    Row::new([
        Line::from(person.person.name),
        Line::from(person.person.tier).dim(),
        Line::from(person.person.habit).dim(),
        number(person.sent()),
        number(person.answered).green(),
        if person.refused > 0 { refused.red() } else { refused },
        Line::from(dollars(person.spent.to_nano())).alignment(Alignment::Right),
        Line::from(reasons(person)).yellow(),
    ])
}

/// The reason that refused most often, and how many others there are.
fn reasons(person: &Person) -> String {
    let Some((reason, times)) = person.reasons.first() else {
        return String::new();
    };
    match person.reasons.len() - 1 {
        0 => format!("{times} × {reason}"),
        others => format!("{times} × {reason}, and {others} more"),
    }
}

/// What is reserved, against what is really used.
fn token_figures(numbers: &Numbers) -> Vec<(&'static str, String)> {
    let gate = &numbers.gate;
    let back = gate.reserved.less(gate.used).less(gate.held);
    vec![
        ("reserved", count(gate.reserved.get())),
        ("really used", count(gate.used.get())),
        ("came back", count(back.get())),
        ("held now", count(gate.held.get())),
    ]
}

fn money_figures(numbers: &Numbers) -> Vec<(&'static str, String)> {
    let (sent, answered, refused) = numbers.calls();
    vec![
        ("spent", dollars(numbers.gate.spent)),
        ("saved", dollars(numbers.gate.saved)),
        ("calls", count(sent)),
        ("answered", count(answered)),
        ("refused", count(refused)),
    ]
}

/// What the provider says of itself.
fn provider_figures(numbers: &Numbers) -> Vec<(&'static str, String)> {
    let provider = &numbers.provider;
    vec![
        ("requests seen", count(provider.seen)),
        ("in flight", format!("{} (most {})", provider.in_flight, provider.in_flight_max)),
        ("streams", format!("{} (most {})", provider.streams, provider.streams_max)),
        ("tokens billed", count(provider.billed_tokens())),
        ("bill", dollars(provider.billed.to_nano())),
    ]
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, title: &'static str, rows: &[(&str, String)]) {
    let lines = rows.iter().map(|(name, value)| {
        Line::from(vec![Span::raw(format!(" {name:<14}")), Span::raw(value.clone()).bold()])
    });
    let paragraph = Paragraph::new(lines.collect::<Vec<_>>());
    frame.render_widget(paragraph.block(Block::bordered().title(title)), area);
}

/// A part of a whole, from 0 to 1: for drawing only.
fn share(part: u64, whole: u64) -> f64 {
    let thousandths = part.min(whole).saturating_mul(1000) / whole.max(1);
    f64::from(u32::try_from(thousandths).unwrap_or(1000)) / 1000.0
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;
    use tollgate_sim::Score;
    use tollgate_sim::crowd::{Crowd, Ending, Outcome, Refused};
    use tollgate_sim::demo::{Gate, LASTS};
    use tollgate_sim::provider::Counters;
    use tollgate_units::{NanoUsd, PicoUsd, Span, Tokens};

    use super::*;

    fn numbers() -> Numbers {
        let crowd = Crowd::new(1, LASTS);
        let mut score = Score::new(&crowd);
        let limits = vec!["5 requests per minute per ip".to_owned()];
        let refused = Ending::Refused(Refused { limits, ..Refused::default() });
        let answered = Ending::Answered { input: Tokens::new(100), output: Tokens::new(50) };
        for (person, ending) in [(0, answered), (2, refused.clone()), (2, refused)] {
            score.note(&Outcome {
                ending,
                first_byte: None,
                input: Tokens::new(100),
                model: "gpt-4o-mini",
                output: Tokens::new(50),
                person,
                sent_at: Span::ZERO,
                stream: false,
                total: Span::ZERO,
            });
        }
        let gate = Gate {
            held: Tokens::new(200),
            reserved: Tokens::new(1000),
            saved: NanoUsd::new(90_000),
            spent: NanoUsd::new(45_000),
            used: Tokens::new(150),
        };
        let provider = Counters {
            billed: PicoUsd::new(45_000_000),
            in_flight: 1,
            in_flight_max: 2,
            output_tokens: 50,
            prompt_tokens: 100,
            seen: 2,
            ..Counters::default()
        };
        let rows = score.rows().to_vec();
        Numbers { elapsed: Span::from_secs(15), gate, lasts: LASTS, provider, rows }
    }

    fn drawn(width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &numbers())).unwrap();
        let screen = terminal.backend().buffer();
        let rows = screen.content().chunks(usize::from(width));
        rows.map(|row| row.iter().map(Cell::symbol).collect()).collect()
    }

    #[test]
    fn a_person_sees_who_was_refused_by_what_and_what_it_cost() {
        let screen = drawn(120, 20);
        let line = |what: &str| {
            let found = screen.iter().find(|line| line.contains(what));
            found.unwrap_or_else(|| panic!("no {what:?} in\n{}", screen.join("\n")))
        };
        assert!(line("tollgate demo").contains("45 s left"));
        let words: Vec<_> = line("bot ").split_whitespace().collect();
        let expected = "│bot anonymous bursts, never waits 2 0 2 $0.0000 2 × 5 requests per minute \
                        per ip │";
        assert_eq!(words.join(" "), expected);
        assert!(line("mia ").contains("free") && line("mia ").contains("$0.0001"));
        assert!(line("came back").contains("650"));
        assert!(line("saved").contains("$0.0001"));
        assert!(line("tokens billed").contains("150"));
        assert!(line("in flight").contains("1 (most 2)"));
    }

    #[test]
    fn no_terminal_is_too_small() {
        for (width, height) in [(1, 1), (10, 3), (80, 24), (300, 100)] {
            assert_eq!(drawn(width, height).len(), usize::from(height));
        }
    }
}
