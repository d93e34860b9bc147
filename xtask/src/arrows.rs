//! Who may know whom: the arrows between the crates, compared with the manifests.
//!
//! Ring 0 is words, ring 1 is pure decisions, ring 2 touches the world, ring 3 wires it. An arrow
//! that is missing here is a decision that nobody took yet: change ARCHITECTURE.md in the same
//! commit. Manifests are read line by line, which is enough for the plain form that ours have; a
//! dependency in any other form is a finding, not a hole.

use crate::tree::{Finding, Page};

/// One crate: its folder under `crates/`, the ring, and the crates of ours that it may know.
#[derive(Debug)]
pub(crate) struct Arrows {
    folder: &'static str,
    ring: u8,
    knows: &'static [&'static str],
    /// Besides those, in tests, examples and benchmarks only.
    tests_know: &'static [&'static str],
}

const fn arrows(
    folder: &'static str,
    ring: u8,
    knows: &'static [&'static str],
    tests_know: &'static [&'static str],
) -> Arrows {
    Arrows { folder, ring, knows, tests_know }
}

const ARROWS: &[Arrows] = &[
    arrows("units", 0, &[], &[]),
    arrows("limits", 1, &["units"], &[]),
    arrows("routing", 1, &["units"], &[]),
    arrows("wire", 1, &["units"], &[]),
    arrows("jwt", 1, &["units", "wire"], &[]),
    arrows("tokens", 1, &["units", "wire"], &[]),
    arrows("policy", 1, &["limits", "tokens", "units", "wire"], &[]),
    arrows("config", 2, &["jwt", "limits", "policy", "tokens", "units", "wire"], &[]),
    arrows("client", 2, &["limits", "routing", "units", "wire"], &[]),
    arrows("store", 2, &["limits", "units"], &[]),
    arrows("sim", 2, &["tokens", "units", "wire"], &[]),
    arrows(
        "gateway",
        2,
        &["jwt", "limits", "policy", "routing", "store", "tokens", "units", "wire"],
        &["config", "sim", "testkit"],
    ),
    arrows(
        "admin",
        2,
        &["config", "gateway", "limits", "policy", "store", "tokens", "units", "wire"],
        &["sim", "testkit"],
    ),
    arrows(
        "testkit",
        2,
        &[
            "config", "gateway", "jwt", "limits", "policy", "sim", "store", "tokens", "units",
            "wire",
        ],
        &[],
    ),
    arrows(
        "tollgate",
        3,
        &[
            "admin", "config", "gateway", "jwt", "limits", "policy", "sim", "store", "tokens",
            "units", "wire",
        ],
        &["testkit"],
    ),
];

/// What rings 0 and 1 may use of other people's: nothing that reads, waits or asks the time.
const PURE: &[&str] = &[
    "aws-lc-rs",
    "blake3",
    "bpe-openai",
    "bytes",
    "hashbrown",
    "http",
    "itoa",
    "jiff",
    "memchr",
    "rmp-serde",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "zstd",
];

/// What only tests, examples and benchmarks may use, in any ring.
const TESTS_ONLY: &[&str] = &["criterion", "governor", "proptest", "rcgen"];

/// A dependency as a manifest states it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) is_dev: bool,
}

/// Whether a path belongs to ring 0 or 1.
pub(crate) fn is_pure(path: &str) -> bool {
    let pure = ARROWS.iter().filter(|arrows| arrows.ring <= 1);
    pure.into_iter().any(|arrows| path.starts_with(&format!("crates/{}/src/", arrows.folder)))
}

/// Every rule about the manifests of the crates.
pub(crate) fn findings(pages: &[Page]) -> Vec<Finding> {
    let is_manifest =
        |page: &&Page| page.path.starts_with("crates/") && page.path.ends_with("/Cargo.toml");
    pages.iter().filter(is_manifest).flat_map(manifest).collect()
}

fn manifest(page: &Page) -> Vec<Finding> {
    let folder = page.path.split('/').nth(1).unwrap_or_default();
    let Some(arrows) = ARROWS.iter().find(|arrows| arrows.folder == folder) else {
        let says = "a crate without a ring: give it a line in xtask/src/arrows.rs";
        return vec![Finding::new(&page.path, 1, says)];
    };
    let mut found = house(page, folder);
    for dependency in dependencies(&page.text) {
        if let Some(says) = objection(arrows, &dependency) {
            found.push(Finding::new(&page.path, dependency.line, says));
        }
    }
    found
}

