//! How single values are read: more forms are accepted than are kept, and a refusal names the reason.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Serializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer};
use tracing_subscriber::EnvFilter;

use super::near::closest;
use crate::store::redis::Address;

/// How a listener is turned off.
const OFF: &str = "off";
/// Names that one certificate of Let's Encrypt holds.
const DOMAINS_MAX: usize = 100;
/// Characters before each key: they are paid for with every key.
const PREFIX_MAX: usize = 64;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// An address with a port. Of all host names `localhost` alone is known: a name that a resolver has to be asked for
/// would make the start depend on the network.
pub(super) fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone(),
    };
    address.parse().map_err(|_| D::Error::custom(format!("{text:?} is no address with a port")))
}

/// The same, or `off`.
pub(super) fn optional_listen<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text == OFF { Ok(None) } else { listen(text.into_deserializer()).map(Some) }
}

/// Writes what [`optional_listen`] reads.
pub(super) fn show_optional_listen<S: Serializer>(address: &Option<SocketAddr>, to: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => to.collect_str(address),
        None => to.serialize_str(OFF),
    }
}

/// Names of this service, in lower case.
pub(super) fn domains<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let mut names = Vec::new();
    for name in list(from)? {
        let name = domain(&name).map_err(D::Error::custom)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > DOMAINS_MAX {
        return Err(D::Error::custom(format!(
            "{} names are more than the {DOMAINS_MAX} that one certificate holds",
            names.len()
        )));
    }
    Ok(names)
}

fn domain(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    if name.contains("://") || name.contains(['/', ':', '@']) {
        return Err(format!("{text:?} is more than a name"));
    }
    if name.starts_with("*.") {
        return Err(format!("{text:?} needs a wildcard certificate, which needs DNS; name each host"));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(format!("{text:?} is an address, not a name"));
    }
    if !name.is_ascii() {
        return Err(format!("{text:?} has to be written as DNS does (xn--...)"));
    }
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!("{text:?} is no name that DNS could have"));
    }
    Ok(name)
}

/// A mail address, or nothing. Whether it exists, only mail can tell.
pub(super) fn email<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?.trim().to_owned();
    let parts = text.split_once('@');
    let fits = parts.is_some_and(|(user, host)| !user.is_empty() && domain(host).is_ok() && host.contains('.'));
    let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || ",<>\"?".contains(c));
    if text.is_empty() || fits && plain {
        Ok(text)
    } else {
        Err(D::Error::custom(format!("{text:?} is no mail address")))
    }
}

/// The directory of an authority: `https://` always, since an account key must not be talked into signing for others.
pub(super) fn directory<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let authority = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    match authority {
        Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) => Ok(text),
        _ => Err(D::Error::custom(format!("{text:?} is no https:// address"))),
    }
}

/// The address of a Redis, or nothing. A refusal does not hold the text, in which a password may stand.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Address>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

/// Writes what [`address`] reads, but for the password.
pub(super) fn show_address<S: Serializer>(address: &Option<Address>, to: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => to.collect_str(address),
        None => to.serialize_str(""),
    }
}

/// What keys in Redis begin with. No braces: between them stands what a Cluster finds a key's server by.
pub(super) fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b":._-/".contains(&b);
    if text.len() <= PREFIX_MAX && text.bytes().all(fits) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("{text:?} has something else in it, or more than {PREFIX_MAX} characters")))
}

/// The path of a file, or nothing.
pub(super) fn file<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(PathBuf::new()) } else { folder(text.into_deserializer()) }
}

/// The path of a folder.
pub(super) fn folder<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("the path is empty"));
    }
    if text == "~" || text.starts_with("~/") {
        return Err(D::Error::custom("~ is not expanded here, so that it would be a folder of that name"));
    }
    Ok(PathBuf::from(text))
}

/// Origins in the spelling that browsers send: lower case, without the default port.
pub(super) fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    list(from)?.iter().map(|text| origin(text).map_err(D::Error::custom)).collect()
}

