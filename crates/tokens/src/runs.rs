//! Long pieces, and the long runs of one character in them.
//!
//! The encoder is linear, but on a run of dashes or spaces every token asks many others whether
//! they may stand beside it, and it falls below a megabyte a second. Such runs need not be encoded
//! in full. A row of tokens is the encoding of its text exactly when each two neighbours in it are
//! (`bpe`'s own theorem, on which its encoder rests). So where a token `t` stands inside a run and
//! `t t` is the encoding of its text, another `t` beside it makes the encoding of a text that is
//! longer by the length of `t`. A run is cut short by whole lengths of `t`, the short piece is
//! encoded, and the tokens that were cut out are added. If `t` then stands nowhere in the run, the
//! piece is encoded in full after all, which is slow and never wrong.

use bpe_openai::byte_pair_encoding::BytePairEncoding;

/// The tokens that runs are made of, learned as runs are met: at most 128 of them.
pub(crate) struct Runs {
    repeated: [Repeated; 128],
}

/// What a long run of one byte is made of.
#[derive(Clone, Copy)]
enum Repeated {
    /// Of copies of a token, of this length.
    Token { token: u32, length: usize },
    /// Of nothing that simply repeats.
    Nothing,
    /// No such run was met yet.
    Unseen,
}

/// A piece with its long runs cut short.
struct Shortened {
    bytes: Vec<u8>,
    /// How many of them are still in long runs.
    run_bytes: usize,
    cuts: Vec<Cut>,
}

/// A run that is cut short.
struct Cut {
    /// Where it stands in the short piece.
    start: usize,
    end: usize,
    token: u32,
    /// How many copies of `token` are missing.
    missing: usize,
}

impl Runs {
    pub(crate) const fn new() -> Self {
        Self { repeated: [Repeated::Unseen; 128] }
    }

    /// How many tokens `piece` is.
    pub(crate) fn count(&mut self, bpe: &BytePairEncoding, piece: &[u8]) -> usize {
        if piece.len() < RUN_LEAST {
            return bpe.count(piece);
        }
        let Shortened { bytes, run_bytes, cuts } = self.shortened(bpe, piece);
        if run_bytes <= bytes.len() / 2 && cuts.is_empty() {
            return bpe.count(piece);
        }
        // Merging pair by pair is slower on most text, and several times quicker on runs.
        let tokens = bpe.encode_via_bitfield(&bytes);
        if stand_inside(bpe, &tokens, &cuts) {
            tokens.len() + cuts.iter().map(|cut| cut.missing).sum::<usize>()
        } else {
            bpe.count(piece)
        }
    }

    /// `piece` with its long runs cut short.
    fn shortened(&mut self, bpe: &BytePairEncoding, piece: &[u8]) -> Shortened {
        let mut short = Shortened { bytes: Vec::new(), run_bytes: 0, cuts: Vec::new() };
        for run in piece.chunk_by(|one, next| one == next) {
            let start = short.bytes.len();
            let cut = self.kept(bpe, run, run.len() == piece.len());
            let kept = cut.map_or(run.len(), |(_, kept)| kept);
            short.bytes.extend_from_slice(run.get(..kept).unwrap_or_default());
            if run.len() >= RUN_LEAST {
                short.run_bytes += kept;
            }
            if let Some((token, kept)) = cut {
                let missing = (run.len() - kept) / bpe.token_len(token);
                short.cuts.push(Cut { start, end: start + kept, token, missing });
            }
        }
        short
    }

    /// Which token `run` can be cut by, and how much of it is kept. Where something stands before
    /// or after it, more is kept, so that the token still finds room after what merges with that.
    fn kept(&mut self, bpe: &BytePairEncoding, run: &[u8], alone: bool) -> Option<(u32, usize)> {
        let byte = *run.first().filter(|_| run.len() >= RUN_LEAST)?;
        let known = self.repeated.get_mut(usize::from(byte))?;
        if let Repeated::Unseen = known {
            *known = repeated(bpe, byte);
        }
        let Repeated::Token { token, length } = *known else {
            return None;
        };
        let kept = run.len() % length + length * if alone { 2 } else { 3 };
        (kept < run.len()).then_some((token, kept))
    }
}

