//! Which tokenizer a model has.
//!
//! The table follows tiktoken's `model.py`, by families, because a date or a suffix never changes
//! the vocabulary. It is a guess for `gpt-6` and later: OpenAI has published no tokenizer for
//! them, and `o200k` is the newest that is known. Everything else is nobody's: its tokens are
//! estimated by a ratio.

use crate::name::{bare, is_of};

/// A public vocabulary of OpenAI's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Encoding {
    /// `cl100k_base`: GPT-4, GPT-3.5, the embedding models.
    Cl100k,
    /// `o200k_base`: GPT-4o and everything after it.
    O200k,
}

/// The tokenizer of `model`, where it is known; prefixes (`openai/`, `ft:`) and dates aside.
pub fn encoding_of(model: &str) -> Option<Encoding> {
    let name = bare(model);
    FAMILIES.iter().find(|(family, _)| is_of(name, family)).map(|(_, encoding)| *encoding)
}

/// A family that ends in a dot has any version of that line among its members.
const FAMILIES: [(&str, Encoding); 20] = [
    ("chatgpt-4o", Encoding::O200k),
    ("gpt-4.1", Encoding::O200k),
    ("gpt-4.5", Encoding::O200k),
    ("gpt-4o", Encoding::O200k),
    ("gpt-5", Encoding::O200k),
    ("gpt-5.", Encoding::O200k),
    // Not in tiktoken: the newest known vocabulary stands in.
    ("gpt-6", Encoding::O200k),
    ("gpt-6.", Encoding::O200k),
    ("gpt-oss", Encoding::O200k),
    ("o1", Encoding::O200k),
    ("o3", Encoding::O200k),
    ("o4-mini", Encoding::O200k),
    ("babbage-002", Encoding::Cl100k),
    ("davinci-002", Encoding::Cl100k),
    ("gpt-3.5", Encoding::Cl100k),
    ("gpt-35", Encoding::Cl100k),
    ("gpt-4", Encoding::Cl100k),
    ("text-embedding-3-large", Encoding::Cl100k),
    ("text-embedding-3-small", Encoding::Cl100k),
    ("text-embedding-ada-002", Encoding::Cl100k),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_the_tokenizer_that_tiktoken_gives_it() {
        for (models, expected) in [
            (
                "o1 o1-preview o1-2024-12-17 o3 o3-mini-2025-01-31 o4-mini gpt-5 \
                 gpt-5-nano-2025-08-07 gpt-5.1 gpt-5.6-luna gpt-6 gpt-6-astra gpt-6.1-sol \
                 gpt-4.5-preview gpt-4.1 \
                 gpt-4.1-mini gpt-4o gpt-4o-2024-05-13 gpt-4o-mini chatgpt-4o-latest gpt-oss-120b \
                 openai/gpt-oss-20b openai/gpt-4o ft:gpt-4o-mini-2024-07-18:acme::x1",
                Some(Encoding::O200k),
            ),
            (
                "gpt-4 gpt-4-0613 gpt-4-turbo-2024-04-09 gpt-4-32k gpt-3.5-turbo \
                 gpt-3.5-turbo-0125 gpt-35-turbo gpt-35-turbo-16k text-embedding-3-small \
                 text-embedding-3-large \
                 text-embedding-ada-002 davinci-002 babbage-002 ft:gpt-3.5-turbo:acme::1 \
                 azure/gpt-4",
                Some(Encoding::Cl100k),
            ),
            ("claude-opus-5 gemini-2.5-pro o2 o11 gpt-2 gpt-50 gpt-4.9 o4 llama-3 / : ft:", None),
        ] {
            for model in models.split_whitespace() {
                assert_eq!(encoding_of(model), expected, "{model}");
            }
        }
        assert_eq!(encoding_of(""), None);
    }
}