/// Networks; a bare address is the network of itself.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: &String| match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => Ok(network.trunc()),
        (Err(_), Ok(address)) => Ok(IpNet::from(address)),
        _ => Err(D::Error::custom(format!("{text:?} is neither a network nor an address"))),
    };
    list(from)?.iter().map(network).collect()
}

/// A level, or levels by module.
pub(super) fn level<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    for directive in text.split(',') {
        // The filter would take a bare word for a module's name, and so hide a mistyped level.
        let level = directive.rsplit('=').next().unwrap_or_default().trim().to_lowercase();
        if !LEVELS.contains(&level.as_str()) {
            let hint = closest(&level, LEVELS.into_iter()).map(|near| format!("; did you mean {near}?"));
            return Err(D::Error::custom(format!("{level:?} is no level{}", hint.unwrap_or_default())));
        }
    }
    EnvFilter::try_new(&text).map_err(|e| D::Error::custom(format!("{text:?} is not understood: {e}")))?;
    Ok(text)
}

/// A list, or one text with commas: environment variables have no lists.
fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<String>),
        One(String),
    }
    let texts = match OneOrMany::deserialize(from) {
        Ok(OneOrMany::Many(texts)) => texts,
        Ok(OneOrMany::One(text)) => text.split(',').map(str::to_owned).collect(),
        Err(_) => return Err(D::Error::custom("this is no list of texts")),
    };
    Ok(texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
}

fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Err("\"*\" would let every web page act for whoever is signed in here; name each origin".into());
    }
    let lower = text.to_lowercase();
    let Some((scheme @ ("https" | "http"), authority)) = lower.split_once("://") else {
        return Err(format!("{text:?} does not begin with https:// or http://"));
    };
    if authority.contains(['/', '?', '#']) {
        return Err(format!("{text:?} has a path; an origin ends after the host or its port"));
    }
    // The last colon begins the port, unless it stands inside the brackets of an IPv6 address.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let known = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    };
    if !known {
        return Err(format!("{text:?} has no valid host; write one in other scripts as browsers send it (xn--...)"));
    }
    match port {
        None => Ok(format!("{scheme}://{host}")),
        Some(port) => match (scheme, port.parse::<u16>()) {
            (_, Err(_) | Ok(0)) => Err(format!("{text:?} has no valid port")),
            ("https", Ok(443)) | ("http", Ok(80)) => Ok(format!("{scheme}://{host}")),
            (_, Ok(port)) => Ok(format!("{scheme}://{host}:{port}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        for (given, kept) in [
            ("https://Chat.Example.com", "https://chat.example.com"),
            ("https://chat.example.com:443", "https://chat.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:5173", "http://[::1]:5173"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(origin(given).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn a_domain_is_a_bare_name_in_lower_case() {
        assert_eq!(domain("Chat.Example.com.").as_deref(), Ok("chat.example.com"));
        assert_eq!(domain("localhost").as_deref(), Ok("localhost"));
        for (given, reason) in [
            ("https://chat.example.com", "more than a name"),
            ("chat.example.com:443", "more than a name"),
            ("*.example.com", "name each host"),
            ("192.0.2.1", "an address"),
            ("사랑방.example", "xn--"),
            ("a..b", "DNS"),
            ("-a.b", "DNS"),
            ("a_b.c", "DNS"),
            ("", "DNS"),
        ] {
            let refusal = domain(given).unwrap_err();
            assert!(refusal.contains(reason), "{given}: {refusal}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_its_reason() {
        for (given, reason) in [
            ("*", "every web page"),
            ("chat.example.com", "begin with https://"),
            ("https://chat.example.com/", "has a path"),
            ("https://사랑방.example", "xn--"),
            ("https://chat.example.com:0", "port"),
            ("https://chat.example.com:x", "port"),
            ("https://", "host"),
            ("null", "begin with https://"),
        ] {
            let refusal = origin(given).unwrap_err();
            assert!(refusal.contains(reason), "{given}: {refusal}");
        }
    }
}
