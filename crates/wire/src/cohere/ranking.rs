//! How many searches a ranking is billed at most, known before it is sent.
//!
//! Cohere bills a search for every hundred documents or part of it. A document that has more than
//! 500 tokens together with the query is cut into chunks of so many, query included, and each chunk
//! is billed as a document. How Cohere cuts text into tokens is not known here, but no text has
//! more tokens than bytes, so bytes are what is counted: never too few, and the answer corrects it.
//! Of a document no more is read than `max_tokens_per_doc`, so no more is cut. Cohere does not say
//! what a query comes to that leaves little of a chunk; its models give a query half of what they
//! read at once, and so does this. It is wrong for a server that speaks this protocol and cuts
//! smaller.

use tollgate_units::{Searches, Tokens};

/// What is ranked, by its bytes as they lie in the body.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    query: u64,
    documents: Vec<u64>,
    /// The most that is read of a document, where the request says it.
    read_most: Option<Tokens>,
}

impl Ranking {
    /// `bytes` are what everything is compared with.
    pub(crate) fn query(&mut self, bytes: u64) {
        self.query = bytes;
    }

    /// One more document, a text of so many bytes.
    pub(crate) fn text(&mut self, bytes: u64) {
        self.documents.push(bytes);
    }

    /// One more document, an object of so many bytes: the model reads it as YAML, which escapes and
    /// indents what JSON need not.
    pub(crate) fn object(&mut self, bytes: u64) {
        self.documents.push(bytes.saturating_mul(YAML_BYTES_A_BYTE));
    }

    /// No more than `tokens` of each document are read.
    pub(crate) fn read_at_most(&mut self, tokens: Option<Tokens>) {
        self.read_most = tokens;
    }

    /// The most that it is billed.
    pub(crate) fn searches(&self) -> Searches {
        let most = self.read_most.unwrap_or(READ_MOST).get();
        let chunks = self.documents.iter().map(|bytes| chunks(self.query, *bytes.min(&most)));
        Searches::new(chunks.fold(0, u64::saturating_add).div_ceil(DOCUMENTS_A_SEARCH).max(1))
    }
}

/// The chunks that a document has, where query and document have at most so many tokens. The query
/// stands in each and takes half of it at most; what it has beyond that is taken for text of the
/// document, so that neither way to count a long query finds more.
fn chunks(query: u64, document: u64) -> u64 {
    let repeated = query.min(CHUNK_TOKENS / 2);
    let text = document.saturating_add(query - repeated);
    text.div_ceil(CHUNK_TOKENS - repeated).max(1)
}

const DOCUMENTS_A_SEARCH: u64 = 100;
const CHUNK_TOKENS: u64 = 500;
/// Cohere's own default of `max_tokens_per_doc`.
const READ_MOST: Tokens = Tokens::new(4096);
/// Escaped in YAML, a character outside ASCII has at most two and a half times its bytes.
const YAML_BYTES_A_BYTE: u64 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn searches(query: u64, documents: &[u64], read_most: Option<u64>) -> u64 {
        let mut ranking = Ranking::default();
        for bytes in documents {
            ranking.text(*bytes);
        }
        ranking.query(query);
        ranking.read_at_most(read_most.map(Tokens::new));
        ranking.searches().get()
    }

    #[test]
    fn a_search_is_a_hundred_documents_or_a_hundred_chunks() {
        let table = [
            (1, 100, None, 1),
            (100, 100, None, 1),
            (101, 100, None, 2),
            (201, 100, None, 3),
            // 490 of each document fit beside the query.
            (100, 490, None, 1),
            (100, 491, None, 2),
            // However long they are, 4096 tokens of each are read, or as many as the request says.
            (100, 1 << 40, None, 9),
            (100, 1 << 40, Some(980), 2),
            (100, 1 << 40, Some(40_000), 82),
        ];
        for (count, bytes, read_most, expected) in table {
            let found = searches(10, &vec![bytes; count], read_most);
            assert_eq!(found, expected, "{count} of {bytes} {read_most:?}");
        }
    }

    proptest! {
        /// However the rule is read: the query counted once, or in every chunk, where it is cut to
        /// half of one as Cohere's models do.
        #[test]
        fn no_way_to_cut_documents_makes_more_searches_than_the_bound(
            query in 1..5_000_u64,
            documents in proptest::collection::vec(1..9_000_u64, 1..250),
        ) {
            let read = documents.iter().map(|tokens| *tokens.min(&4096));
            let once: u64 = read.clone().map(|tokens| (tokens + query).div_ceil(500)).sum();
            let cut = query.min(250);
            let in_each: u64 = read.map(|tokens| tokens.div_ceil(500 - cut)).sum();
            let most = searches(query, &documents, None);
            prop_assert!(once.div_ceil(100) <= most, "{} of {}", once, most);
            prop_assert!(in_each.div_ceil(100) <= most, "{} of {}", in_each, most);
        }
    }
}
