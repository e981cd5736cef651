//! What a bench found: figures by name and unit, of each run and their median, as a table or as JSON.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::output::{Output, table};

/// The figures of one run, in the order in which they are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(Vec<Figure>);

#[derive(Clone, Debug)]
struct Figure {
    name: &'static str,
    unit: &'static str,
    value: f64,
}

impl Figures {
    pub(super) fn push(&mut self, name: &'static str, unit: &'static str, value: f64) {
        self.0.push(Figure { name, unit, value });
    }

    /// One that only a server on this host has.
    pub(super) fn push_known(&mut self, name: &'static str, unit: &'static str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.push(name, unit, value);
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

/// A figure over all runs.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    unit: &'static str,
    median: f64,
    min: f64,
    max: f64,
}

/// All runs of one bench.
pub(super) struct Report {
    pub(super) bench: &'static str,
    pub(super) url: String,
    /// How the server keeps what is said: another way of keeping it is another report.
    pub(super) store: &'static str,
    /// What was asked for, as it was in force.
    pub(super) settings: Value,
    pub(super) runs: Vec<Figures>,
}

impl Report {
    /// A figure over all runs: its median, the least and the most.
    pub(super) fn spread(&self, name: &str) -> Option<(f64, f64, f64)> {
        self.lines().iter().find(|line| line.name == name).map(|line| (line.median, line.min, line.max))
    }

    pub(super) fn show(&self, output: &Output) -> anyhow::Result<()> {
        output.show(&self.json(), || self.text())
    }

    pub(super) fn json(&self) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(by_name).collect();
        json!({
            "bench": self.bench,
            "url": self.url,
            "store": self.store,
            "settings": self.settings,
            "figures": self.lines(),
            "runs": runs,
        })
    }

    fn lines(&self) -> Vec<Line> {
        let Some(first) = self.runs.first() else { return Vec::new() };
        let line = |figure: &Figure| {
            let mut values: Vec<f64> = self.runs.iter().filter_map(|run| run.value(figure.name)).collect();
            values.sort_by(f64::total_cmp);
            let (min, max) = (values.first().copied()?, values.last().copied()?);
            let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
            Some(Line { name: figure.name, unit: figure.unit, median, min, max })
        };
        first.0.iter().filter_map(line).collect()
    }

    fn text(&self) -> String {
        let head = format!("{} of {}, {}, every delivery checked: clean", self.bench, self.url, self.times());
        format!("{head}\n{}", self.table())
    }

    /// How many runs there were.
    pub(super) fn times(&self) -> String {
        match self.runs.len() {
            1 => "one run".to_owned(),
            runs => format!("{runs} runs"),
        }
    }

    /// Each figure in a line.
    pub(super) fn table(&self) -> String {
        let cells =
            |line: &Line| [line.name.into(), told(line.median), told(line.min), told(line.max), line.unit.into()];
        let rows: Vec<[String; 5]> = self.lines().iter().map(cells).collect();
        table(["FIGURE", "MEDIAN", "MIN", "MAX", "UNIT"], &rows)
    }
}

fn by_name(run: &Figures) -> Value {
    let pairs = run.0.iter().map(|figure| (figure.name.to_owned(), json!(figure.value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A number as people read it: with thousands apart, and as many digits as mean something.
pub(super) fn told(value: f64) -> String {
    if value.abs() < 100.0 {
        return if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_with_thousands_apart() {
        let told = [0.123, 12.34, 123.4, 1_234_567.0, -4_321.0].map(told);
        assert_eq!(told, ["0.12", "12.3", "123", "1,234,567", "-4,321"]);
    }

    #[test]
    fn the_median_of_runs_is_told_with_its_ends() {
        let run = |value| {
            let mut figures = Figures::default();
            figures.push("deliveries", "/s", value);
            figures
        };
        let runs = vec![run(3.0), run(1.0), run(2.0)];
        let report = Report { bench: "fanout", url: String::new(), store: "durable", settings: Value::Null, runs };
        assert_eq!(report.spread("deliveries"), Some((2.0, 1.0, 3.0)));
    }
}
