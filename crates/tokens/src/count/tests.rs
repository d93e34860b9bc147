//! The fast way counts what the library counts, piece by piece, on everything.

use proptest::prelude::*;

use super::*;
use crate::seen::SHORT_PLACES;

const BOTH: [Encoding; 2] = [Encoding::Cl100k, Encoding::O200k];

/// Pieces as the fast way cuts them, the library helping out where it must.
fn pieces(encoding: Encoding, text: &str) -> Vec<&str> {
    let (mut at, mut pieces) = (0, Vec::new());
    while at < text.len() {
        let end = piece_end(encoding, text.as_bytes(), at)
            .or_else(|| cut(tokenizer(encoding), text, at))
            .expect("a piece");
        pieces.push(&text[at..end]);
        at = end;
    }
    pieces
}

fn same_as_the_library(text: &str) -> Result<(), TestCaseError> {
    for encoding in BOTH {
        let expected: Vec<&str> = tokenizer(encoding).split(text).collect();
        prop_assert_eq!(pieces(encoding, text), expected, "{:?} {:?}", encoding, text);
        let count = tokenizer(encoding).count(text) as u64;
        prop_assert_eq!(count_text(encoding, text).get(), count, "{:?} {:?}", encoding, text);
    }
    Ok(())
}

#[test]
fn every_short_text_over_a_telling_alphabet_falls_into_the_same_pieces() {
    // One of each kind that the patterns tell apart, contractions in either case, the long s.
    let alphabet: Vec<char> = "aS'lLe 1!/\n\r\tſ中é\u{301}\u{a0}😀’─\u{2009}".chars().collect();
    let mut text = String::new();
    for length in 1..=4_u32 {
        for number in 0..alphabet.len().pow(length) {
            text.clear();
            let mut rest = number;
            for _ in 0..length {
                text.push(alphabet[rest % alphabet.len()]);
                rest /= alphabet.len();
            }
            for encoding in BOTH {
                let expected = tokenizer(encoding).split(&text);
                assert!(pieces(encoding, &text).into_iter().eq(expected), "{encoding:?} {text:?}");
            }
        }
    }
}

#[test]
fn every_sign_of_three_bytes_stands_beside_words_as_the_library_has_it() {
    // All of the Basic Multilingual Plane that begins with the byte that `is_sign` looks at.
    for sign in (0x2000..0x3000_u32).filter_map(char::from_u32) {
        for text in [format!("don{sign}t {sign}Go{sign}{sign}!\n{sign} x"), format!("{sign}")] {
            for encoding in BOTH {
                let expected = tokenizer(encoding).split(&text);
                assert!(pieces(encoding, &text).into_iter().eq(expected), "{encoding:?} {text:?}");
            }
        }
    }
}

#[test]
fn words_of_any_length_and_case_end_where_the_library_ends_them() {
    for length in 0..20 {
        for before in ["", " ", "A", " A", "  ", "\t", "(", "1"] {
            for after in ["", " ", "'", "'s", "'S x", "A", "Ab", "1", ".", "\n", "é", "’", "_", "{"]
            {
                let text = format!("{before}{}{after} and so on, and on", "m".repeat(length));
                for encoding in BOTH {
                    let expected = tokenizer(encoding).split(&text);
                    assert!(pieces(encoding, &text).into_iter().eq(expected), "{text:?}");
                }
            }
        }
    }
}

