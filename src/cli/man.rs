//! `man`: the manual pages, made of the same definitions as the help.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

use super::place::Usage;
use super::{Cli, output};

/// Print a manual page, or write all of them into a folder
///
/// There is one page for sarangbang and one for each verb, such as sarangbang-user-add(1). They say what --help says. The
/// Debian package has them in place already.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang man | man -l -
  sarangbang man user add | man -l -
  sarangbang man --into /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The verb whose page it is; without one, the page of sarangbang itself
    verb: Vec<String>,
    /// Write every page into this folder, which is made where it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    into: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let root = described();
        if let Some(folder) = &self.into {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            return write_all(&root, folder);
        }
        let mut command = &root;
        for name in &self.verb {
            command = command.find_subcommand(name).ok_or_else(|| {
                let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
                Usage(format!("there is no verb {name:?} here; there are: {}", known.join(", ")))
            })?;
        }
        output::line(page(command)?.trim_end()).context("the page cannot be written to stdout")
    }
}

/// The command line with everything that is derived: full names, and the flags that every verb takes.
fn described() -> Command {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    root
}

fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(file_name(command));
    std::fs::write(&path, page(command)?).with_context(|| format!("{} cannot be written", path.display()))?;
    command.get_subcommands().try_for_each(|verb| write_all(verb, folder))
}

/// `sarangbang-user-add.1`.
fn file_name(command: &Command) -> String {
    format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()))
}

fn page(command: &Command) -> anyhow::Result<String> {
    let source = concat!("Sarangbang ", env!("CARGO_PKG_VERSION"));
    let page = Page::new(command.clone()).source(source).manual("Sarangbang");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        after(&help.to_string()).to_writer(&mut text)?;
    }
    if let Some((parent, _)) = command.get_bin_name().and_then(|name| name.rsplit_once(' ')) {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman(format!("{}(1)", parent.replace(' ', "-")))]);
        roff.to_writer(&mut text)?;
    }
    Ok(String::from_utf8(text)?)
}

/// What stands below the flags in the help: examples stay line for line, what follows them is text.
fn after(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut noted = false;
    for block in help.split("\n\n") {
        let mut lines = block.lines().peekable();
        if lines.next_if(|line| line.starts_with("Example")).is_some() {
            roff.control("SH", ["EXAMPLES"]);
        } else if !noted {
            noted = true;
            roff.control("SH", ["NOTES"]);
        } else {
            roff.control("PP", []);
        }
        roff.control("nf", []);
        lines.for_each(|line| {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        });
        roff.control("fi", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(command: &Command, pages: &Path, count: &mut usize) {
        *count += 1;
        let path = pages.join(file_name(command));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // roff writes a hyphen that is meant as one as "\-".
        let text = text.replace("\\-", "-");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXAMPLES"] {
            assert!(text.contains(section), "{section} is missing in {}:\n{text}", path.display());
        }
        for verb in command.get_subcommands() {
            let name = file_name(verb).replace(".1", "(1)");
            assert!(text.contains(&name), "{} does not name {name}:\n{text}", path.display());
            look(verb, pages, count);
        }
        for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{flag}")), "{} does not name --{flag}:\n{text}", path.display());
        }
    }

    #[test]
    fn every_verb_has_a_page_that_names_its_flags_and_verbs() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("share/man1");
        Man { verb: Vec::new(), into: Some(pages.clone()) }.run().unwrap();
        let mut count = 0;
        look(&described(), &pages, &mut count);
        assert!(count > 15, "only {count} pages");
        assert_eq!(std::fs::read_dir(&pages).unwrap().count(), count);
    }

    #[test]
    fn a_page_keeps_the_lines_of_its_examples() {
        let page = page(described().find_subcommand("man").unwrap()).unwrap();
        assert!(page.contains("\n.nf\nsarangbang man | man \\-l \\-\nsarangbang man user add"), "{page}");
    }

    #[test]
    fn a_verb_that_is_not_there_is_answered_with_those_that_are() {
        let wrong = Man { verb: vec!["user".into(), "ad".into()], into: None }.run().unwrap_err();
        assert!(wrong.is::<Usage>() && wrong.to_string().contains("add, list"), "{wrong}");
    }
}
