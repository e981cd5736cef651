//! One layer of the configuration: a file, an environment variable or a flag, reduced to the keys that exist.
//!
//! What does not exist is reported here, where its origin is still at hand. Invariant: a layer holds known keys only.

use std::ffi::OsStr;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::{Origin, Problem};
use super::keys::{self, Accepts, KEYS};
use super::near::nearest;

/// The prefix of every environment variable that is read.
const PREFIX: &str = "SARANGBANG_";

/// Known keys from one origin.
pub(super) struct Layer {
    origin: Origin,
    /// The file's text, to find lines in.
    text: String,
    values: Dict,
}

impl Layer {
    /// The keys of a file that exist.
    pub(super) fn file(path: &Path, text: String, problems: &mut Vec<Problem>) -> Option<Self> {
        let origin = Origin::File(path.to_owned(), None);
        let mut layer = Self { origin, text, values: Dict::new() };
        // Figment's own way of reading a file searches the parent folders too; this one file is meant.
        match Figment::from(Toml::string(&layer.text)).extract::<Dict>() {
            Ok(found) => layer.values = layer.known(found, "", problems),
            Err(e) => {
                problems.push(Problem {
                    key: None,
                    value: None,
                    origin: layer.origin,
                    problem: e.kind.to_string().trim_end().lines().map(veiled).collect::<Vec<_>>().join("\n"),
                    fix: "correct the TOML; texts stand in double quotes".into(),
                });
                return None;
            }
        }
        Some(layer)
    }

    /// The key that an environment variable sets; `None` when the variable is none of ours.
    pub(super) fn variable(name: &OsStr, value: &OsStr, problems: &mut Vec<Problem>) -> Option<Self> {
        let name = name.to_str()?;
        let key = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
        let origin = Origin::Environment(name.to_owned());
        let mut problem = |problem: &str, fix: String| {
            let value = Some(show(&Value::from(value.to_string_lossy().as_ref())));
            problems.push(Problem {
                key: Some(key.clone()),
                value,
                origin: origin.clone(),
                problem: problem.into(),
                fix,
            });
            None
        };
        let Some(known) = keys::find(&key) else {
            let fix = match nearest(&key) {
                Some(near) => format!("did you mean {PREFIX}{}?", near.replace('.', "__").to_uppercase()),
                None => "unset it; two underscores stand between a section and its key".into(),
            };
            return problem("there is no such key", fix);
        };
        let Some(text) = value.to_str() else {
            return problem("this is not UTF-8", format!("give {}", known.accepts.in_words()));
        };
        let value = match known.accepts {
            Accepts::List(_) if text.trim_start().starts_with('[') => parsed(text),
            Accepts::Text(_) | Accepts::Choice(_) | Accepts::List(_) => Value::from(text),
            Accepts::Switch | Accepts::Number(..) => parsed(text),
        };
        Some(Self::one(origin, known.name, value))
    }

    /// The key that a flag sets.
    pub(super) fn flag(flag: &'static str, key: &str, value: &str) -> Self {
        Self::one(Origin::Flag(flag), key, Value::from(value))
    }

    /// A layer of one key.
    pub(super) fn one(origin: Origin, key: &str, value: Value) -> Self {
        let values = figment::util::nest(key, value).into_dict().unwrap_or_default();
        Self { origin, text: String::new(), values }
    }

    /// The value and the origin of a key, where this layer sets it.
    pub(super) fn get(&self, key: &str) -> Option<(String, Origin)> {
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        let value = self.values.get(first)?;
        let value = if rest.is_empty() { value } else { value.find_ref(rest)? };
        Some((show(value), self.at(key)))
    }

    fn at(&self, key: &str) -> Origin {
        match &self.origin {
            Origin::File(path, _) => Origin::File(path.clone(), line_of(&self.text, key)),
            other => other.clone(),
        }
    }

