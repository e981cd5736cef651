//! The house rules that a machine can keep: layers, purity, sizes, documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers of docs/ARCHITECTURE.md, bottom first. An import points downwards; modules of one layer never import
/// each other.
const LAYERS: &[&[&str]] = &[
    &["stomp", "chat", "meter"],
    &["session", "auth", "store"],
    &["node", "config"],
    &["tls"],
    &["http", "ops"],
    &["serve"],
    &["cli"],
    &["main"],
];

/// What the pure layers must not name: I/O, clocks, randomness, async.
const IMPURE: &[&str] =
    &["Instant::now", "SystemTime", "std::fs", "std::net", "std::thread", "tokio", "async ", ".await", "rand"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

fn files(under: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(under)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|held| held == ending) {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// The module of the crate that a file belongs to.
fn module(file: &Path) -> String {
    let first = file.strip_prefix("src").unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// A file without its comments and its tests.
fn code(file: &Path) -> String {
    let text = read(file);
    let own = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    own.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn is_test(file: &Path) -> bool {
    let name = file.file_stem().unwrap().to_str().unwrap();
    file.components().any(|part| part.as_os_str() == "tests") || name.ends_with("tests") || name == "properties"
}

/// The modules that a text names by `crate::`, also within braces.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match part.strip_prefix('{') {
            Some(group) => {
                let group = group.split(';').next().unwrap_or_default();
                found.extend(group.split(',').map(|name| word(name.trim())));
            }
            None => {
                found.insert(word(part));
            }
        }
    }
    found
}

#[test]
fn imports_point_downwards_only() {
    let layer: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(at, names)| names.iter().map(move |name| (*name, at))).collect();
    let mut broken = Vec::new();
    for file in files("src", "rs").into_iter().filter(|file| !is_test(file)) {
        let own = module(&file);
        if own == "lib" {
            continue;
        }
        let at = *layer.get(&*own).unwrap_or_else(|| panic!("{own} stands in no layer"));
        for name in named(&code(&file)) {
            if let Some(below) = layer.get(&*name)
                && name != own
                && *below >= at
            {
                broken.push(format!("{} imports {name}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_scan_for_imports_sees_braces_and_paths() {
    let text = "use crate::{chat::Name, node::Hub};\nlet a = crate::store::x();";
    assert_eq!(named(text).into_iter().collect::<Vec<_>>(), ["chat", "node", "store"]);
}

#[test]
fn the_pure_layers_have_no_io_no_clock_no_randomness_and_no_async() {
    let mut broken = Vec::new();
    for layer in ["stomp", "chat", "session"] {
        for file in files(&format!("src/{layer}"), "rs").into_iter().filter(|file| !is_test(file)) {
            let text = code(&file);
            let found = IMPURE.iter().filter(|word| text.contains(**word));
            broken.extend(found.map(|word| format!("{} names {word}", file.display())));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn files_are_read_in_one_sitting() {
    let mut sizes: Vec<(usize, PathBuf)> = files("src", "rs")
        .into_iter()
        .filter(|file| !is_test(file))
        .map(|file| (read(&file).split("\n#[cfg(test)]").next().unwrap().lines().count(), file))
        .collect();
    sizes.sort();
    let (longest, file) = sizes.last().unwrap();
    assert!(*longest <= 400, "{} has {longest} lines", file.display());
    let median = sizes[sizes.len() / 2].0;
    assert!((60..=150).contains(&median), "the median file has {median} lines");
}

#[test]
fn every_limit_has_a_reason_and_is_used() {
    let limits = read("src/chat/limits.rs");
    let used: String = files("src", "rs")
        .iter()
        .filter(|file| !file.ends_with("limits.rs") && !file.starts_with("src/config") && !is_test(file))
        .map(|file| code(file))
        .collect();
    let lines: Vec<&str> = limits.lines().map(str::trim).collect();
    let mut count = 0;
    for (at, line) in lines.iter().enumerate() {
        let name =
            line.strip_prefix("pub const ").or_else(|| line.strip_prefix("pub ")).and_then(|l| l.split(':').next());
        let Some(name) = name.filter(|name| !name.contains(' ') && line.contains(": ")) else { continue };
        count += 1;
        assert!(lines[at - 1].starts_with("///"), "{name} says nothing");
        assert!(used.contains(name), "{name} limits nothing");
    }
    assert!(count > 30, "only {count} limits were found");
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = read("Cargo.toml");
    let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]"));
    for line in sections.flat_map(str::lines).filter(|line| line.contains(" = ")) {
        let reason = line.rsplit_once("# ").map_or("", |(_, reason)| reason);
        assert!(reason.len() > 10, "no reason: {line}");
    }
}

#[test]
fn there_is_one_provider_of_cryptography() {
    // What is built counts: the lock file also names what optional parts of a dependency would need.
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--target", "all", "--edges", "normal,build", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let built: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    for other in ["ring", "rsa", "openssl", "native-tls"] {
        assert!(!built.contains(other), "{other} came in beside aws-lc-rs");
    }
    assert!(built.contains("aws-lc-rs") && built.contains("rustls"), "{tree}");
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let text = read("docs/ARCHITECTURE.md");
    let mut count = 0;
    for name in text.split('`').skip(1).step_by(2) {
        let is_path = name.contains('/') && !name.contains([' ', ':', '{', '*', '<']) && !name.starts_with('/');
        if is_path
            && ["src", "web", "tests", "fuzz", "docs", ".ci"].contains(&name.split('/').next().unwrap_or_default())
        {
            count += 1;
            assert!(root().join(name).exists(), "docs/ARCHITECTURE.md names {name}, which is not there");
        }
    }
    assert!(count > 30, "only {count} paths were found");
}

#[test]
fn every_module_stands_in_the_architecture() {
    let text = read("docs/ARCHITECTURE.md");
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("src/{name}")), "docs/ARCHITECTURE.md does not name src/{name}");
    }
}

#[test]
fn the_readme_is_short_and_its_table_names_every_key() {
    let readme = read("README.md");
    assert!(readme.lines().count() < 200);
    let example = read("sarangbang.example.toml");
    let mut section = String::new();
    let mut count = 0;
    for line in example.lines().map(|line| line.trim_start_matches('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            count += 1;
            let named = readme.contains(&format!("`{section}{key}`"))
                || (section == "limits." && readme.contains("`limits.*`"));
            assert!(named, "README.md does not name {section}{key}");
        }
    }
    assert!(count > 40, "only {count} keys were found");
}

#[test]
fn no_open_end_stands_without_an_issue() {
    let words = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X"];
    for (folder, ending) in [("src", "rs"), ("tests", "rs"), ("web/src", "ts"), ("web/src", "svelte"), ("docs", "md")] {
        for file in files(folder, ending) {
            for line in read(&file).lines() {
                let open = words.iter().any(|word| line.contains(&**word)) && !line.contains("(#");
                assert!(!open, "{}: {line}", file.display());
            }
        }
    }
}
