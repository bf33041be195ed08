//! A file imports from the file that defines a thing, not through the `mod.rs` above it.

use crate::exceptions::Exceptions;
use crate::modules::{Crate, Module, crates};
use crate::rules::assert_none;

/// Folders that are not there yet, and why.
const NOT_YET: &[(&str, &str)] = &[("crates/burn-patch/src/ops/", "being rewritten")];

/// Whether `hub` is the `mod.rs` of a folder that `module` lies in; the root is none.
fn is_above(hub: &Module, module: &Module) -> bool {
    !hub.path.is_empty() && module.path.len() > hub.path.len() && module.path.starts_with(&hub.path)
}

#[test]
fn files_import_from_the_file_that_defines_a_thing() {
    let exceptions = Exceptions::new(NOT_YET);
    let mut problems = Vec::new();
    for folder in crates() {
        let of = Crate::read(&folder);
        for (index, module) in of.modules.iter().enumerate() {
            let path = &module.source.path;
            if module.is_hub() {
                continue;
            }
            for import in module.imports.iter().filter(|import| !import.shared) {
                let Some(origin) = of.origin(index, &import.path) else {
                    continue;
                };
                let mut through = origin.through.iter().map(|hub| &of.modules[*hub]);
                let wrong = import.path[0] == "super" || through.any(|hub| is_above(hub, module));
                if wrong && !exceptions.excuse_below(path) {
                    let (place, path) = (module.source.place(import.at), import.path.join("::"));
                    let defined = &of.modules[origin.file].source.path;
                    problems.push(format!("{place}: {path} is defined in {defined}"));
                }
            }
        }
    }
    problems.extend(exceptions.unneeded());
    assert_none(
        "name the defining file by its absolute path, `use crate::embed::parts::projection::project;`:",
        problems,
    );
}
