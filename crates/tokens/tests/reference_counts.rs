//! The counts are those of tiktoken itself, for texts of every kind.
//!
//! `data/reference_counts.json` was made by `data/reference_counts.py`, which says how.

use serde::Deserialize;
use tollgate_tokens::{Encoding, count_text};

#[derive(Deserialize)]
struct Row {
    text: String,
    times: usize,
    cl100k: u64,
    o200k: u64,
}

#[test]
fn every_count_is_that_of_tiktoken() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("data/reference_counts.json")).expect("valid");
    assert!(rows.len() >= 200, "{} rows", rows.len());
    // Twice: the second round counts from what the first one remembered.
    for row in rows.iter().chain(&rows) {
        let text = row.text.repeat(row.times);
        let counted = [Encoding::Cl100k, Encoding::O200k].map(|one| count_text(one, &text).get());
        assert_eq!(counted, [row.cl100k, row.o200k], "{:?} × {}", row.text, row.times);
    }
}
