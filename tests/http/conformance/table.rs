//! docs/security.md: the table of claims. Every row is a test that runs on both databases.

use std::{collections::HashMap, fs, path::Path};

use super::peers::all_rows;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");
const HOLDS: &str = "holds";
const FAILS: &str = "does not";
/// Where the row does not apply.
const NOT_ASKED: &str = "–";

/// Whether each row held for one peer.
pub type Column = Vec<((&'static str, &'static str), bool)>;

/// The cells of the table's rows: claim, source, test, peers.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter(|line| {
            !["| claim", "| ---"]
                .iter()
                .any(|head| line.starts_with(head))
        });
    lines
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

fn test_of<'a>(row: &[&'a str]) -> &'a str {
    row[2].trim_matches('`')
}

/// `http::conformance::cookie` and `is_http_only` are `conformance::cookie::is_http_only`.
fn path_of((module, name): (&str, &str)) -> String {
    let module = module.split_once("::").unwrap().1;
    format!("{module}::{name}")
}

/// The tests of a file that run on both databases.
fn tests_on_both(source: &str) -> Vec<&str> {
    let lists = ["on_both_databases!(", "rows!("];
    let list = lists.iter().find_map(|list| {
        let (_, rest) = source.split_once(&format!("\n{list}"))?;
        rest.split_once(");").map(|(names, _)| names)
    });
    let names = list.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_row_is_a_test_on_both_databases() {
    let text = fs::read_to_string(TABLE).unwrap();
    let rows = rows(&text);
    assert!(rows.len() >= 45, "{}", rows.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http");
    let mut seen = HashMap::new();
    for row in &rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let test = test_of(row);
        assert_eq!(seen.insert(test, ()), None, "{test} stands there twice");
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = folder.join(module.replace("::", "/")).with_extension("rs");
        let source = fs::read_to_string(&file).unwrap_or_default();
        assert!(tests_on_both(&source).contains(&name), "there is no {test}");
        assert!(!row[0].is_empty() && !row[1].is_empty(), "{test}");
    }
    for (row, _) in all_rows() {
        assert!(seen.contains_key(&*path_of(*row)), "{row:?} is not in it");
    }
}

/// The names in the section about one database alone, whose tests are not in a list.
#[test]
fn every_claim_about_one_database_is_a_test() {
    let text = fs::read_to_string(TABLE).unwrap();
    let (_, section) = text.split_once("## On one database alone").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http");
    let names = section.split('`').filter(|part| part.contains("::"));
    assert!(names.clone().count() >= 7);
    for test in names {
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = folder.join(module.replace("::", "/")).with_extension("rs");
        let source = fs::read_to_string(&file).unwrap_or_default();
        let test_fn = format!("#[tokio::test(flavor = \"multi_thread\")]\nasync fn {name}()");
        assert!(source.contains(&test_fn), "there is no {test}");
    }
}

#[test]
fn peers_were_asked_what_can_be_asked() {
    let text = fs::read_to_string(TABLE).unwrap();
    let asked: Vec<String> = all_rows().map(|(row, _)| path_of(*row)).collect();
    for row in rows(&text) {
        let is_asked = asked.iter().any(|path| path == test_of(&row));
        for cell in &row[3..] {
            assert_eq!([HOLDS, FAILS].contains(cell), is_asked, "{row:?}");
        }
    }
}

/// Rewrites the peers' cells.
pub fn write_peers(columns: &[Column]) {
    let text = fs::read_to_string(TABLE).unwrap();
    let lines = text.lines().map(|line| {
        let row = rows(line);
        let Some(row) = row.first() else {
            return line.to_owned();
        };
        let cell = |column: &Column| {
            let held = column
                .iter()
                .find(|(row_name, _)| path_of(*row_name) == test_of(row));
            match held {
                Some((_, true)) => HOLDS,
                Some((_, false)) => FAILS,
                None => NOT_ASKED,
            }
        };
        let cells: Vec<&str> = columns.iter().map(cell).collect();
        format!("| {} | {} |", row[..3].join(" | "), cells.join(" | "))
    });
    let lines: Vec<String> = lines.collect();
    fs::write(TABLE, lines.join("\n") + "\n").unwrap();
}
