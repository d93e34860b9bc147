//! The vocabularies in the binary: packed by the build script, unpacked when first needed.
//!
//! The tables are `bpe-openai`'s, so what they count is what it counts (a test compares the two);
//! only their packing is ours, because unpacked they would make the binary three times as large.
//! When this is wrong: a table that does not unpack is a broken build, and stops the first count.

use std::io::BufReader;
use std::sync::OnceLock;

use bpe_openai::Tokenizer;
use bpe_openai::byte_pair_encoding::BytePairEncoding;

use crate::{Encoding, encoding_of};

/// The tokenizer of `encoding`, unpacked when it is first asked for: a tenth of a second.
pub(crate) fn tokenizer(encoding: Encoding) -> &'static Tokenizer {
    match encoding {
        Encoding::Cl100k => CL100K.get_or_init(|| {
            let packed = include_bytes!(concat!(env!("OUT_DIR"), "/cl100k.zst"));
            unpacked(packed, &CL100K_PIECES.join("|"))
        }),
        Encoding::O200k => O200K.get_or_init(|| {
            let packed = include_bytes!(concat!(env!("OUT_DIR"), "/o200k.zst"));
            unpacked(packed, &O200K_PIECES.join("|"))
        }),
    }
}

/// Whether `model` can be counted at once: its vocabulary is unpacked, or it has none.
pub fn is_ready(model: &str) -> bool {
    match encoding_of(model) {
        Some(Encoding::Cl100k) => CL100K.get().is_some(),
        Some(Encoding::O200k) => O200K.get().is_some(),
        None => true,
    }
}

static CL100K: OnceLock<Tokenizer> = OnceLock::new();
static O200K: OnceLock<Tokenizer> = OnceLock::new();

#[expect(clippy::expect_used, reason = "the build script packed it, and every test unpacks it")]
fn unpacked(packed: &[u8], pieces: &str) -> Tokenizer {
    let unpacked = zstd::Decoder::with_buffer(packed).map(BufReader::new);
    let unpacked = unpacked.expect("the build packed a vocabulary");
    let bpe: BytePairEncoding = rmp_serde::from_read(unpacked).expect("and all of it");
    // A run of white space leaves its last character to the word behind it; the middle pattern
    // says so by looking one character ahead.
    let patterns = [(pieces, false), (r"\s+\s", true), (r"\s+", false)];
    Tokenizer::new_lookahead(bpe, &patterns, false).expect("the patterns are constant")
}

/// How text is cut into pieces: the patterns of `tiktoken`'s `openai_public.py`, the look-ahead for
/// white space taken out.
const CL100K_PIECES: [&str; 6] = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"\s*[\r\n]+",
    r"\s+$",
];

const O200K_PIECES: [&str; 6] = [
    concat!(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    ),
    concat!(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    ),
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+$",
];
