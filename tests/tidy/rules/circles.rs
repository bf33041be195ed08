//! No file imports itself through others.

use std::collections::{BTreeSet, VecDeque};

use crate::exceptions::Exceptions;
use crate::modules::{Crate, crates};
use crate::rules::assert_none;

/// Imports that lead back and are to go, and how.
const NOT_YET: &[(&str, &str)] = &[
    (
        "examples/compare-embeddings/src/report/plot.rs → examples/compare-embeddings/src/report/table.rs",
        "rows and settings belong in a file of their own",
    ),
    (
        "crates/burn-patch/src/ops/layer/composed.rs → crates/burn-patch/src/ops/layer/layer_ops.rs",
        "the types of arguments and results belong in a file of their own",
    ),
    (
        "crates/burn-patch/src/ops/patch/composed.rs → crates/burn-patch/src/ops/patch/patch_ops.rs",
        "the types of arguments and results belong in a file of their own",
    ),
];

/// The files that each file imports from, and where: those that define what it names, and each `mod.rs` that it
/// names as such. What a `mod.rs` hands on it does not import.
fn edges(of: &Crate, exceptions: &Exceptions) -> Vec<Vec<(usize, usize)>> {
    let mut edges: Vec<Vec<(usize, usize)>> = Vec::new();
    for (index, module) in of.modules.iter().enumerate() {
        let taken = module.imports.iter();
        let taken = taken.filter(|import| !(module.is_hub() && import.shared));
        let targets = taken.filter_map(|import| {
            let file = of.origin(index, &import.path)?.file;
            let [from, to] = [module, &of.modules[file]].map(|module| &module.source.path);
            let excused = exceptions.excuse(&format!("{from} → {to}"));
            (file != index && !excused).then_some((file, import.at))
        });
        edges.push(targets.collect());
    }
    edges
}

/// A way from `to` back to `from` along the edges, `to` first.
fn way(edges: &[Vec<(usize, usize)>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before = vec![None; edges.len()];
    let mut queue = VecDeque::from([to]);
    while let Some(file) = queue.pop_front() {
        if file == from {
            let mut way = vec![file];
            while let Some(file) = way
                .last()
                .filter(|file| **file != to)
                .and_then(|file| before[*file])
            {
                way.push(file);
            }
            way.reverse();
            return Some(way);
        }
        for (next, _) in &edges[file] {
            if *next != to && before[*next].is_none() {
                before[*next] = Some(file);
                queue.push_back(*next);
            }
        }
    }
    None
}

#[test]
fn files_import_one_way() {
    let exceptions = Exceptions::new(NOT_YET);
    let mut problems = BTreeSet::new();
    for folder in crates() {
        let of = Crate::read(&folder);
        let edges = edges(&of, &exceptions);
        for (file, targets) in edges.iter().enumerate() {
            for (target, at) in targets {
                let way = way(&edges, file, *target);
                // Told once, at the file whose path comes first.
                if let Some(way) = way.filter(|way| way.iter().all(|other| *other >= file)) {
                    let names = way
                        .iter()
                        .map(|file| of.modules[*file].source.path.as_str());
                    let names: Vec<&str> = names.collect();
                    let place = of.modules[file].source.place(*at);
                    problems.insert(format!("{place}: → {}", names.join(" → ")));
                }
            }
        }
    }
    assert_none(
        "these imports lead back to the file that they start from; move what both need to a file of its own:",
        problems.into_iter().chain(exceptions.unneeded()).collect(),
    );
}

#[test]
fn a_way_back_is_found() {
    let edges = [vec![(1, 0)], vec![(2, 0)], vec![(0, 0)], vec![(0, 0)]];
    assert_eq!(way(&edges, 0, 1), Some(vec![1, 2, 0]));
    assert_eq!(way(&edges, 3, 0), None);
}
