//! The page that keeps figures: docs/PERFORMANCE.md, whose tables stand between marker lines.

use std::path::Path;

use anyhow::{Context, ensure};

/// What was measured, on what, and how often.
pub(super) fn head(runs: u32, quick: bool) -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let quick = if quick { ", quick form: the numbers mean nothing" } else { "" };
    let version = env!("CARGO_PKG_VERSION");
    format!("Version {version}, {}, medians of {runs} runs{quick}.", model.unwrap_or("unknown processor").trim())
}

/// A table as Markdown.
pub(super) fn markdown<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut text = format!("| {} |\n{}|\n", titles.join(" | "), "|---".repeat(N));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Puts a text between the marker lines of this name.
pub(super) fn write_between(file: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let held = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let parts = held.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    ensure!(parts.is_some(), "{} lacks the lines {begin} and {end}", file.display());
    let Some((before, after)) = parts else { return Ok(()) };
    std::fs::write(file, format!("{before}{begin}\n{text}{end}{after}"))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_between_its_markers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.md");
        let page =
            |text: &str| format!("a\n<!-- x: begin -->\n{text}<!-- x: end -->\n<!-- y: begin -->\n<!-- y: end -->\n");
        std::fs::write(&file, page("old\n")).unwrap();
        let table = markdown(["a", "b"], &[["1".to_owned(), "2".to_owned()]]);
        assert_eq!(table, "| a | b |\n|---|---|\n| 1 | 2 |\n");
        write_between(&file, "x", &table).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), page(&table));
        assert!(write_between(&file, "z", "new\n").is_err());
    }
}
