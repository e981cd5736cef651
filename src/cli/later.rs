//! Verbs of a verb, described to the parser only when somebody asks for them.

use clap::error::Error;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};

/// The verbs of another verb, whose flags and texts are made once that one was named. A server never runs through those of
/// `bench` and `user`, and their code and words do not become resident memory of it.
pub(super) struct Later<V>(pub(super) V);

impl<V: FromArgMatches> FromArgMatches for Later<V> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        V::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        V::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<V: Subcommand> Subcommand for Later<V> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(V::augment_subcommands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        command.defer(V::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        V::has_subcommand(name)
    }
}
