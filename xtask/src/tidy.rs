//! The house rules that no lint can check, all of them, over the whole tree.
//!
//! Each rule is a small function beside its failing fixture. They run under `cargo test` as well,
//! so nobody has to remember them.

use std::path::Path;

use crate::shell::Failure;
use crate::tree::{self, Finding};
use crate::{arrows, glossary, names, pages, source};

/// Prints what was found, and fails if there was anything.
pub(crate) fn report(root: &Path) -> Result<(), Failure> {
    let found = findings(root)?;
    for finding in &found {
        eprintln!("{finding}");
    }
    match found.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("tidy: {count} found"))),
    }
}

fn findings(root: &Path) -> Result<Vec<Finding>, Failure> {
    let tree = tree::pages(root)?;
    let vocabulary = tree.iter().find(|page| page.path == "docs/vocabulary.md");
    let mut found = arrows::findings(&tree);
    found.extend(glossary::findings(vocabulary.map_or("", |page| &page.text), &tree));
    found.extend(pages::findings(&tree));
    for page in tree.iter().filter(|page| page.is_rust()) {
        found.extend(source::findings(page, arrows::is_pure(&page.path)));
        found.extend(names::findings(page));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let found = findings(&tree::root()).unwrap();
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
