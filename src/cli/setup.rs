//! `setup`: the administrator's account, without the one-time link.

use anyhow::bail;
use clap::Args;

use super::ask::{self, PasswordSource};
use super::output::Output;
use super::place::Place;
use super::user;
use crate::chat::{Name, Role};

/// Make the administrator's account
///
/// Does on the terminal what the one-time link that the server prints does in the browser. It asks for a name and, twice
/// and without showing it, for a password of 8 characters or more. It works before the first start and while the
/// server runs. Once there is an administrator it refuses: `sarangbang user add NAME --role admin` makes another.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang setup                       ask for name and password
  sarangbang setup --name alice --password-stdin < password.txt")]
pub(super) struct Setup {
    /// The administrator's name: at most 32 letters, digits, '.', '_' or '-', in any script
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    output: Output,
}

impl Setup {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        place
            .with_store(async |config, store| {
                if store.has_admin().await? {
                    bail!("there is an administrator already; `sarangbang user add NAME --role admin` makes another");
                }
                let name = match self.name {
                    Some(name) => name,
                    None => ask::text("Name of the administrator:", "--name NAME and --password-stdin")?.parse()?,
                };
                let account = user::add(store, name, Role::Admin, &self.password).await?;
                self.output.show(&account, || {
                    format!("{} is the administrator now; sign in at http://{}/login", account.name, config.listen)
                })
            })
            .await
    }
}
