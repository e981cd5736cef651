//! What `/metrics` answers, read as strictly as its specification is (OpenMetrics 1.0).

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;

/// All that was told at once.
pub(crate) struct Scrape {
    /// The type of each metric, by its name as a reader of the document would write it.
    pub(crate) kinds: BTreeMap<String, String>,
    /// The names of its labels.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    /// Each series as it stands there, `name{label="value"}`.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Server {
    /// Where the operator reads.
    pub(crate) fn operator(&self) -> String {
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("metrics url=")).unwrap_or_else(|| panic!("none in {log}"));
        let url = line.split("url=").nth(1).unwrap().split_whitespace().next().unwrap().trim_matches('"');
        url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap().to_owned()
    }

    /// Reads the metrics.
    pub(crate) async fn scrape(&self) -> Scrape {
        let (head, body) = get(&self.operator(), "/metrics").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
        Scrape::parse(&body)
    }
}

/// The head and the body of an answer.
pub(crate) async fn get(authority: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (format!("{head}\r\n"), body.to_owned())
}

impl Scrape {
    /// The value of a series; it has to be there.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.series.keys()))
    }

    /// Every line has its place: families one after the other, each with HELP, TYPE and its own samples.
    pub(crate) fn parse(text: &str) -> Self {
        let mut scrape = Self { kinds: BTreeMap::new(), labels: BTreeMap::new(), series: BTreeMap::new() };
        let text = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        let mut families = text.split("# HELP ");
        assert_eq!(families.next(), Some(""), "it begins with a family");
        for family in families {
            let mut lines = family.strip_suffix('\n').unwrap().split('\n');
            let (name, help) = lines.next().unwrap().split_once(' ').unwrap();
            assert!(is_name(name) && help.len() > 10 && !help.contains('\\'), "{name} {help}");
            let declared = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let kind = declared.strip_prefix(name).unwrap().strip_prefix(' ').unwrap();
            let own = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            assert!(scrape.kinds.insert(own.clone(), kind.to_owned()).is_none(), "{name} stands there twice");
            let samples: Vec<(&str, Labels<'_>, f64)> = lines.map(sample).collect();
            assert!(!samples.is_empty(), "{name} tells nothing");
            match kind {
                "counter" | "gauge" => {
                    for (sample, _, value) in &samples {
                        assert_eq!(*sample, own);
                        assert!(value.is_finite() && (kind == "gauge" || *value >= 0.0), "{sample} {value}");
                    }
                }
                "histogram" => check_histogram(name, &samples),
                other => panic!("{name} is a {other}"),
            }
            let labels = samples.iter().flat_map(|(_, labels, _)| labels.iter().map(|(label, _)| (*label).to_owned()));
            scrape.labels.insert(own, labels.filter(|label| label != "le").collect());
            for (sample, labels, value) in samples {
                let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let series = format!("{sample}{labels}");
                assert!(scrape.series.insert(series.clone(), value).is_none(), "{series} stands there twice");
            }
        }
        scrape
    }
}

type Labels<'a> = Vec<(&'a str, &'a str)>;

/// `name{label="value",...} number`.
fn sample(line: &str) -> (&str, Labels<'_>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
    let number = value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"));
    let (name, labels) = match series.split_once('{') {
        None => (series, Vec::new()),
        Some((name, labels)) => {
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
            let label = |pair| {
                let (label, value): (&str, &str) = str::split_once(pair, "=\"").unwrap();
                let value = value.strip_suffix('"').unwrap();
                assert!(is_name(label) && !value.contains(['"', '\\', '\n']), "{line:?}");
                (label, value)
            };
            (name, labels.split(',').map(label).collect())
        }
    };
    assert!(is_name(name), "{line:?}");
    (name, labels, number)
}

/// The buckets rise to the count, and the last one is everything.
fn check_histogram(name: &str, samples: &[(&str, Labels<'_>, f64)]) {
    let of = |suffix: &str| {
        let found: Vec<_> = samples.iter().filter(|(sample, ..)| *sample == format!("{name}_{suffix}")).collect();
        found
    };
    let (buckets, counts, sums) = (of("bucket"), of("count"), of("sum"));
    assert_eq!((counts.len(), sums.len(), buckets.len() + 2), (1, 1, samples.len()), "{name}");
    let bounds: Vec<f64> =
        buckets.iter().map(|(_, labels, _)| labels[0].1.replace("+Inf", "inf").parse().unwrap()).collect();
    assert!(buckets.iter().all(|(_, labels, _)| labels.len() == 1 && labels[0].0 == "le"));
    assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.last() == Some(&f64::INFINITY), "{name}");
    assert!(buckets.windows(2).all(|pair| pair[0].2 <= pair[1].2), "{name}");
    assert_eq!(buckets.last().unwrap().2, counts[0].2, "{name}");
    assert!(sums[0].2 >= 0.0);
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
