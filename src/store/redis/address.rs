//! Where the Redis is: what the key `redis.url` says, understood once.
//!
//! Invariant: neither Debug nor Display shows a password, and no refusal quotes the text that it refuses.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// The port of a Redis where none is named.
const PORT: u16 = 6379;
/// That of a sentinel.
const SENTINEL_PORT: u16 = 26_379;
/// The forms, for whoever wrote another.
const FORMS: &str = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or \
                     rediss+cluster://";

/// Where the Redis is, and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) place: Place,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The number of the database; 0 in a Cluster.
    pub(super) database: u32,
    pub(super) is_tls: bool,
    /// The certificates that the server is believed by, as PEM; `None` for the public authorities.
    pub(super) roots: Option<Arc<[u8]>>,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One server.
    Server(Host),
    /// One server of this computer.
    Socket(PathBuf),
    /// Sentinels, who know which server is the master of this name.
    Sentinels(Vec<Host>, String),
    /// Some servers of a Cluster, who know the others.
    Cluster(Vec<Host>),
}

/// A computer and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// A name or an address, without brackets.
    pub(super) name: String,
    pub(super) port: u16,
}

/// What is wrong with the text of an address. It never holds the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl Address {
    /// The same with this password.
    #[must_use]
    pub fn with_password(self, password: String) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The same with the certificates by which the server is believed, as PEM, in place of the public authorities.
    #[must_use]
    pub fn with_roots(self, pem: &[u8]) -> Self {
        Self { roots: Some(pem.into()), ..self }
    }

    /// Whether it is reached by TLS.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether there is a password in it.
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether there is a user's name in it.
    pub const fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether a Cluster is meant.
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(refused(format!("it has to begin with {FORMS}")));
        };
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(refused("there is a space or a control character in it"));
        }
        if rest.contains('#') {
            return Err(refused(
                "what stands behind # is not known; a # in a password is written %23, and a certificate is always checked",
            ));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme = scheme.to_ascii_lowercase();
        if let "unix" | "redis+unix" | "valkey+unix" = scheme.as_str() {
            return socket(rest, query);
        }
        let (base, kind) = scheme.split_once('+').unwrap_or((&scheme, ""));
        let is_tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(refused(format!("it has to begin with {FORMS}"))),
        };
        if !query.is_empty() {
            return Err(refused("what stands behind ? is not known; a ? in a password is written %3F"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('@') {
            return Err(refused("a / in a user's name or password is written %2F"));
        }
        let (user, password, hosts) = match authority.rsplit_once('@') {
            Some((who, hosts)) => {
                let (user, password) = credentials(who)?;
                (user, password, hosts)
            }
            None => (None, None, authority),
        };
        let (place, database) = match kind {
            "" => {
                let host = match <[Host; 1]>::try_from(hosts_of(hosts, PORT)?) {
                    Ok([host]) => host,
                    Err(_) => return Err(refused("several servers are a redis+sentinel:// or a redis+cluster://")),
                };
                (Place::Server(host), database(path)?)
            }
            "sentinel" => {
                let (master, number) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(refused("the name of the master is missing: redis+sentinel://HOST,HOST/MASTER"));
                }
                let master = decoded(master)?;
                (Place::Sentinels(hosts_of(hosts, SENTINEL_PORT)?, master), database(number)?)
            }
            "cluster" => match database(path)? {
                0 => (Place::Cluster(hosts_of(hosts, PORT)?), 0),
                _ => return Err(refused("a Cluster has the database 0 alone")),
            },
            _ => return Err(refused(format!("it has to begin with {FORMS}"))),
        };
        Ok(Self { place, user, password, database, is_tls, roots: None })
    }
}

fn refused(what: impl Into<String>) -> AddressError {
    AddressError(what.into())
}

/// `/path?db=1&user=NAME&pass=PASSWORD`
fn socket(path: &str, query: &str) -> Result<Address, AddressError> {
    if !path.starts_with('/') || path.len() < 2 {
        return Err(refused(
            "the path of a socket has to begin with /, so that there are three: unix:///run/redis.sock",
        ));
    }
    let place = Place::Socket(PathBuf::from(decoded(path)?));
    let mut address = Address { place, user: None, password: None, database: 0, is_tls: false, roots: None };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("db", number)) => address.database = database(number)?,
            Some(("user", user)) => address.user = Some(decoded(user)?),
            Some(("pass", password)) => address.password = Some(decoded(password)?),
            _ => return Err(refused("behind the path of a socket db=, user= and pass= are known")),
        }
    }
    Ok(address)
}

