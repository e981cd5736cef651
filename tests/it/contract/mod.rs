//! What the tutorial's server answered, written down in `recorded/`, against what this one answers, field by field.
//!
//! Each difference is on purpose, or a fault: those on purpose stand in `docs/PROTOCOL.md`, "Field by field", with their
//! reasons. One that does not stand there fails, and so does one that stands there and is gone.

mod calls;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};

use figment::Figment;
use figment::providers::{Format as _, Toml};
use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");
const CALLS: &str = include_str!("recorded/calls.toml");
const SCENES: &str = include_str!("recorded/scenes.toml");
const NOWHERE: &str = "123e4567-e89b-42d3-a456-426614174000";

/// A field that differs: of which exchange, which one, what the tutorial's server has there, and what is here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    exchange: String,
    field: String,
    there: String,
    here: String,
}

impl Difference {
    /// As a row of the table; the reason is for a person to write.
    fn row(&self) -> String {
        format!("| {} | `{}` | `{}` | `{}` | |", self.exchange, self.field, self.there, self.here)
    }
}

#[tokio::test]
async fn every_call_is_answered_as_the_tutorials_server_did_but_for_what_is_listed() {
    let calls: calls::Calls = read(CALLS);
    let names = calls.call.iter().map(|call| call.name.clone()).collect();
    holds(names, &calls::compared(&calls).await);
}

#[tokio::test]
async fn every_frame_is_answered_as_the_tutorials_server_did_but_for_what_is_listed() {
    let scenes: scenes::Scenes = read(SCENES);
    let names = scenes.scene.iter().map(|scene| scene.name.clone()).collect();
    holds(names, &scenes::compared(&scenes).await);
}

#[test]
fn every_listed_difference_is_of_something_that_was_recorded_and_has_a_reason() {
    let (calls, scenes): (calls::Calls, scenes::Scenes) = (read(CALLS), read(SCENES));
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for name in calls.call.iter().map(|call| &call.name).chain(scenes.scene.iter().map(|scene| &scene.name)) {
        *names.entry(name).or_default() += 1;
    }
    assert!(names.len() > 80 && names.values().all(|times| *times == 1), "{names:?}");
    for (difference, reason) in listed() {
        assert!(names.contains_key(&*difference.exchange), "{}", difference.exchange);
        assert!(reason.len() > 4, "why? {}", difference.row());
    }
}

/// Compares what differs with what is listed of these exchanges.
fn holds(exchanges: BTreeSet<String>, found: &BTreeSet<Difference>) {
    let listed: BTreeSet<_> =
        listed().into_iter().map(|(row, _)| row).filter(|row| exchanges.contains(&row.exchange)).collect();
    let new: Vec<String> = found.difference(&listed).map(Difference::row).collect();
    let gone: Vec<String> = listed.difference(found).map(Difference::row).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "differs from the tutorial's server, and does not stand in docs/PROTOCOL.md:\n{}\n\nstands there, and is gone:\n{}\n",
        new.join("\n"),
        gone.join("\n"),
    );
}

/// The rows of the table, with their reasons.
fn listed() -> Vec<(Difference, String)> {
    let (_, text) = DOCUMENT.split_once("\n### Field by field\n").expect("the table's section");
    let lines = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [exchange, field, there, here, reason] = cells[..] else { panic!("five cells: {line}") };
        let bare = |cell: &str| cell.trim_matches('`').to_owned();
        let difference =
            Difference { exchange: exchange.to_owned(), field: bare(field), there: bare(there), here: bare(here) };
        (difference, reason.to_owned())
    };
    lines.skip(2).map(row).collect()
}

fn read<T: DeserializeOwned>(recorded: &str) -> T {
    Figment::from(Toml::string(recorded)).extract().unwrap()
}

/// What two answers have in common however often they are given: ids, tokens and times by their kinds.
fn general(text: &str, room: &str) -> String {
    let is_token = text.split('.').count() == 3 && text.starts_with("eyJ");
    let is_id = text.len() == NOWHERE.len() && text.parse::<uuid::Uuid>().is_ok();
    let text = text.replace(room, "{room}").replace('\r', "\\r").replace('\n', "\\n").replace('\0', "\\0");
    match text.as_str() {
        "{room}" => text,
        "" => "(empty)".to_owned(),
        _ if is_token => "<jwt>".to_owned(),
        _ if is_id => "<uuid>".to_owned(),
        _ => text,
    }
}

/// Whether what is here is what was recorded.
fn same(there: &str, here: &str) -> bool {
    match there {
        "<any>" => here != "-",
        "<number>" => here.parse::<f64>().is_ok(),
        _ => there == here,
    }
}

/// The members of a JSON object in their order; those of the first element of an array.
struct Members(Vec<(String, Value)>);

impl Members {
    fn of(json: &str) -> Option<Self> {
        let json = json.trim();
        serde_json::from_str(json).ok().or_else(|| serde_json::from_str::<Vec<Self>>(json).ok()?.into_iter().next())
    }

    fn names(&self) -> String {
        self.0.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ")
    }

    /// A text as it is, everything else as JSON.
    fn member(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Members;

            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Ordered)
    }
}
