//! Text whose number of tokens is known without counting.
//!
//! Each of these words, with the space before it, is one token in both vocabularies of OpenAI's
//! models (`cl100k_base`, `o200k_base`). So an answer of n words has n tokens, and what a gateway
//! counts in a stream without usage can be compared with what the provider says it generated. It
//! is wrong for models with another vocabulary.

use tollgate_units::Tokens;

/// The words that answers and prompts are made of, in turn; each is one token.
const WORDS: [&str; 24] = [
    " Every", " word", " of", " this", " answer", " is", " one", " token", ",", " and", " the",
    " gate", " counts", " them", " all", " as", " they", " pass", " by", ",", " so", " nothing",
    " gets", " lost",
];

/// The `number`-th token of the text, which repeats for ever.
pub(crate) fn word(number: u64) -> &'static str {
    let len = WORDS.len() as u64;
    usize::try_from(number % len).ok().and_then(|at| WORDS.get(at)).copied().unwrap_or(" so")
}

/// A text of exactly `count` tokens.
pub fn text_of(count: Tokens) -> String {
    let len = WORDS.len() as u64;
    // A prompt can be a book: whole rounds are copied, not put together word by word.
    let rounds = usize::try_from(count.get() / len).unwrap_or(usize::MAX);
    let mut text = WORDS.concat().repeat(rounds);
    text.extend((0..count.get() % len).map(word));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_token_in_both_vocabularies() {
        for count in [0, 1, 2, 23, 24, 25, 500] {
            let text = text_of(Tokens::new(count));
            for encoding in [bpe_openai::cl100k_base(), bpe_openai::o200k_base()] {
                assert_eq!(encoding.count(&text) as u64, count, "{text:?}");
            }
        }
    }
}
