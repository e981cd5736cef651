//! Every key with what it accepts: the one table behind ranges, error messages and suggestions.
//!
//! Invariant, held by a test: its names are exactly the keys of [`super::Config`].

/// One key.
pub(super) struct Key {
    /// Its name with its section.
    pub(super) name: &'static str,
    /// What it accepts.
    pub(super) accepts: Accepts,
}

/// What a key accepts.
#[derive(Clone, Copy)]
pub(super) enum Accepts {
    /// Text, in words.
    Text(&'static str),
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A list of texts, in words.
    List(&'static str),
    /// A whole number from the first to the second, with its unit.
    Number(u64, u64, &'static str),
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The table, in the order of the example file.
pub(super) const KEYS: &[Key] = &[
    list("domain", "names such as chat.example.com, without https:// and without a port"),
    text("listen", "an address with a port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080"),
    text("data", "the path of a folder, such as ./data or /var/lib/sarangbang"),
    choice("locale", &["ko", "en"]),
    list("allowed_origins", "origins such as https://chat.example.com or http://localhost:5173"),
    list("trusted_proxies", "networks or addresses such as 10.0.0.0/8 or 127.0.0.1"),
    Key { name: "proxy_protocol", accepts: Accepts::Switch },
    number("drain_seconds", 0, 3_600, "seconds"),
    choice("tls.mode", &["auto", "off", "files", "acme", "self-signed"]),
    text("tls.cert", "the path of a PEM file with the certificate and those between it and the authority"),
    text("tls.key", "the path of a PEM file with the private key, which nobody else may read"),
    text("tls.redirect_listen", "an address with a port, such as 0.0.0.0:80, or off"),
    number("tls.public_port", 0, 65_535, "a TCP port (0: that of listen)"),
    text("acme.email", "a mail address such as me@example.com, or nothing"),
    text("acme.directory", "the https:// address of an authority's directory"),
    text("acme.ca_file", "the path of a PEM file with root certificates, or nothing"),
    choice("acme.challenge", &["auto", "http-01", "tls-alpn-01"]),
    Key { name: "acme.preflight", accepts: Accepts::Switch },
    choice("log.format", &["text", "json"]),
    text("log.level", "off, error, warn, info, debug or trace, or levels by module: info,sarangbang::stomp=debug"),
    number("auth.token_minutes", 1, 1_440, "minutes"),
    choice("auth.sign_up", &["closed", "open"]),
    number("history.keep_entries", 0, 1_000_000_000, "entries of a room (0 keeps all)"),
    number("history.keep_days", 0, 36_500, "days (0 keeps entries for ever)"),
    Key { name: "history.durable", accepts: Accepts::Switch },
    number("presence.grace_seconds", 0, 3_600, "seconds"),
    number("presence.lease_seconds", 3, 300, "seconds"),
    text(
        "redis.url",
        "redis://HOST, rediss://HOST, unix:///PATH, redis+sentinel://HOST,HOST/MASTER, redis+cluster://HOST,HOST or nothing",
    ),
    text("redis.prefix", "up to 64 letters, digits or any of : . _ - /"),
    text("redis.password_file", "the path of a file with the password, which nobody else may read, or nothing"),
    text("redis.ca_file", "the path of a PEM file with root certificates, or nothing"),
    number("redis.wait_seconds", 0, 60, "seconds"),
    number("redis.replicas_min", 0, 10, "replicas"),
    Key { name: "sockjs.enabled", accepts: Accepts::Switch },
    number("sockjs.heartbeat_seconds", 1, 3_600, "seconds"),
    number("sockjs.disconnect_seconds", 1, 3_600, "seconds"),
    text("operator.listen", "an address with a port, such as 127.0.0.1:9464, or off"),
    number("limits.message_chars_max", 1, 1_000_000, "characters"),
    number("limits.frame_bytes_max", 4 * KIB, 16 * MIB, "bytes"),
    number("limits.header_bytes_max", KIB, MIB, "bytes"),
    number("limits.header_line_bytes_max", KIB, MIB, "bytes"),
    number("limits.headers_max", 8, 1_000, "headers"),
    number("limits.subscriptions_max", 1, 100_000, "subscriptions of a session"),
    number("limits.transactions_max", 0, 1_000, "open transactions of a session"),
    number("limits.transaction_sends_max", 1, 10_000, "SEND frames"),
    number("limits.in_flight_max", 1, 10_000, "messages of a connection"),
    number("limits.outbox_bytes_max", 4 * KIB, 16 * MIB, "bytes"),
    number("limits.catch_up_bytes_max", 4 * KIB, 16 * MIB, "bytes"),
    number("limits.ring_entries_max", 1, 100_000, "entries"),
    number("limits.ring_bytes_max", 4 * KIB, 256 * MIB, "bytes"),
    number("limits.sockjs_queue_bytes_max", 4 * KIB, 16 * MIB, "bytes"),
    number("limits.sockjs_stream_bytes_max", 4 * KIB, 16 * MIB, "bytes"),
    number("limits.sockjs_request_bytes_max", 4 * KIB, 64 * MIB, "bytes"),
    number("limits.messages_per_second", 1, 100_000, "messages a second"),
    number("limits.messages_burst", 1, 1_000_000, "messages"),
    number("limits.subscriptions_per_second", 1, 100_000, "SUBSCRIBE frames a second"),
    number("limits.subscriptions_burst", 1, 1_000_000, "SUBSCRIBE frames"),
    number("limits.connects_per_second", 1, 100_000, "sockets a second"),
    number("limits.connects_burst", 1, 1_000_000, "sockets"),
    number("limits.failed_sign_ins_per_minute", 1, 100_000, "failed sign-ins a minute"),
    number("limits.failed_sign_ins_burst", 1, 100_000, "failed sign-ins"),
    number("limits.address_failed_sign_ins_per_minute", 1, 100_000, "failed sign-ins a minute"),
    number("limits.address_failed_sign_ins_burst", 1, 100_000, "failed sign-ins"),
    number("limits.account_failed_sign_ins_per_minute", 1, 100_000, "failed sign-ins a minute"),
    number("limits.account_failed_sign_ins_burst", 1, 100_000, "failed sign-ins"),
    number("limits.account_sign_ins_per_minute", 1, 100_000, "sign-ins a minute"),
    number("limits.account_sign_ins_burst", 1, 100_000, "sign-ins"),
    number("limits.address_sign_ins_per_minute", 1, 1_000_000, "sign-ins a minute"),
    number("limits.address_sign_ins_burst", 1, 1_000_000, "sign-ins"),
    number("limits.accounts_per_hour", 1, 1_000_000, "accounts an hour"),
    number("limits.accounts_burst", 1, 1_000_000, "accounts"),
    number("limits.rooms_per_hour", 1, 1_000_000, "rooms an hour"),
    number("limits.rooms_burst", 1, 1_000_000, "rooms"),
    number("limits.requests_per_second", 1, 100_000, "requests a second"),
    number("limits.requests_burst", 1, 1_000_000, "requests"),
    number("limits.address_requests_per_second", 1, 1_000_000, "requests a second"),
    number("limits.address_requests_burst", 1, 10_000_000, "requests"),
    number("limits.connections_max", 1, 10_000_000, "connections"),
    number("limits.connections_per_address_max", 1, 10_000_000, "connections"),
    number("limits.handshakes_max", 1, 1_000_000, "connections"),
    number("limits.handshake_seconds_max", 1, 600, "seconds"),
    number("limits.connect_seconds_max", 1, 600, "seconds"),
    number("limits.request_seconds_max", 1, 600, "seconds"),
    number("limits.ping_seconds", 1, 3_600, "seconds"),
    number("limits.request_bytes_max", KIB, 16 * MIB, "bytes"),
    number("limits.password_hashes_max", 1, 1_024, "passwords at the same time"),
    number("limits.store_queue_max", 1, 1_000_000, "messages"),
    number("limits.rooms_max", 1, 100_000_000, "rooms"),
];

/// The key of this name, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The names in a section without the section itself; `""` is the top, whose sections are among them.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<_> = KEYS
        .iter()
        .filter_map(|key| match section {
            "" => key.name.split('.').next(),
            _ => key.name.strip_prefix(section)?.strip_prefix('.'),
        })
        .collect();
    names.dedup();
    names
}

impl Accepts {
    /// What is accepted, as the end of a sentence.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Text(words) => words.into(),
            Self::Choice(choices) => choices.join(" or "),
            Self::Switch => "true or false".into(),
            Self::List(words) => format!("a list of {words}"),
            Self::Number(min, max, unit) => format!("a whole number of {unit}, from {min} to {max}"),
        }
    }
}

const fn text(name: &'static str, words: &'static str) -> Key {
    Key { name, accepts: Accepts::Text(words) }
}

const fn choice(name: &'static str, choices: &'static [&'static str]) -> Key {
    Key { name, accepts: Accepts::Choice(choices) }
}

const fn list(name: &'static str, words: &'static str) -> Key {
    Key { name, accepts: Accepts::List(words) }
}

const fn number(name: &'static str, min: u64, max: u64, unit: &'static str) -> Key {
    Key { name, accepts: Accepts::Number(min, max, unit) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_table_names_every_key_of_the_configuration_and_no_other() {
        let json = serde_json::to_value(Config::default()).unwrap();
        let mut names = BTreeSet::new();
        for (name, value) in json.as_object().unwrap() {
            match value.as_object() {
                Some(section) => names.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => drop(names.insert(name.clone())),
            }
        }
        assert_eq!(KEYS.iter().map(|key| key.name.to_owned()).collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn every_default_is_within_its_own_range() {
        let json = serde_json::to_value(Config::default()).unwrap();
        for key in KEYS {
            let Accepts::Number(min, max, _) = key.accepts else { continue };
            let value = json.pointer(&format!("/{}", key.name.replace('.', "/"))).unwrap().as_u64().unwrap();
            assert!((min..=max).contains(&value), "{} = {value}", key.name);
        }
    }
}
