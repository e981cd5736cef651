//! The table of findings in docs/OPERATIONS.md, held against the source.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every text of the source that is built like an id, `about.matter`, and begins with something that is looked at.
fn of_the_source() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let looks = std::fs::read_dir(folder.join("look")).unwrap().map(|file| file.unwrap().path());
    let texts = looks.chain([folder.join("finding.rs")]).map(|path| std::fs::read_to_string(path).unwrap());
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit());
    let abouts = [
        "address",
        "authority",
        "backup",
        "certificate",
        "clock",
        "configuration",
        "data",
        "disk",
        "dns",
        "journal",
        "limits",
        "operator",
        "ports",
        "redis",
        "server",
        "units",
    ];
    let mut ids = BTreeSet::new();
    for text in texts {
        let code = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
        // A string begins at every other quote; those with a quote in them are no ids.
        for literal in code.split('"') {
            if let Some((about, matter)) = literal.split_once('.')
                && abouts.contains(&about)
                && is_part(matter)
            {
                ids.insert(literal.to_owned());
            }
        }
    }
    ids
}

#[test]
fn the_table_of_findings_has_exactly_those_of_the_source() {
    let document = read("docs/OPERATIONS.md");
    let section = document.split("\n## Troubleshooting from doctor's findings\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut documented = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, meaning, fix] = cells.as_slice() else { panic!("{line}") };
        assert!(meaning.len() > 15 && fix.len() > 8, "{line}");
        assert!(documented.insert(id.trim_matches('`').to_owned()), "twice: {line}");
    }
    let source = of_the_source();
    assert!(source.len() > 60, "only {} were found", source.len());
    let missing: Vec<_> = source.difference(&documented).collect();
    let left: Vec<_> = documented.difference(&source).collect();
    assert!(missing.is_empty() && left.is_empty(), "not in the table: {missing:?}; only there: {left:?}");
}
