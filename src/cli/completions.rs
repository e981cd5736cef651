//! `completions`: what a shell completes after `sarangbang`.

use anyhow::Context;
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use super::output;

/// Print what a shell has to know to complete verbs and flags
///
/// Where the shell looks for it differs: the Debian package has put it in place for all three; by hand, see the examples.
/// It takes effect in the next shell that is started.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang completions bash > ~/.local/share/bash-completion/completions/sarangbang
  sarangbang completions zsh > ~/.zfunc/_sarangbang
  sarangbang completions fish > ~/.config/fish/completions/sarangbang.fish")]
pub(super) struct Completions {
    /// Which shell asks
    shell: Asking,
}

/// The shells that the completions are tried with.
#[derive(Clone, Copy, ValueEnum)]
enum Asking {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        output::line(self.text()?.trim_end()).context("the completions cannot be written to stdout")
    }

    fn text(&self) -> anyhow::Result<String> {
        let shell = match self.shell {
            Asking::Bash => Shell::Bash,
            Asking::Zsh => Shell::Zsh,
            Asking::Fish => Shell::Fish,
        };
        let mut text = Vec::new();
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut text);
        Ok(String::from_utf8(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verbs(command: &clap::Command, found: &mut Vec<String>) {
        for verb in command.get_subcommands() {
            found.push(verb.get_name().to_owned());
            verbs(verb, found);
        }
    }

    #[test]
    fn every_shell_is_told_every_verb_and_flag() {
        let mut command = Cli::command();
        command.build();
        let mut names = Vec::new();
        verbs(&command, &mut names);
        assert!(names.len() > 15, "{names:?}");
        let flags = ["password-stdin", "acme-email", "config"].map(str::to_owned);
        for shell in [Asking::Bash, Asking::Zsh, Asking::Fish] {
            let text = Completions { shell }.text().unwrap();
            let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
            for name in names.iter().chain(&flags) {
                let known = words.iter().any(|word| word.trim_start_matches('-') == name);
                assert!(known, "{name} is not completed:\n{text}");
            }
        }
    }
}