/// The name of the package, and the lints that it must not leave out.
fn house(page: &Page, folder: &str) -> Vec<Finding> {
    let name = if folder == "tollgate" { folder.to_owned() } else { format!("tollgate-{folder}") };
    let mut found = Vec::new();
    if !page.text.contains(&format!("name = \"{name}\"\n")) {
        found.push(Finding::new(&page.path, 1, format!("the package here is `{name}`")));
    }
    if !page.text.contains("[lints]\nworkspace = true\n") {
        found.push(Finding::new(&page.path, 1, "the lints are the workspace's: `[lints]`"));
    }
    found
}

fn objection(arrows: &Arrows, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let folder = arrows.folder;
    if let Some(ours) = name.strip_prefix("tollgate-") {
        let knows = arrows.knows.contains(&ours)
            || (dependency.is_dev && arrows.tests_know.contains(&ours));
        return (!knows).then(|| format!("`{folder}` may not know `{ours}`"));
    }
    if TESTS_ONLY.contains(&name) {
        return (!dependency.is_dev).then(|| format!("`{name}` is for tests: dev-dependencies"));
    }
    let is_pure = PURE.contains(&name);
    (arrows.ring <= 1 && !is_pure && !dependency.is_dev)
        .then(|| format!("`{folder}` is pure and `{name}` is not known to be"))
}

/// The dependencies of a manifest, of every kind and target.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some(name) = line.split(['.', '=', ' ']).next()
            && !name.is_empty()
            && !name.starts_with('#')
        {
            let is_dev = section.ends_with("dev-dependencies");
            found.push(Dependency { name: name.to_owned(), line: index + 1, is_dev });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(folder: &str, dependencies: &str) -> Vec<String> {
        let name = if folder == "tollgate" { "tollgate" } else { &format!("tollgate-{folder}") };
        let text = format!(
            "[package]\nname = \"{name}\"\n\n[lints]\nworkspace = true\n\n{dependencies}\n"
        );
        let page = Page { path: format!("crates/{folder}/Cargo.toml"), text };
        findings(&[page]).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_arrow_of_the_table_passes() {
        let text = "[dependencies]\ntollgate-units.workspace = true\nhttp = { workspace = true }";
        assert!(messages("wire", text).is_empty());
    }

    #[test]
    fn an_arrow_that_nobody_drew_is_found() {
        let text = "[dependencies]\ntollgate-tokens.workspace = true";
        assert_eq!(messages("limits", text), ["`limits` may not know `tokens`"]);
        let text = "[target.'cfg(unix)'.dependencies]\ntollgate-gateway.workspace = true";
        assert_eq!(messages("store", text), ["`store` may not know `gateway`"]);
    }

    #[test]
    fn tests_may_know_the_simulator_and_the_product_may_not() {
        assert!(
            messages("gateway", "[dev-dependencies]\ntollgate-sim.workspace = true").is_empty()
        );
        assert_eq!(messages("gateway", "[dependencies]\ntollgate-sim.workspace = true").len(), 1);
    }

    #[test]
    fn ring_1_may_not_wait() {
        let text = "[dependencies]\ntokio.workspace = true";
        assert_eq!(messages("policy", text), ["`policy` is pure and `tokio` is not known to be"]);
        assert!(messages("gateway", text).is_empty());
    }

    #[test]
    fn a_test_tool_is_not_shipped() {
        assert_eq!(messages("limits", "[dependencies]\nproptest.workspace = true").len(), 1);
        assert!(messages("limits", "[dev-dependencies]\nproptest.workspace = true").is_empty());
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        assert!(messages("cache", "")[0].contains("without a ring"));
    }

    #[test]
    fn a_crate_that_leaves_out_the_lints_is_found() {
        let page = Page {
            path: "crates/wire/Cargo.toml".to_owned(),
            text: "[package]\nname = \"wire\"\n".to_owned(),
        };
        assert_eq!(findings(&[page]).len(), 2);
    }
}