/// `user:password`, `:password` or `user`
fn credentials(who: &str) -> Result<(Option<String>, Option<String>), AddressError> {
    let (user, password) = match who.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (who, None),
    };
    let password = password.filter(|password| !password.is_empty()).map(decoded).transpose()?;
    let user = Some(user).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    Ok((user, password))
}

fn hosts_of(text: &str, port: u16) -> Result<Vec<Host>, AddressError> {
    text.split(',').map(|host| host_of(host, port)).collect()
}

fn host_of(text: &str, otherwise: u16) -> Result<Host, AddressError> {
    // The last colon begins the port, unless it stands inside the brackets of an IPv6 address.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (name, port.ok_or_else(|| refused("what stands behind the last : of a host is no port"))?)
        }
        _ => (text, otherwise),
    };
    let name = match name.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').filter(|name| name.contains(':')),
        None => Some(name).filter(|name| !name.contains([':', '[', ']', '%', '@'])),
    };
    match name {
        Some("") => Err(refused("the host is missing")),
        Some(name) => Ok(Host { name: name.to_owned(), port }),
        None => Err(refused("an IPv6 address stands in brackets, and a : or @ in a password is written %3A or %40")),
    }
}

fn database(path: &str) -> Result<u32, AddressError> {
    let number = path.strip_suffix('/').unwrap_or(path);
    if number.is_empty() {
        return Ok(0);
    }
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|_| digits).ok_or_else(|| refused("what stands at the end is no number of a database"))
}

/// Without its percent signs (RFC 3986, section 2.1).
fn decoded(text: &str) -> Result<String, AddressError> {
    let wrong = || refused("a % in it has to be followed by two hexadecimal digits (% itself is %25)");
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+')).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| refused("what its % stand for is not UTF-8"))
}

impl fmt::Display for Address {
    /// As it was written, but for what nobody should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.is_tls { "s" } else { "" };
        let kind = match self.place {
            Place::Server(_) => "",
            Place::Socket(_) => return self.show_socket(f),
            Place::Sentinels(..) => "+sentinel",
            Place::Cluster(_) => "+cluster",
        };
        write!(f, "redis{tls}{kind}://")?;
        match (&self.user, self.has_password()) {
            (Some(user), true) => write!(f, "{user}:***@")?,
            (Some(user), false) => write!(f, "{user}@")?,
            (None, true) => f.write_str(":***@")?,
            (None, false) => {}
        }
        match &self.place {
            Place::Server(host) => write!(f, "{host}")?,
            Place::Sentinels(hosts, _) | Place::Cluster(hosts) => {
                let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
                f.write_str(&hosts.join(","))?;
            }
            Place::Socket(_) => {}
        }
        if let Place::Sentinels(_, master) = &self.place {
            write!(f, "/{master}")?;
        }
        if self.database > 0 { write!(f, "/{}", self.database) } else { Ok(()) }
    }
}

impl Address {
    fn show_socket(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place::Socket(path) = &self.place else { return Ok(()) };
        write!(f, "unix://{}", path.display())?;
        let database = (self.database > 0).then(|| format!("db={}", self.database));
        let user = self.user.as_ref().map(|user| format!("user={user}"));
        let password = self.has_password().then(|| "pass=***".to_owned());
        let query: Vec<String> = database.into_iter().chain(user).chain(password).collect();
        if query.is_empty() { Ok(()) } else { write!(f, "?{}", query.join("&")) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.into(), port }
    }

