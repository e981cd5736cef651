//! Lays the layers over one another and checks the result: defaults < file < environment < flags.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::Value;

use super::Config;
use super::error::{ConfigError, Origin, Problem};
use super::https;
use super::keys::{self, Accepts, KEYS};
use super::layer::Layer;
use super::redis;

/// The file that is read from the working directory when no other is named.
pub const DEFAULT_FILE: &str = "sarangbang.toml";

/// What one message takes in its frame besides its text: the header lines and the JSON around it, in bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 1_024;

/// Where values may come from. It can be loaded again, after the file changed.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file to read, which must exist. `None`: [`DEFAULT_FILE`], if it exists.
    pub file: Option<PathBuf>,
    /// The environment variables; those that do not begin with `SARANGBANG_` are not looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data`.
    pub data: Option<String>,
    /// `--domain`, as often as it was given.
    pub domain: Vec<String>,
    /// `--acme-email`.
    pub acme_email: Option<String>,
}

impl Sources {
    /// The environment of this process, without a flag.
    pub fn process() -> Self {
        Self { environment: std::env::vars_os().collect(), ..Self::default() }
    }

    /// The file that is read now, if there is one.
    pub fn file_read(&self) -> Option<&Path> {
        match &self.file {
            Some(file) => Some(file),
            None => Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists()),
        }
    }

    fn layers(&self, problems: &mut Vec<Problem>) -> Vec<Layer> {
        let mut layers = Vec::new();
        if let Some(path) = self.file_read() {
            match std::fs::read_to_string(path) {
                Ok(text) => layers.extend(Layer::file(path, text, problems)),
                Err(e) => problems.push(unreadable(path, &e)),
            }
        }
        let mut environment: Vec<_> = self.environment.iter().collect();
        environment.sort();
        layers.extend(environment.iter().filter_map(|(name, value)| Layer::variable(name, value, problems)));
        let domain = (!self.domain.is_empty()).then(|| self.domain.join(","));
        let flags = [
            ("--listen", "listen", &self.listen),
            ("--data", "data", &self.data),
            ("--domain", "domain", &domain),
            ("--acme-email", "acme.email", &self.acme_email),
        ];
        layers.extend(flags.iter().filter_map(|(flag, key, value)| Some(Layer::flag(flag, key, value.as_deref()?))));
        layers
    }
}

impl Config {
    /// The configuration of these sources.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once: each with its key, its origin and its fix.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let layers = sources.layers(&mut problems);
        let mut config = extract(&layers, &mut problems);
        let at_odds = limits_at_odds(&config).into_iter().chain(https::at_odds(&config)).chain(redis::at_odds(&config));
        for (key, problem, fix) in numbers_out_of_range(&config).into_iter().chain(at_odds) {
            problems.push(about(&layers, key, problem, fix));
        }
        let is_set = |key: &str| layers.iter().any(|layer| layer.get(key).is_some());
        https::settle(&mut config, is_set);
        config.operator.is_given = is_set("operator.listen");
        for (key, problem, fix) in https::at_odds_settled(&config).into_iter().chain(operator_at_odds(&config)) {
            problems.push(about(&layers, key, problem, fix));
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }
}

/// The configuration with every value that can be read; each that cannot is reported, and its default stands in, so
/// that one pass finds everything.
fn extract(layers: &[Layer], problems: &mut Vec<Problem>) -> Config {
    let default = Config::default();
    let mut figment = layers.iter().fold(Figment::from(Serialized::defaults(&default)), Figment::merge);
    // Each turn puts at least one more default in the place of a bad value.
    for _ in KEYS {
        let errors = match figment.extract::<Config>() {
            Ok(config) => return config,
            Err(errors) => errors,
        };
        for error in errors {
            let path = error.path.join(".");
            let Some(key) = KEYS.iter().find(|key| key.name == path || path.starts_with(&format!("{}.", key.name)))
            else {
                problems.push(about(layers, &path, error.kind.to_string(), "correct it".into()));
                return default;
            };
            let problem = match error.kind {
                Kind::Message(reason) => reason,
                Kind::InvalidType(found, _) | Kind::InvalidValue(found, _) => format!("{found} is not accepted here"),
                Kind::UnknownVariant(found, _) => format!("{found:?} is not accepted here"),
                other => other.to_string(),
            };
            problems.push(about(layers, key.name, problem, give(key)));
            figment = figment.merge(&Layer::one(Origin::Default, key.name, default_of(key.name)));
        }
    }
    default
}