    fn known(&self, found: Dict, section: &str, problems: &mut Vec<Problem>) -> Dict {
        let mut known = Dict::new();
        for (name, value) in found {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let problem = |problem: &str, fix| Problem {
                key: Some(key.clone()),
                value: value.as_dict().is_none().then(|| show(&value)),
                origin: self.at(&key),
                problem: problem.into(),
                fix,
            };
            let is_section = KEYS.iter().any(|known| known.name.starts_with(&format!("{key}.")));
            match value.as_dict() {
                _ if keys::find(&key).is_some() => drop(known.insert(name, value)),
                Some(inner) if is_section => {
                    drop(known.insert(name, Value::from(self.known(inner.clone(), &key, problems))));
                }
                None if is_section => problems.push(problem(
                    "this is a section, not a key",
                    format!(
                        "write [{key}] on a line of its own, and below it any of: {}",
                        keys::names_in(&key).join(", ")
                    ),
                )),
                _ => problems.push(problem("there is no such key", remedy(&key, section))),
            }
        }
        known
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// A value as TOML writes it (which is as JSON does, for all that we accept); of a URL not what may be a password.
pub(super) fn show(value: &Value) -> String {
    match value.as_str().map(veiled) {
        Some(text) => serde_json::to_string(&text).unwrap_or_default(),
        None => serde_json::to_string(value).unwrap_or_default(),
    }
}

/// A text, and where it is a URL with somebody's name and password, three stars in their place. A slash or a question
/// mark that should have been escaped does not show them: the last @ counts, and `pass=` as well.
fn veiled(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => rest.to_owned(),
    };
    match rest.split_once("pass") {
        Some((before, _)) if before.contains('?') => format!("{scheme}://{before}***"),
        _ => format!("{scheme}://{rest}"),
    }
}

/// What to do about an unknown key.
fn remedy(key: &str, section: &str) -> String {
    match nearest(key) {
        Some(near) if !near.contains('.') && key.contains('.') => {
            format!("did you mean {near}? It belongs above the first [section]")
        }
        Some(near) => format!("did you mean {near}?"),
        None if section.is_empty() => format!("remove it; there are: {}", keys::names_in(section).join(", ")),
        None => format!("remove it; [{section}] has: {}", keys::names_in(section).join(", ")),
    }
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// The line (from 1) on which `key` is set, or its section begins. A reader of lines, not of TOML: what it does not
/// find is reported without a line.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let unquoted = |part: &str| part.replace(['"', '\'', ' ', '\t'], "");
    let (mut section, mut begun) = (String::new(), None);
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = unquoted(header.split(']').next().unwrap_or_default()) + ".";
            if section.strip_suffix('.') == Some(key) || key.starts_with(&section) && begun.is_none() {
                begun = Some(number);
            }
        } else if let Some((left, _)) = line.split_once('=') {
            let here = format!("{section}{}", unquoted(left));
            if here == key {
                return Some(number);
            }
            if key.starts_with(&format!("{here}.")) {
                begun = Some(number);
            }
        }
    }
    begun
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        for (text, shown) in [
            ("redis://chat:secret@h:1/2", "redis://***@h:1/2"),
            ("redis://:sec/re@t@h", "redis://***@h"),
            ("redis://:sec?ret@h", "redis://***@h"),
            ("unix:///run/s?db=1&pass=secret", "unix:///run/s?db=1&***"),
            ("https://chat.example.com/pass", "https://chat.example.com/pass"),
            ("me@example.com", "me@example.com"),
        ] {
            assert_eq!(show(&Value::from(text)), format!("\"{shown}\""));
        }
    }

    #[test]
    fn a_key_is_found_on_its_line_however_it_is_written() {
        let text = "listen = \"x\"\nlog.level = \"a\"\nauth = { sign_up = \"x\" }\n[history]\n # durable = 1\n durable=2\n[ limits ]\n";
        for (key, line) in [
            ("listen", Some(1)),
            ("log.level", Some(2)),
            ("auth.sign_up", Some(3)),
            ("history.durable", Some(6)),
            ("limits", Some(7)),
            ("data", None),
        ] {
            assert_eq!(line_of(text, key), line, "{key}");
        }
    }
}
