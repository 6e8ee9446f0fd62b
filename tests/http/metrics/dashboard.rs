//! The Grafana dashboard: what Grafana requires of one, and that every metric it shows exists.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::scrape::Target;
use crate::helpers::Workplace;

const DASHBOARD: &str = include_str!("../../../deploy/grafana/handstamp.json");
const COLUMNS: u64 = 24;

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// The names that a query selects series by, and the labels that it groups or filters them by.
fn names_in(query: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let is_metric = |name: &&str| {
        ["http_", "handstamp_", "process_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    metrics.extend(query.split(|char| !is_name(char)).filter(is_metric));
    for inside in query.split('{').skip(1) {
        let inside = inside.split('}').next().unwrap();
        let filters = inside
            .split(',')
            .filter_map(|filter| filter.split(['=', '!']).next());
        labels.extend(filters.map(str::trim));
    }
    for grouped in query.split("by (").skip(1) {
        labels.extend(grouped.split(')').next().unwrap().split(',').map(str::trim));
    }
    (metrics, labels)
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

fn queries(panel: &Value) -> impl Iterator<Item = &Value> {
    panel["targets"].as_array().into_iter().flatten()
}

#[test]
fn it_is_what_grafana_takes() {
    let dashboard = dashboard();
    // As the schema of dashboards requires, and what an import asks for beside it.
    for (field, is_right) in [
        ("schemaVersion", Value::is_u64 as fn(&Value) -> bool),
        ("templating", Value::is_object),
        ("annotations", Value::is_object),
        ("panels", Value::is_array),
        ("title", Value::is_string),
        ("uid", Value::is_string),
    ] {
        assert!(is_right(&dashboard[field]), "{field}");
    }
    assert!(dashboard.get("id").is_none(), "Grafana gives it");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: BTreeSet<_> = variables
        .iter()
        .map(|variable| {
            let kind = variable["type"].as_str().unwrap();
            assert!(["datasource", "query"].contains(&kind), "{variable}");
            variable["name"].as_str().unwrap()
        })
        .collect();
    assert_eq!(variables, ["datasource", "instance", "job"].into());

    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is taken"
        );
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().unwrap());
        assert!(w >= 1 && h >= 1 && x + w <= COLUMNS, "{title}: {place}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title}: another panel is there");
        }
        let kind = panel["type"].as_str().unwrap();
        assert!(["row", "stat", "timeseries"].contains(&kind), "{title}");
        assert_eq!(queries(panel).count() == 0, kind == "row", "{title}");
        let mut letters = BTreeSet::new();
        for query in queries(panel) {
            assert!(letters.insert(query["refId"].as_str().unwrap()), "{title}");
            assert_eq!(query["datasource"], panel["datasource"]);
            let text = query["expr"].as_str().unwrap();
            for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                assert_eq!(
                    text.matches(open).count(),
                    text.matches(close).count(),
                    "{text}"
                );
            }
            for variable in text.split('$').skip(1) {
                let name: String = variable
                    .chars()
                    .take_while(|it| it.is_alphabetic() || *it == '_')
                    .collect();
                let is_known = name == "__rate_interval" || variables.contains(&*name);
                assert!(is_known, "{text}: ${name}");
            }
        }
        if kind != "row" {
            let source = Map::from_iter([
                ("type".to_owned(), "prometheus".into()),
                ("uid".to_owned(), "${datasource}".into()),
            ]);
            assert_eq!(panel["datasource"], Value::Object(source), "{title}");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{title}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_it_shows_exists() {
    let workplace = Workplace::new(&[("METRICS_ADDR", "127.0.0.1:0")]);
    let process = workplace.serve();
    process.browser().sign_up("Ann").await;
    let scrape = Target::of(&process).scrape().await;
    let known = scrape.names();
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let lookups = variables
        .iter()
        .filter_map(|variable| variable["query"].as_str());
    let shown = panels(&dashboard).iter().flat_map(queries);
    let shown = shown.map(|query| query["expr"].as_str().unwrap());
    let mut all = BTreeSet::new();
    for query in shown.chain(lookups) {
        let (metrics, labels) = names_in(query);
        for name in metrics {
            assert!(known.contains(name), "there is no {name}: {query}");
            let series = scrape.samples.iter().filter(|sample| sample.name == name);
            // Prometheus adds two.
            let has: BTreeSet<&str> = series
                .flat_map(|sample| sample.labels.keys().map(|label| &**label))
                .chain(["job", "instance"])
                .collect();
            assert!(labels.is_subset(&has), "{name} has {has:?}: {query}");
            all.insert(name);
        }
    }
    let own = known.iter().filter(|name| name.starts_with("handstamp_"));
    let missing: Vec<_> = own.filter(|name| !all.contains(**name)).collect();
    assert!(missing.is_empty(), "never shown: {missing:?}");
}
