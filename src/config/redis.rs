//! What the keys about Redis mean together.

use super::Config;

/// Keys about Redis that are each fine and make no sense together.
pub(super) fn at_odds(config: &Config) -> Vec<(&'static str, String, String)> {
    let (redis, mut problems) = (&config.redis, Vec::new());
    let mut problem = |key, problem: &str, fix: &str| problems.push((key, problem.to_owned(), fix.to_owned()));
    let has_password_file = !redis.password_file.as_os_str().is_empty();
    let has_ca_file = !redis.ca_file.as_os_str().is_empty();
    let Some(address) = &redis.url else {
        for (key, is_given) in [("redis.password_file", has_password_file), ("redis.ca_file", has_ca_file)] {
            if is_given {
                problem(key, "without redis.url nobody would look at it", "give redis.url, or take it away");
            }
        }
        return problems;
    };
    if has_password_file && address.has_password() {
        problem(
            "redis.password_file",
            "there is a password in redis.url as well",
            "take it out of redis.url, or leave the file away",
        );
    }
    if address.has_user() && !address.has_password() && !has_password_file {
        problem(
            "redis.url",
            "it names a user and no password",
            "put it into a file and name that in redis.password_file",
        );
    }
    if has_ca_file && !address.is_tls() {
        problem(
            "redis.ca_file",
            "redis.url does not ask for TLS, so that nobody would look at it",
            "write rediss:// in redis.url, or take it away",
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn loaded(variables: &[(&str, &str)]) -> Result<Config, String> {
        let environment = variables.iter().map(|(name, value)| (format!("SARANGBANG_{name}").into(), value.into()));
        let sources = Sources { environment: environment.collect(), ..Sources::default() };
        Config::load(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_is_no_toml_shows_no_password_either() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sarangbang.toml");
        std::fs::write(&file, "[redis]\nurl = redis://chat:secret@h\n").unwrap();
        let refusal = Config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap_err().to_string();
        assert!(refusal.contains("line 2") && !refusal.contains("secret"), "{refusal}");
    }

    #[test]
    fn nothing_means_the_embedded_store() {
        let config = loaded(&[]).unwrap();
        assert_eq!((config.redis.url, config.redis.wait_seconds, config.presence.lease_seconds), (None, 5, 10));
        assert_eq!(loaded(&[("REDIS__URL", "")]).unwrap().redis.url, None);
    }

    #[test]
    fn what_is_printed_holds_no_password() {
        let config = loaded(&[("REDIS__URL", "redis://chat:secret@h/1"), ("REDIS__PREFIX", "chat:")]).unwrap();
        let printed = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(printed.contains("redis://chat:***@h:6379/1") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn what_is_wrong_is_told_with_the_fix_and_without_the_password() {
        for (variables, part) in [
            (&[("REDIS__URL", "http://:secret@h")][..], "it has to begin with redis://"),
            (&[("REDIS__URL", "redis://:secret@h:port")], "is no port"),
            (&[("REDIS__URL", "redis://:sec/secret@h")], "%2F"),
            (&[("REDIS__URI", "redis://:secret@h")], "SARANGBANG_REDIS__URL"),
            (&[("REDIS__URL", "redis://chat@h")], "redis.password_file"),
            (&[("REDIS__URL", "redis://:secret@h"), ("REDIS__PASSWORD_FILE", "p")], "leave the file away"),
            (&[("REDIS__PASSWORD_FILE", "p")], "give redis.url"),
            (&[("REDIS__CA_FILE", "ca.pem")], "give redis.url"),
            (&[("REDIS__URL", "redis://h"), ("REDIS__CA_FILE", "ca.pem")], "write rediss://"),
            (&[("REDIS__PREFIX", "chat{1}:")], "something else in it"),
            (&[("REDIS__WAIT_SECONDS", "61")], "from 0 to 60"),
            (&[("PRESENCE__LEASE_SECONDS", "2")], "from 3 to 300"),
        ] {
            let refusal = loaded(variables).unwrap_err();
            assert!(refusal.contains(part), "{variables:?}: {refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
        assert!(loaded(&[("REDIS__URL", "rediss://chat@h"), ("REDIS__PASSWORD_FILE", "p")]).is_ok());
    }
}
