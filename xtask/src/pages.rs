//! Rules about everything that is not Rust: the pages, the links, the list of dependencies.
//!
//! A page that lies is worse than none, so what can be compared with the tree is compared.

use crate::arrows::dependencies;
use crate::tree::{Finding, Page, is_rust};

/// The two commands that the README promises, each a script at the root.
const COMMANDS: &[&str] = &["./demo", "./test"];
/// Pages whose tables name tests as proofs.
const PROVED: &[&str] = &["ARCHITECTURE.md", "docs/edge-cases.md"];
/// A name with fewer is a word, not a claim.
const PROOF_UNDERSCORES_MIN: usize = 3;
/// Folders of one person's machine.
const MACHINES: &[&str] =
    &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// Every rule about pages.
pub(crate) fn findings(pages: &[Page]) -> Vec<Finding> {
    let mut found = readme(pages);
    found.extend(reasons(pages));
    found.extend(proofs(pages));
    for page in pages {
        found.extend(machines(page));
        if page.is_markdown() {
            found.extend(links(page, pages));
            found.extend(files(page, pages));
        }
    }
    found
}

fn text<'a>(pages: &'a [Page], path: &str) -> &'a str {
    pages.iter().find(|page| page.path == path).map_or("", |page| &page.text)
}

fn readme(pages: &[Page]) -> Vec<Finding> {
    let lines: Vec<&str> = text(pages, "README.md").lines().map(str::trim).collect();
    let mut found = Vec::new();
    for command in COMMANDS {
        let script = &command[2..];
        if !lines.contains(command) {
            let says = format!("the command `{command}` is not there, on a line of its own");
            found.push(Finding::new("README.md", 1, says));
        }
        if !pages.iter().any(|page| page.path == script) {
            found.push(Finding::new("README.md", 1, format!("there is no script `{script}`")));
        }
    }
    found
}

/// Each dependency of the workspace has a line that says why, and each line a dependency.
fn reasons(pages: &[Page]) -> Vec<Finding> {
    let list = "docs/decisions/dependencies.md";
    let first_cell = |line: &str| line.strip_prefix("| `")?.split('`').next().map(str::to_owned);
    let listed: Vec<String> = text(pages, list).lines().filter_map(first_cell).collect();
    let manifest = dependencies(text(pages, "Cargo.toml"));
    let foreign = manifest.iter().filter(|dependency| !dependency.name.starts_with("tollgate-"));
    let mut found = Vec::new();
    for dependency in foreign.clone() {
        let is_used = |page: &Page| {
            page.path.ends_with("/Cargo.toml")
                && dependencies(&page.text).iter().any(|used| used.name == dependency.name)
        };
        if !pages.iter().any(is_used) {
            let says = format!("no crate uses `{}`", dependency.name);
            found.push(Finding::new("Cargo.toml", dependency.line, says));
        }
        if !listed.contains(&dependency.name) {
            let says = format!("`{}` has no line in {list}: what for, what else", dependency.name);
            found.push(Finding::new("Cargo.toml", dependency.line, says));
        }
    }
    for name in &listed {
        if !foreign.clone().any(|dependency| dependency.name == *name) {
            let says = format!("`{name}` is not a dependency of the workspace");
            found.push(Finding::new(list, 1, says));
        }
    }
    found
}

/// A test that a page names as proof exists, in Rust or in Python.
fn proofs(pages: &[Page]) -> Vec<Finding> {
    let is_test = |name: &str| {
        let is_plain =
            |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name.matches('_').count() >= PROOF_UNDERSCORES_MIN && name.bytes().all(is_plain)
    };
    let mut found = Vec::new();
    for page in pages.iter().filter(|page| PROVED.contains(&page.path.as_str())) {
        let rows = page.text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
        for (index, line) in rows {
            for name in line.split('`').skip(1).step_by(2).filter(|name| is_test(name)) {
                let made = [format!("fn {name}("), format!("def {name}(")];
                let is_made = |page: &Page| made.iter().any(|made| page.text.contains(made));
                if !pages.iter().any(is_made) {
                    let says = format!("there is no test `{name}`");
                    found.push(Finding::new(&page.path, index + 1, says));
                }
            }
        }
    }
    found
}