fn numbers_out_of_range(config: &Config) -> Vec<(&'static str, String, String)> {
    let values = Value::serialize(config).ok();
    let number = |key: &str| values.as_ref()?.find_ref(key)?.to_u128();
    let problem = |key: &'static keys::Key| {
        let Accepts::Number(min, max, _) = key.accepts else { return None };
        let problem = match number(key.name)? {
            value if value < u128::from(min) => format!("{value} is below {min}, the least that is accepted"),
            value if value > u128::from(max) => format!("{value} is above {max}, the most that is accepted"),
            _ => return None,
        };
        Some((key.name, problem, give(key)))
    };
    KEYS.iter().filter_map(problem).collect()
}

/// Limits that are each fine and make no sense together.
fn limits_at_odds(config: &Config) -> Vec<(&'static str, String, String)> {
    let limits = &config.limits;
    let mut problems = Vec::new();
    if limits.header_line_bytes_max > limits.header_bytes_max {
        let problem = "one header line may not be longer than all headers together";
        let fix = format!("at most {}, which is limits.header_bytes_max, or raise that", limits.header_bytes_max);
        problems.push(("limits.header_line_bytes_max", problem.into(), fix));
    }
    if limits.header_bytes_max > limits.frame_bytes_max {
        let problem = "the headers of a frame may not be longer than the frame";
        let fix = format!("at most {}, which is limits.frame_bytes_max, or raise that", limits.frame_bytes_max);
        problems.push(("limits.header_bytes_max", problem.into(), fix));
    }
    if limits.transaction_sends_max > limits.store_queue_max {
        let problem = "a transaction is written as one, so that all of it has to fit into the queue of the store";
        let fix = format!("at most {}, which is limits.store_queue_max, or raise that", limits.store_queue_max);
        problems.push(("limits.transaction_sends_max", problem.into(), fix));
    }
    // Four bytes are the longest character of UTF-8.
    let bytes = limits.message_chars_max.saturating_mul(4).saturating_add(MESSAGE_OVERHEAD_BYTES);
    if bytes > limits.frame_bytes_max {
        let problem = format!(
            "a message of {} characters needs a frame of up to {bytes} bytes, and limits.frame_bytes_max is {}",
            limits.message_chars_max, limits.frame_bytes_max
        );
        let fits = limits.frame_bytes_max.saturating_sub(MESSAGE_OVERHEAD_BYTES) / 4;
        let fix = format!("set limits.frame_bytes_max to at least {bytes}, or this to at most {fits}");
        problems.push(("limits.message_chars_max", problem, fix));
    }
    problems
}

/// A port of the operator's own that somebody chose, and that another key has. One that nobody chose gives way.
fn operator_at_odds(config: &Config) -> Option<(&'static str, String, String)> {
    let own = config.operator.listen.filter(|own| config.operator.is_given && own.port() != 0)?;
    let taken = |address: &SocketAddr| {
        let is_everywhere = address.ip().is_unspecified() || own.ip().is_unspecified();
        address.port() == own.port() && (address.ip() == own.ip() || is_everywhere)
    };
    let redirect = config.tls.redirect_listen.as_ref().filter(|address| taken(address)).map(|_| "tls.redirect_listen");
    let other = if taken(&config.listen) { "listen" } else { redirect? };
    let problem = format!("port {} is that of {other}", own.port());
    Some(("operator.listen", problem, "give it another port, or turn it off".into()))
}

fn about(layers: &[Layer], key: &str, problem: String, fix: String) -> Problem {
    let (value, origin) = match layers.iter().rev().find_map(|layer| layer.get(key)) {
        Some((value, origin)) => (Some(value), origin),
        None => (None, Origin::Default),
    };
    Problem { key: Some(key.into()), value, origin, problem, fix }
}

fn give(key: &keys::Key) -> String {
    format!("give {}; the default is {}", key.accepts.in_words(), super::layer::show(&default_of(key.name)))
}

fn default_of(key: &str) -> Value {
    let default = Value::serialize(Config::default()).ok();
    default.and_then(|values| values.find(key)).unwrap_or_else(|| Value::from(""))
}

fn unreadable(path: &Path, e: &std::io::Error) -> Problem {
    Problem {
        key: None,
        value: None,
        origin: Origin::File(path.to_owned(), None),
        problem: format!("the file cannot be read: {e}"),
        fix: "name a file that exists and may be read with --config FILE, or leave --config away".into(),
    }
}