    #[test]
    fn every_form_is_understood() {
        for (text, place, is_tls, database) in [
            ("redis://redis", Place::Server(host("redis", 6379)), false, 0),
            ("redis://127.0.0.1:7000/3", Place::Server(host("127.0.0.1", 7000)), false, 3),
            ("redis://[::1]:7000/", Place::Server(host("::1", 7000)), false, 0),
            ("rediss://[::1]", Place::Server(host("::1", 6379)), true, 0),
            ("valkeys://v.example", Place::Server(host("v.example", 6379)), true, 0),
            ("unix:///run/my%20redis.sock?db=2", Place::Socket("/run/my redis.sock".into()), false, 2),
            (
                "redis+sentinel://a,b:1/main/4",
                Place::Sentinels(vec![host("a", 26_379), host("b", 1)], "main".into()),
                false,
                4,
            ),
            ("rediss+sentinel://a/main", Place::Sentinels(vec![host("a", 26_379)], "main".into()), true, 0),
            (
                "redis+cluster://a:1,[::1]:2,c",
                Place::Cluster(vec![host("a", 1), host("::1", 2), host("c", 6379)]),
                false,
                0,
            ),
            ("rediss+cluster://a/0", Place::Cluster(vec![host("a", 6379)]), true, 0),
        ] {
            let address = read(text);
            assert_eq!((&address.place, address.is_tls, address.database), (&place, is_tls, database), "{text}");
            assert_eq!((address.user, address.password), (None, None), "{text}");
        }
    }

    #[test]
    fn who_we_are_there_is_decoded() {
        for (text, user, password) in [
            ("redis://:p%40ss%2F@h", None, Some("p@ss/")),
            ("redis://chat:a:b@h", Some("chat"), Some("a:b")),
            ("rediss+cluster://chat:%EC%82%AC@h,i", Some("chat"), Some("사")),
            ("redis+sentinel://chat@h/m", Some("chat"), None),
            ("unix:///s?user=chat&pass=a%26b", Some("chat"), Some("a&b")),
        ] {
            let address = read(text);
            assert_eq!((address.user.as_deref(), address.password.as_deref()), (user, password), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for (text, shown) in [
            ("redis://chat:secret@h:1/2", "redis://chat:***@h:1/2"),
            ("rediss://:secret@[::1]", "rediss://:***@[::1]:6379"),
            ("unix:///s?db=1&pass=secret", "unix:///s?db=1&pass=***"),
            ("redis+sentinel://chat:secret@a,b/main/1", "redis+sentinel://chat:***@a:26379,b:26379/main/1"),
            ("rediss+cluster://:secret@a,b", "rediss+cluster://:***@a:6379,b:6379"),
        ] {
            let address = read(text);
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?} {:#?}", Some(&address)).contains("secret"));
        }
        let address = read("redis://chat@h").with_password("secret".into()).with_roots(b"pem");
        assert_eq!(format!("{address:?}"), "redis://chat:***@h:6379");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason_and_without_the_secret() {
        for (text, reason) in [
            ("secret", "begin with"),
            ("http://secret@h", "begin with"),
            ("redis+proxy://secret@h", "begin with"),
            ("redis://", "the host is missing"),
            ("redis://:secret@", "the host is missing"),
            ("redis://:secret@h:port", "no port"),
            ("redis://:secret@h:0", "no port"),
            ("redis://:secret@::1", "in brackets"),
            ("redis://:sec/ret@h", "%2F"),
            ("redis://:sec?ret@h", "%3F"),
            ("redis://:sec#ret@h", "%23"),
            ("rediss://:secret@h/#insecure", "always checked"),
            ("redis://:sec%ret@h", "hexadecimal"),
            ("redis://:secret%+1@h", "hexadecimal"),
            ("redis://:secret%FF@h", "UTF-8"),
            ("redis://:sec ret@h", "a space"),
            ("redis://:secret@h/main", "no number"),
            ("redis://:secret@a,b", "redis+cluster://"),
            ("redis+sentinel://:secret@a,b", "the name of the master"),
            ("redis+sentinel://:secret@a,b/main/x", "no number"),
            ("redis+cluster://:secret@a,b/1", "database 0 alone"),
            ("redis+cluster://a,,b", "the host is missing"),
            ("unix://run/redis.sock", "there are three"),
            ("unix:///s?password=secret", "db=, user= and pass="),
        ] {
            let refusal = text.parse::<Address>().unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
            assert!(!refusal.contains("secret") && !refusal.contains("ret@"), "{text}: {refusal}");
        }
    }
}
