//! Why the store cannot be opened: always the operator's to mend, so each text ends with how.

use redis::{ErrorKind, RedisError};

use super::address::Address;
use super::wire::words;

/// A refusal to open the store in Redis. No text of it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers there, or not yet as it should.
    #[error("redis.url: {cause}; start the Redis there, or correct the key")]
    Unreachable {
        /// What was found, and where.
        cause: String,
    },
    /// It answers, and will not do as it is. Waiting does not change it.
    #[error("redis.url: {problem}; {fix}")]
    Unfit {
        /// What is in the way.
        problem: String,
        /// What to do about it.
        fix: String,
    },
}

impl OpenError {
    pub(super) fn unfit(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unfit { problem: problem.into(), fix: fix.into() }
    }

    /// What an error at connecting, or at the first questions, means.
    pub(super) fn of(error: &RedisError, address: &Address) -> Self {
        hopeless(error, address).unwrap_or_else(|| {
            // It waits for the end of a line that a TLS greeting does not have.
            let is_silent = address.is_tls() && error.is_timeout();
            let hint = if is_silent { " (a Redis without TLS keeps silent so: write redis:// then)" } else { "" };
            Self::Unreachable { cause: format!("{address} cannot be reached: {}{hint}", words(error)) }
        })
    }

    /// Whether it is worth waiting for.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// What an ACL user needs, as one would type it.
pub(super) fn needed_rights(prefix: &str) -> String {
    format!("~{prefix}* &{prefix}* +@all -@admin -@dangerous +info +config|get")
}

fn hopeless(error: &RedisError, address: &Address) -> Option<OpenError> {
    // A Cluster's connection hands on what its servers said as a text.
    let text = error.to_string();
    let says = |part: &str| error.code() == Some(part) || text.contains(part);
    let unfit = |problem: String, fix: &str| Some(OpenError::unfit(problem, fix));
    if says("WRONGPASS") || error.kind() == ErrorKind::AuthenticationFailed {
        return unfit(
            format!("{address} does not accept this user and password"),
            "correct them in redis.url or redis.password_file (on the server, ACL LIST shows the users)",
        );
    }
    if says("NOAUTH") {
        return unfit(
            format!("{address} wants a password"),
            "put it into a file of your own and name that in redis.password_file, or write redis://USER:PASSWORD@HOST",
        );
    }
    if says("NOPERM") || says("has no permissions") {
        return unfit(
            format!("{address} does not let this user do what is needed: {}", words(error)),
            "give the user the right with ACL SETUSER, for example: +@all -@admin -@dangerous +info +config|get",
        );
    }
    if says("DENIED") || says("protected mode") {
        return unfit(
            format!("{address} is in protected mode, and answers its own computer alone"),
            "give that Redis a password (requirepass, or an ACL user) and the same to this server",
        );
    }
    if says("invalid peer certificate") {
        return unfit(
            format!("the certificate of {address} is not believed ({})", words(error)),
            "name the certificate of its authority in redis.ca_file, and in redis.url the host that it is for",
        );
    }
    if says("InvalidContentType") {
        return unfit(format!("{address} speaks no TLS"), "write redis:// in place of rediss://, or name the TLS port");
    }
    if says("switch database") || says("DB index is out of range") {
        return unfit(
            format!("{address} has no database of this number"),
            "name a lower one, or none, or raise `databases` in its configuration",
        );
    }
    if error.kind() == ErrorKind::RESP3NotSupported || says("unknown command 'HELLO'") {
        return unfit(format!("{address} is too old"), "run Redis 7.0 or newer there, or Valkey");
    }
    if says("cluster support disabled") {
        return unfit(format!("{address} is no Cluster"), "write redis:// or rediss:// in place of redis+cluster://");
    }
    if says("No such master") {
        return unfit(
            format!("the sentinels of {address} know no master of this name"),
            "correct the name behind the / (SENTINEL MASTERS on a sentinel shows them)",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_not_pass_by_waiting_is_told_from_what_may() {
        let address: Address = "redis://chat:secret@h".parse().unwrap();
        let error = |text: &str| OpenError::of(&std::io::Error::other(text.to_owned()).into(), &address);
        for (text, part) in [
            ("Failed - Io: \"WRONGPASS\": invalid", "does not accept"),
            ("NOAUTH", "redis.password_file"),
            ("NoPerm: this user has no permissions to run the 'info' command", "'info' command"),
            ("DENIED", "protected mode"),
            ("invalid peer certificate: UnknownIssuer", "redis.ca_file"),
            ("received corrupt message of type InvalidContentType", "speaks no TLS"),
            ("ERR This instance has cluster support disabled", "no Cluster"),
            ("sentinel h:1: ERR No such master with that name", "SENTINEL MASTERS"),
        ] {
            let error = error(text);
            assert!(!error.may_pass() && error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = error("Connection refused (os error 111)");
        assert!(error.may_pass());
        assert_eq!(
            error.to_string(),
            "redis.url: redis://chat:***@h:6379 cannot be reached: Connection refused; start the Redis there, or correct the key"
        );
    }
}
