//! What the person at the terminal is asked for: a name, a password, a "yes".

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};
use clap::Args;

use super::place::Usage;

/// No password is this long; what comes from a pipe is not read beyond.
const PASSWORD_LINE_BYTES_MAX: u64 = 4 * 1024;

/// Where a password comes from. Never from an argument: those can be read by everybody on the computer.
#[derive(Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// The new password of `name`.
    pub(super) fn read(&self, name: &str) -> anyhow::Result<String> {
        if self.password_stdin {
            return first_line(stdin().lock());
        }
        needs_terminal("--password-stdin")?;
        let password = rpassword::prompt_password(format!("Password of {name} (8 characters or more): "))?;
        if rpassword::prompt_password("The same again: ")? != password {
            bail!("the two passwords differ; nothing was changed");
        }
        Ok(password)
    }
}

/// Asks for a line of text.
pub(super) fn text(question: &str, instead: &str) -> anyhow::Result<String> {
    needs_terminal(instead)?;
    let mut prompt = stderr().lock();
    write!(prompt, "{question} ").and_then(|()| prompt.flush())?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Asks whether to do what cannot be undone.
pub(super) fn agreed(question: &str, instead: &str) -> anyhow::Result<bool> {
    Ok(matches!(text(&format!("{question} [y/N]"), instead)?.to_lowercase().as_str(), "y" | "yes"))
}

fn needs_terminal(instead: &str) -> Result<(), Usage> {
    if stdin().is_terminal() {
        return Ok(());
    }
    Err(Usage(format!("there is no terminal to ask on; use {instead}")))
}

fn first_line(from: impl BufRead) -> anyhow::Result<String> {
    let mut line = Vec::new();
    from.take(PASSWORD_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line).ok().context("the password on standard input is not UTF-8")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        bail!("there is no password on standard input; for example: printf %s \"$PASSWORD\" | sarangbang ...");
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for given in ["ab c ", "ab c \n", "ab c \r\n", "ab c \nmore\n"] {
            assert_eq!(first_line(given.as_bytes()).unwrap(), "ab c ");
        }
        assert!(first_line(&b""[..]).is_err());
        assert!(first_line(&b"\n"[..]).is_err());
    }
}
