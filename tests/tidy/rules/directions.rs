//! Folders of burn-patch import downwards only.

use crate::modules::Crate;
use crate::rules::assert_none;

/// From bottom to top. A folder imports from those in rows above its own here, never from its own row.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["or_panic"],
    &["grid", "noise"],
    &["ops"],
    &["resample"],
    &["layers", "tokens"],
    &["embed", "position", "reduce"],
    &["pack"],
];

/// What every folder may import, and which imports from the bottom row alone.
const FOR_ANYONE: &str = "catalogue";

fn row(folder: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&folder))
}

fn may_import(from: &str, to: &str) -> bool {
    if from == to || to == FOR_ANYONE {
        return true;
    }
    match (row(from), row(to)) {
        (Some(from), Some(to)) => to < from,
        (None, to) => to == Some(0),
        (Some(_), None) => false,
    }
}

#[test]
fn burn_patch_imports_downwards() {
    let burn_patch = Crate::read("crates/burn-patch");
    let mut problems = Vec::new();
    for (index, module) in burn_patch.modules.iter().enumerate() {
        let Some(from) = module.path.first() else {
            continue; // lib.rs
        };
        if row(from).is_none() && from != FOR_ANYONE {
            problems.push(format!(
                "{}:1: '{from}' has no row in ORDER",
                module.source.path
            ));
        }
        for import in &module.imports {
            let Some(origin) = burn_patch.origin(index, &import.path) else {
                continue;
            };
            let Some(to) = burn_patch.modules[origin.file].path.first() else {
                continue;
            };
            if !may_import(from, to) {
                let place = module.source.place(import.at);
                problems.push(format!(
                    "{place}: {from} imports {}",
                    import.path.join("::")
                ));
            }
        }
    }
    assert_none(
        "imports point down, in the order of tests/tidy/rules/directions.rs:",
        problems,
    );
}

#[test]
fn neighbours_and_what_lies_above_are_refused() {
    for (from, to) in [
        ("embed", "ops"),
        ("pack", "embed"),
        ("ops", "catalogue"),
        ("catalogue", "error"),
    ] {
        assert!(may_import(from, to), "{from} → {to}");
    }
    for (from, to) in [
        ("embed", "position"),
        ("grid", "ops"),
        ("catalogue", "embed"),
        ("ops", "unknown"),
    ] {
        assert!(!may_import(from, to), "{from} → {to}");
    }
}