/// What a long run of `byte` is made of.
fn repeated(bpe: &BytePairEncoding, byte: u8) -> Repeated {
    let sample = [byte; 2 * TOKEN_MAX];
    let Some(token) = bpe.encode_via_bitfield(&sample).first().copied() else {
        return Repeated::Nothing;
    };
    let length = bpe.token_len(token);
    let twice = sample.get(..2 * length).unwrap_or_default();
    if bpe.encode_via_bitfield(twice) == [token, token] {
        Repeated::Token { token, length }
    } else {
        Repeated::Nothing
    }
}

/// Whether in each of the cut runs its token stands, wholly inside.
fn stand_inside(bpe: &BytePairEncoding, tokens: &[u32], cuts: &[Cut]) -> bool {
    let mut cuts = cuts.iter().peekable();
    let mut at = 0;
    for token in tokens {
        let end = at + bpe.token_len(*token);
        // Only the earliest run without its token is looked for: one that is passed fails all.
        if cuts.peek().is_some_and(|cut| cut.token == *token && cut.start <= at && end <= cut.end) {
            cuts.next();
        }
        at = end;
    }
    cuts.peek().is_none()
}

/// A shorter run is encoded quickly enough.
const RUN_LEAST: usize = 96;
/// No token of either vocabulary is longer.
const TOKEN_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_people_type_are_really_cut_short() {
        for tokenizer in [bpe_openai::cl100k_base(), bpe_openai::o200k_base()] {
            let bpe = &tokenizer.bpe;
            for byte in *b" \n\t-=/*#_.aA!" {
                for (before, after) in [("", ""), ("(", ")"), (" ", "x")] {
                    let run = vec![byte; 30_000];
                    let piece = [before.as_bytes(), &run, after.as_bytes()].concat();
                    let mut runs = Runs::new();
                    let Shortened { bytes, cuts, .. } = runs.shortened(bpe, &piece);
                    let named = char::from(byte);
                    assert!(bytes.len() < 5 * TOKEN_MAX, "{named:?}: {} bytes", bytes.len());
                    let tokens = bpe.encode_via_bitfield(&bytes);
                    assert!(stand_inside(bpe, &tokens, &cuts), "{before:?} {named:?} {after:?}");
                    assert_eq!(runs.count(bpe, &piece), bpe.count(&piece));
                }
            }
        }
    }

    #[test]
    fn a_run_by_itself_is_cut_whatever_its_length() {
        for tokenizer in [bpe_openai::cl100k_base(), bpe_openai::o200k_base()] {
            let bpe = &tokenizer.bpe;
            for byte in *b" -=/*#" {
                let mut runs = Runs::new();
                for length in 1000..1000 + TOKEN_MAX {
                    let Shortened { bytes, cuts, .. } = runs.shortened(bpe, &vec![byte; length]);
                    let tokens = bpe.encode_via_bitfield(&bytes);
                    let found = stand_inside(bpe, &tokens, &cuts);
                    assert!(!cuts.is_empty() && found, "{:?} × {length}", char::from(byte));
                }
            }
        }
    }

    #[test]
    fn no_token_is_longer_than_the_sample_of_a_run_allows_for() {
        for tokenizer in [bpe_openai::cl100k_base(), bpe_openai::o200k_base()] {
            let tokens = 0..u32::try_from(tokenizer.bpe.num_tokens()).expect("few tokens");
            let longest = tokens.map(|token| tokenizer.bpe.token_len(token)).max();
            assert!(longest <= Some(TOKEN_MAX), "{longest:?}");
        }
    }
}
