//! Packs the vocabularies: `bpe-openai` embeds its tables as they lie in memory, 47 MB for the two
//! that are needed here. Compressed once at build time they are 19 MB, and the binary need not
//! carry the originals; loading one takes a moment longer, once.
#![allow(clippy::unwrap_used, reason = "a build that cannot pack its tables must stop")]

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var_os("OUT_DIR").unwrap();
    let tables = [("cl100k", bpe_openai::cl100k_base()), ("o200k", bpe_openai::o200k_base())];
    for (name, tokenizer) in tables {
        let file = File::create(Path::new(&out).join(format!("{name}.zst"))).unwrap();
        let packed = zstd::Encoder::new(file, LEVEL).unwrap().auto_finish();
        let mut packed = BufWriter::with_capacity(1 << 16, packed);
        rmp_serde::encode::write(&mut packed, &tokenizer.bpe).unwrap();
    }
}

/// The highest that does not need more memory to unpack; ten seconds, once a build profile.
const LEVEL: i32 = 19;
