//! The pages' tables list what the catalogues do.

use std::collections::BTreeSet;
use std::fs;

use crate::rules::assert_none;
use crate::source::root;

/// How the tables begin.
const HEADER: &str = "| name | what | source |";
/// Each page with such tables, and the catalogues that they list.
const PAGES: &[(&str, &[&str])] = &[
    ("README.md", &["crates/burn-patch/src/embed/catalogue.rs"]),
    (
        "docs/embeddings.md",
        &[
            "crates/burn-patch/src/reduce/catalogue.rs",
            "crates/burn-patch/src/position/catalogue.rs",
        ],
    ),
];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of a catalogue: its lines start with `"name" =>`.
fn listed(catalogue: &str) -> BTreeSet<String> {
    let lines = catalogue.lines().map(str::trim);
    let names = lines.filter_map(|line| line.strip_prefix('"')?.split_once("\" =>"));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The names in the first column of each table with that header, with the number of its line.
fn tables(page: &str) -> Vec<(usize, BTreeSet<String>)> {
    let lines: Vec<&str> = page.lines().collect();
    let heads = (0..lines.len()).filter(|&line| lines[line] == HEADER);
    let table = |head: usize| {
        let rows = lines[head + 2..]
            .iter()
            .take_while(|line| line.starts_with('|'));
        let names = rows.filter_map(|row| row.split('`').nth(1));
        (head + 1, names.map(str::to_owned).collect())
    };
    heads.map(table).collect()
}

#[test]
fn the_tables_of_the_pages_have_the_names_of_the_catalogues() {
    let problems = PAGES
        .iter()
        .flat_map(|(page, catalogues)| differences(page, catalogues));
    assert_none(
        "the pages' tables and the catalogues differ:",
        problems.collect(),
    );
}

fn differences(page: &str, catalogues: &[&str]) -> Vec<String> {
    let mut tables = tables(&read(page));
    let mut problems = Vec::new();
    for catalogue in catalogues {
        let names = listed(&read(catalogue));
        assert!(!names.is_empty(), "no names in {catalogue}");
        // Its table is the one with a name of it.
        let own = tables
            .iter()
            .position(|(_, table)| !table.is_disjoint(&names));
        let Some((line, table)) = own.map(|index| tables.remove(index)) else {
            problems.push(format!("{page}: no table of {catalogue}"));
            continue;
        };
        for name in names.difference(&table) {
            problems.push(format!("{page}:{line}: no row for `{name}` of {catalogue}"));
        }
        for name in table.difference(&names) {
            problems.push(format!("{page}:{line}: `{name}` is not in {catalogue}"));
        }
    }
    let strangers = tables
        .iter()
        .map(|(line, _)| format!("{page}:{line}: a table of no catalogue"));
    problems.extend(strangers);
    problems
}
