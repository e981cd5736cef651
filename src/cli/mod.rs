//! The command line: one verb a file, each with a help text that teaches it.
//!
//! It knows the whole configuration and the store; it must not know sockets or sessions. Invariants: standard output
//! holds what was asked for and nothing else; a password is never an argument and never printed.
//!
//! Exit codes: 0 done, 1 what was asked for failed, 2 the command or the configuration is wrong.

mod anybody;
mod ask;
mod backup;
mod bench;
mod check;
mod completions;
mod doctor;
mod finding;
mod handover;
mod later;
mod look;
mod man;
mod output;
mod peek;
mod place;
mod restore;
mod room;
mod serve;
mod setup;
mod store;
mod token;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::place::{Place, Usage};
use crate::config::ConfigError;

/// Sarangbang, a whole chat service in one program
///
/// Rooms over STOMP and WebSocket, with accounts, history and its own web page. `sarangbang serve` is all it takes:
/// it serves http://127.0.0.1:8080 and keeps everything in ./data.
#[derive(Parser)]
#[command(version = VERSION, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

/// What `--version` says: version, commit, system.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROGRAM_BUILD"), ")");

const EXAMPLES: &str = "\
Examples:
  sarangbang serve                       serve on this computer
  sarangbang setup                       make the administrator's account
  sarangbang user add alice              make another account
  sarangbang check                       look for what is wrong before starting
  sarangbang handover                    upgrade in place: the program there now takes over
  sarangbang doctor                      examine the installation: names, certificate, disk, clock

Configuration: defaults < sarangbang.toml < SARANGBANG_* variables < flags.
Everything that changes data works while the server runs.
`sarangbang help VERB` tells more about each verb.

Exit codes: 0 done, 1 what was asked for failed, 2 the command or the configuration is wrong.";

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Setup(setup::Setup),
    User(user::User),
    Room(room::Room),
    Token(token::Token),
    Store(store::StoreVerb),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Handover(handover::Handover),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// The command line of this process. Ends it by itself with help, or with usage and exit code 2.
    pub fn read() -> Self {
        Self::parse()
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// Why it could not be done; [`report`] says it.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let done = |()| ExitCode::SUCCESS;
        match self.verb {
            Verb::Serve(verb) => verb.run(&self.place).await.map(done),
            Verb::Setup(verb) => verb.run(&self.place).await.map(done),
            Verb::User(verb) => verb.run(&self.place).await.map(done),
            Verb::Room(verb) => verb.run(&self.place).await.map(done),
            Verb::Token(verb) => verb.run(&self.place).await.map(done),
            Verb::Store(verb) => verb.run(&self.place).await,
            Verb::Backup(verb) => verb.run(&self.place).await.map(done),
            Verb::Restore(verb) => verb.run(&self.place).await.map(done),
            Verb::Handover(verb) => verb.run(&self.place).await,
            Verb::Check(verb) => verb.run(&self.place).await,
            Verb::Doctor(verb) => verb.run(&self.place).await,
            Verb::Bench(verb) => verb.run(&self.place).await,
            Verb::Completions(verb) => verb.run().map(done),
            Verb::Man(verb) => verb.run().map(done),
        }
    }
}

/// Says on stderr why something failed, with every cause, and answers the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    output::note(format_args!("error: {error:#}"));
    if error.is::<ConfigError>() || error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_verb_teaches_by_example() {
        fn look(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{help}");
            command.get_subcommands_mut().filter(|verb| verb.get_name() != "help").for_each(look);
        }
        look(&mut Cli::command());
    }

    #[test]
    fn every_verb_says_in_words_of_its_own_what_it_does() {
        fn look(command: &clap::Command, said: &mut Vec<String>) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !said.contains(&about), "{}: {about:?}", command.get_name());
            said.push(about);
            command.get_subcommands().for_each(|verb| look(verb, said));
        }
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        look(&root, &mut Vec::new());
    }
}