fn machines(page: &Page) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for folder in MACHINES {
            let starts = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|letter| letter.is_alphanumeric() || "./-_}~".contains(letter))
            };
            if line.match_indices(folder).any(|(at, _)| starts(at)) {
                let says = format!("`{folder}` is a folder of one machine");
                found.push(Finding::new(&page.path, index + 1, says));
            }
        }
    }
    found
}

/// Links to files of the tree lead somewhere.
fn links(page: &Page, pages: &[Page]) -> Vec<Finding> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = resolve(folder, target);
            let inside = format!("{path}/");
            if !pages.iter().any(|page| page.path == path || page.path.starts_with(&inside)) {
                let says = format!("the link to `{target}` leads nowhere");
                found.push(Finding::new(&page.path, index + 1, says));
            }
        }
    }
    found
}

/// Files of Rust that a page names in backticks exist; those of crates without `crates/`.
fn files(page: &Page, pages: &[Page]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        let named = line.split('`').skip(1).step_by(2);
        for name in named.filter(|name| name.contains("/src/") && is_rust(name)) {
            let inside = format!("crates/{name}");
            if !pages.iter().any(|page| page.path == name || page.path == inside) {
                let says = format!("there is no file `{name}`");
                found.push(Finding::new(&page.path, index + 1, says));
            }
        }
    }
    found
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> Page {
        Page { path: path.to_owned(), text: text.to_owned() }
    }

    fn house() -> Vec<Page> {
        vec![
            page("Cargo.toml", "[workspace.dependencies]\nbytes = \"1\"\n"),
            page("crates/wire/Cargo.toml", "[dependencies]\nbytes.workspace = true\n"),
            page("README.md", "```\n./demo\n./test\n```\n[list](docs/decisions/dependencies.md)\n"),
            page("demo", ""),
            page("docs/decisions/dependencies.md", "| `bytes` | buffers |\n"),
            page("test", ""),
        ]
    }

    fn messages(changed: Page) -> Vec<String> {
        let mut pages = house();
        pages.retain(|page| page.path != changed.path);
        pages.push(changed);
        findings(&pages).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_good_house_passes() {
        assert_eq!(findings(&house()), Vec::new());
    }

    #[test]
    fn a_readme_without_its_command_is_found() {
        let found = messages(page("README.md", "Run ./demo or\n./test\n"));
        assert_eq!(found, ["the command `./demo` is not there, on a line of its own"]);
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\nbytes = \"1\"\nhttp = \"1\"\n";
        let found = messages(page("Cargo.toml", manifest));
        assert!(found[0].contains("no crate uses `http`"), "{found:?}");
        assert!(found[1].contains("`http` has no line"), "{found:?}");
    }

    #[test]
    fn a_reason_without_a_dependency_is_found() {
        let list = "| `bytes` | buffers |\n| `left-pad` | spaces |\n";
        let found = messages(page("docs/decisions/dependencies.md", list));
        assert_eq!(found, ["`left-pad` is not a dependency of the workspace"]);
    }

    #[test]
    fn a_proof_that_does_not_exist_is_found() {
        let proof = page("a.rs", "fn a_law_that_always_holds() {}");
        let mut pages = house();
        pages.push(proof);
        pages.push(page("docs/edge-cases.md", "| `a_law_that_always_holds`, `max_tokens` |\n"));
        assert_eq!(findings(&pages), Vec::new());
        pages.push(page("ARCHITECTURE.md", "| `a_law_that_nobody_tests` |\n"));
        assert_eq!(findings(&pages)[0].message, "there is no test `a_law_that_nobody_tests`");
    }

    #[test]
    fn a_file_that_is_not_there_is_found() {
        let mut pages = house();
        pages.push(page("crates/wire/src/tap.rs", ""));
        pages.push(page("docs/a.md", "`wire/src/tap.rs`, `wire/src/tub.rs`\n"));
        assert_eq!(findings(&pages)[0].message, "there is no file `wire/src/tub.rs`");
    }

    #[test]
    fn a_folder_of_one_machine_is_found() {
        let line =
            format!("see {}ana/notes and https://example.com{}x\n", MACHINES[0], MACHINES[0]);
        assert_eq!(messages(page("docs/a.md", &line)).len(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let text = "[a](../README.md#top) [b](gone.md) [c](https://example.com) [d](decisions)\n";
        assert_eq!(messages(page("docs/a.md", text)), ["the link to `gone.md` leads nowhere"]);
    }
}
