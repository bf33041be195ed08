//! README's tables list what the catalogues do.

use std::collections::BTreeSet;
use std::fs;

use crate::rules::assert_none;
use crate::source::root;

const README: &str = "README.md";
/// How the tables begin.
const HEADER: &str = "| name | what | source |";
/// The catalogues with a table.
const CATALOGUES: &[&str] = &[
    "crates/burn-patch/src/embed/catalogue.rs",
    "crates/burn-patch/src/reduce/catalogue.rs",
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
fn the_tables_of_readme_have_the_names_of_the_catalogues() {
    let mut tables = tables(&read(README));
    let mut problems = Vec::new();
    for catalogue in CATALOGUES {
        let names = listed(&read(catalogue));
        assert!(!names.is_empty(), "no names in {catalogue}");
        // Its table is the one with a name of it.
        let own = tables
            .iter()
            .position(|(_, table)| !table.is_disjoint(&names));
        let Some((line, table)) = own.map(|index| tables.remove(index)) else {
            problems.push(format!("{README}: no table of {catalogue}"));
            continue;
        };
        for name in names.difference(&table) {
            problems.push(format!(
                "{README}:{line}: no row for `{name}` of {catalogue}"
            ));
        }
        for name in table.difference(&names) {
            problems.push(format!("{README}:{line}: `{name}` is not in {catalogue}"));
        }
    }
    let strangers = tables
        .iter()
        .map(|(line, _)| format!("{README}:{line}: a table of no catalogue"));
    problems.extend(strangers);
    assert_none("README's tables and the catalogues differ:", problems);
}
