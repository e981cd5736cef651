//! `user`: the accounts.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::ask::PasswordSource;
use super::later::Later;
use super::output::{self, Output};
use super::place::Place;
use crate::auth::Passwords;
use crate::chat::{Name, Role};
use crate::store::{Account, NewAccount, Secret, Store, StoreError};

/// Accounts: add, list, new password, disable, enable, change the role
///
/// Roles: `admin` may do everything, `user` may chat, `guest` may sign in but not chat. Changes count within a
/// second, also for a running server: whoever is disabled, or gets another role or password, is signed out everywhere.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang user add alice              ask for the password
  sarangbang user add bot --password-stdin < password.txt
  sarangbang user role alice admin
  sarangbang user list --json")]
pub(super) struct User {
    #[command(subcommand)]
    verb: Later<Verb>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// Add an account
    ///
    /// The name has at most 32 letters, digits, '.', '_' or '-', in any script. The password has 8 characters or
    /// more; it is asked for twice, or read from standard input with --password-stdin.
    #[command(after_help = "\
Examples:
  sarangbang user add alice
  sarangbang user add boss --role admin --password-stdin < password.txt")]
    Add {
        /// The name to sign in with
        name: Name,
        /// What the person may do: user, guest or admin
        #[arg(long, default_value = "user")]
        role: Role,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all accounts
    #[command(after_help = "Example:\n  sarangbang user list --json")]
    List,
    /// Set a new password, and sign the account out everywhere
    #[command(after_help = "\
Examples:
  sarangbang user passwd alice
  sarangbang user passwd alice --password-stdin < password.txt")]
    Passwd {
        /// Whose password
        name: Name,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Forbid an account to sign in, and sign it out everywhere
    #[command(after_help = "Example:\n  sarangbang user disable alice")]
    Disable {
        /// Whose account
        name: Name,
    },
    /// Allow a disabled account to sign in again
    #[command(after_help = "Example:\n  sarangbang user enable alice")]
    Enable {
        /// Whose account
        name: Name,
    },
    /// Give an account another role, and sign it out everywhere
    #[command(after_help = "Example:\n  sarangbang user role alice guest")]
    Role {
        /// Whose account
        name: Name,
        /// What the person may do: user, guest or admin
        role: Role,
    },
}

/// An account as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    pub(super) name: String,
    role: Role,
    disabled: bool,
    created_at: i64,
}

impl User {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let output = self.output;
        match self.verb.0 {
            Verb::Add { name, role, password } => {
                let added = place.with_store(async |_, store| add(store, name, role, &password).await).await?;
                output.show(&added, || format!("{} is added with the role {role}", added.name))
            }
            Verb::List => place.with_existing_store(async |_, store| list(store, &output).await).await,
            Verb::Passwd { name, password } => {
                let change = async |store: &Store| {
                    existing(store, &name).await?;
                    let hash = hashed(&password, &name).await?;
                    store.set_password(&name, hash).await.map_err(anyhow::Error::from)
                };
                change_account(place, &output, &name, "has a new password, and is signed out everywhere", change).await
            }
            Verb::Disable { name } => {
                let change = async |store: &Store| Ok(store.set_disabled(&name, true).await?);
                change_account(place, &output, &name, "is disabled, and is signed out everywhere", change).await
            }
            Verb::Enable { name } => {
                let change = async |store: &Store| Ok(store.set_disabled(&name, false).await?);
                change_account(place, &output, &name, "may sign in", change).await
            }
            Verb::Role { name, role } => {
                let change = async |store: &Store| Ok(store.set_role(&name, role).await?);
                let text = format!("has the role {role} now, and is signed out everywhere");
                change_account(place, &output, &name, &text, change).await
            }
        }
    }
}

/// Adds an account, after the name is known to be free: nobody should type a password for nothing.
pub(super) async fn add(store: &Store, name: Name, role: Role, password: &PasswordSource) -> anyhow::Result<Shown> {
    if store.account(&name).await?.is_some() {
        return Err(StoreError::NameTaken).context(name);
    }
    let password_hash = hashed(password, &name).await?;
    let account = NewAccount { name: name.clone(), role, password_hash, invitation: None };
    Ok(shown(&store.add_account(account).await.context(name)?))
}

/// The account, or a refusal that names it.
pub(super) async fn existing(store: &Store, name: &Name) -> anyhow::Result<Account> {
    let account = store.account(name).await?;
    account.with_context(|| format!("there is no account of the name {name}; `sarangbang user list` shows all"))
}

async fn list(store: &Store, output: &Output) -> anyhow::Result<()> {
    let accounts: Vec<_> = store.accounts().await?.iter().map(shown).collect();
    output.show(&accounts, || {
        let row = |account: &Shown| {
            let state = if account.disabled { "disabled" } else { "active" };
            [account.name.clone(), account.role.to_string(), state.to_owned(), output::time(account.created_at)]
        };
        let rows: Vec<_> = accounts.iter().map(row).collect();
        output::table(["NAME", "ROLE", "STATE", "SINCE"], &rows)
    })
}

async fn change_account(
    place: &Place,
    output: &Output,
    name: &Name,
    text: &str,
    change: impl AsyncFnOnce(&Store) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    place
        .with_existing_store(async |_, store| {
            existing(store, name).await?;
            change(store).await?;
            let account = shown(&existing(store, name).await?);
            output.show(&account, || format!("{} {text}", account.name))?;
            if !store.has_admin().await? {
                output::note("note: there is no active administrator; `sarangbang setup` makes one");
            }
            Ok(())
        })
        .await
}

async fn hashed(password: &PasswordSource, name: &Name) -> anyhow::Result<Secret> {
    let password = password.read(name.as_str())?;
    Ok(Secret::new(Passwords::new(1).hash(password).await?.into_bytes()))
}

fn shown(account: &Account) -> Shown {
    Shown {
        name: account.name.to_string(),
        role: account.role,
        disabled: account.disabled,
        created_at: account.created_at,
    }
}
