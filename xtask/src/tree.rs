//! The files of the repository, as the rules see them.
//!
//! Everything is read from the disk, not from git, so that a rule speaks before the commit. Paths
//! are relative to the root with forward slashes. Wrong when a build writes outside `target`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::Failure;

/// A text file of the tree.
#[derive(Debug)]
pub(crate) struct Page {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    pub(crate) fn is_markdown(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "md")
    }
}

/// Whether a path is that of a Rust file.
pub(crate) fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Something that a rule found.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file that people write, sorted by path; binary files are left out.
pub(crate) fn pages(root: &Path) -> Result<Vec<Page>, Failure> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(folder) = todo.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| Failure::at(&folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| Failure::at(&folder, &error))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_none_or(|name| SKIPPED.contains(&name.as_str())) || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                todo.push(path);
            } else if let Some(page) = read(root, &path)? {
                found.push(page);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn read(root: &Path, path: &Path) -> Result<Option<Page>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::at(path, &error))?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(Some(Page { path: relative.to_string_lossy().replace('\\', "/"), text }))
}

/// Folders and files that nobody writes by hand.
const SKIPPED: &[&str] = &[
    ".git",
    ".pytest_cache",
    ".venv",
    "Cargo.lock",
    "__pycache__",
    "node_modules",
    "package-lock.json",
    "target",
];
