//! Reads `GET /metrics` as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};

use crate::helpers::{Browser, Process};

/// One scrape.
#[derive(Debug)]
pub struct Scrape {
    /// By name.
    pub types: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The metrics of a process that logs where they are.
pub struct Target(Browser);

impl Target {
    pub fn of(process: &Process) -> Self {
        process.wait_for_log("metrics at ");
        let logs = process.logs();
        let (_, after) = logs.split_once("metrics at ").unwrap();
        let address = after.split("/metrics").next().unwrap();
        Self(Browser::new(address))
    }

    pub fn browser(&self) -> &Browser {
        &self.0
    }

    pub async fn scrape(&self) -> Scrape {
        let answer = self.0.get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("text/plain; version=0.0.4"));
        Scrape::parse(&answer.text)
    }

    /// Scrapes until `is_reached`.
    pub async fn scrape_until(&self, is_reached: impl Fn(&Scrape) -> bool) -> Scrape {
        for _ in 0..1_000 {
            let scrape = self.scrape().await;
            if is_reached(&scrape) {
                return scrape;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("never reached: {:?}", self.scrape().await);
    }
}

impl Scrape {
    fn parse(text: &str) -> Self {
        let mut types = BTreeMap::new();
        let mut samples = Vec::new();
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                let before = types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "declared twice: {name}");
            } else if !line.starts_with('#') {
                samples.push(Sample::parse(line));
            }
        }
        Self { types, samples }
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.samples.iter().map(|sample| &*sample.name);
        names.collect()
    }

    /// The sum of the samples that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|it| it == value))
        };
        self.samples.iter().filter(has).map(|it| it.value).sum()
    }

    /// The only sample of this name.
    pub fn value(&self, name: &str) -> f64 {
        let mut values = self.samples.iter().filter(|sample| sample.name == name);
        match (values.next(), values.next()) {
            (Some(sample), None) if sample.labels.is_empty() => sample.value,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Every value of a label of a metric.
    pub fn label_values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let samples = self.samples.iter().filter(|sample| sample.name == name);
        samples.map(|sample| &*sample.labels[label]).collect()
    }
}

impl Sample {
    /// `name{label="value",…} number`; no value here has a quote or a comma in it.
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter(|label| !label.is_empty()).map(|label| {
            let (label, value) = label.split_once('=').unwrap();
            let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            (label.to_owned(), value.to_owned())
        });
        Self {
            name: name.to_owned(),
            labels: labels.collect(),
            value: value.parse().unwrap_or_else(|_| panic!("{line}")),
        }
    }
}