#[test]
fn hostile_texts_are_counted_like_any_other() {
    let mixed: String =
        (0..40_000_u32).filter_map(|n| char::from_u32(n * 7919 % 0x1_1000)).collect();
    let a_megabyte = format!("{}x", " ".repeat(1_000_000));
    let texts = [
        "a".repeat(100_000),
        " ".repeat(100_000),
        "!".repeat(100_000),
        "😀".repeat(25_000),
        "👨‍👩‍👧‍👦".repeat(4_000),
        format!("{}x", " ".repeat(99)).repeat(1_000),
        "中".repeat(33_000),
        "'".repeat(100_000),
        "\u{301}".repeat(50_000),
        format!("{}\u{a0}", " ".repeat(50_000)).repeat(2),
        format!("{}é", "A".repeat(50_000)).repeat(2),
        mixed,
        a_megabyte,
    ];
    for text in &texts {
        for encoding in BOTH {
            let start: String = text.chars().take(12).collect();
            let expected = tokenizer(encoding).count(text) as u64;
            assert_eq!(count_text(encoding, text).get(), expected, "{encoding:?} {start:?}…");
        }
    }
}

#[test]
fn runs_of_any_character_and_length_are_counted_like_any_other() {
    // What stands before and after merges with the run's ends, or with the next run.
    let frames =
        [("", ""), (" ", ""), ("", "x"), ("=", "!"), ("(-", "-)"), ("\t", "\n"), ("é", "é")];
    let lengths = [16, 95, 96, 127, 128, 129, 191, 192, 193, 255, 256, 257, 300, 511, 1000, 2049];
    for byte in 0..128_u8 {
        let character = char::from(byte);
        for length in lengths {
            let run = String::from(character).repeat(length);
            for (before, after) in frames {
                let text = format!("{before}{run}{after}{}{run}", "-".repeat(length / 2));
                for encoding in BOTH {
                    let expected = tokenizer(encoding).count(&text) as u64;
                    let counted = count_text(encoding, &text).get();
                    assert_eq!(
                        counted, expected,
                        "{encoding:?} {before:?} {byte} × {length} {after:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn pieces_that_fall_on_one_place_do_not_borrow_each_others_counts() {
    // More words than places, twice over, in either order: each place changes hands many times.
    let words: Vec<String> =
        (0..12 * SHORT_PLACES).map(|n| format!(" w{:x}q", n * 2_654_435_761)).collect();
    let forth = words.concat();
    let back: String = words.iter().rev().map(String::as_str).collect();
    for encoding in BOTH {
        for text in [&forth, &back, &forth] {
            assert_eq!(count_text(encoding, text).get(), tokenizer(encoding).count(text) as u64);
        }
    }
}

#[test]
fn a_piece_and_the_same_piece_with_a_zero_byte_are_two() {
    for encoding in BOTH {
        for text in ["!", "!\0", "!\0\0", "\0", "\0\0", "!"] {
            let expected = tokenizer(encoding).count(text) as u64;
            assert_eq!(count_text(encoding, text).get(), expected, "{text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        same_as_the_library(&text)?;
    }

    #[test]
    fn ascii(text in "[ -~\t\r\n]{0,200}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn control_characters(text in "[\\x00-\\x7f]{0,200}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn contractions(text in "([ a-zA-Z]{0,3}['’][sSſtTrRvVmMlLdDeEk]{1,3}){0,30}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn white_space(text in "[ \t\r\n\u{b}\u{c}\u{85}\u{a0}\u{2028}\u{3000}ax!]{0,120}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn letters_of_every_case(text in "[a-eA-EéÉßǅʰªא中\u{301}1'!]{0,60}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn scripts_mixed(text in "(\\PC{0,6}[ a-zA-Z0-9.,\n]{0,12}){0,20}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn runs(parts in proptest::collection::vec(("[-=/#* a_A\n!.]", 1..700_usize), 1..5)) {
        let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        same_as_the_library(&text)?;
    }

    #[test]
    fn emoji(text in "[😀👍🏽👨👩👧\u{200d}\u{fe0f}🇫🇷 a!]{0,60}") {
        same_as_the_library(&text)?;
    }

    #[test]
    fn code(
        text in "((    ){0,4}(fn|let|if) [a-z_]{1,9}[(){};.:=<>&|/*\"' ]{0,6}(\n|//|\t)?){0,20}",
    ) {
        same_as_the_library(&text)?;
    }
}
