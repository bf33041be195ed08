//! Every public module has an example that runs.

use crate::exceptions::Exceptions;
use crate::fences::{documentation, fences};
use crate::items::word_at;
use crate::rules::assert_none;
use crate::source::{Source, sources};

/// Modules without an example, and why.
const WITHOUT_EXAMPLE: &[(&str, &str)] = &[];

/// A public type that is a `Module`.
struct PublicModule {
    name: String,
    at: usize,
}

/// The `pub` types below a `derive(Module)`, and those that a catalogue makes. The compiler refuses a `pub` type that
/// is not exported (`unreachable_pub`).
fn public_modules(source: &Source) -> Vec<PublicModule> {
    let code = &source.shipped;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("derive(") {
        let derived = code[at + 7..].split(')').next().unwrap_or_default();
        if !derived.split(',').any(|name| name.trim() == "Module") {
            continue;
        }
        let item = ["pub struct ", "pub enum ", "struct ", "enum "]
            .map(|kind| (code[at..].find(kind), kind));
        let first = item
            .iter()
            .filter_map(|(from, kind)| from.map(|from| (at + from, *kind)));
        if let Some((at, kind)) = first.min().filter(|(_, kind)| kind.starts_with("pub")) {
            let name = word_at(code, at + kind.len()).to_owned();
            found.push(PublicModule { name, at });
        }
    }
    let catalogue = code.find("catalogue! {");
    let module = catalogue.and_then(|list| Some(list + code[list..].find("    module ")? + 4));
    if let Some(at) = module {
        let name = word_at(code, at + "module ".len()).to_owned();
        found.push(PublicModule { name, at });
    }
    found
}

/// Whether the documentation above the byte at `at` has an example that runs and asserts.
fn has_example(source: &Source, at: usize) -> bool {
    let line = source.text[..at].rfind('\n').map_or(0, |end| end + 1);
    let above: Vec<&str> = source.text[..line].lines().collect();
    let start = above.iter().rposition(|line| {
        let line = line.trim_start();
        line.is_empty()
            || line.starts_with('}')
            || line.ends_with([';', '}']) && !line.starts_with("//")
    });
    let own = above[start.map_or(0, |line| line + 1)..].join("\n");
    let examples = fences(documentation(&own));
    examples
        .iter()
        .any(|example| example.runs() && example.body.contains("assert"))
}

#[test]
fn every_public_module_has_an_example_that_asserts() {
    let exceptions = Exceptions::new(WITHOUT_EXAMPLE);
    let mut problems = Vec::new();
    for source in sources(&["crates"]) {
        for PublicModule { name, at } in public_modules(&source) {
            if !has_example(&source, at) && !exceptions.excuse(&name) {
                problems.push(format!("{}: {name}", source.place(at)));
            }
        }
    }
    problems.extend(exceptions.unneeded());
    assert_none(
        "these need an example in their documentation that runs and asserts:",
        problems,
    );
}

#[test]
fn an_example_counts_where_it_runs_and_asserts() {
    let lines = [
        "use a;",
        "",
        "/// One.",
        "///",
        "/// ```",
        "/// assert!(x);",
        "/// ```",
        "#[derive(Module, Debug)]",
        "#[module(custom_display)]",
        "pub struct One {}",
        "",
        "/// Two.",
        "///",
        "/// ```text",
        "/// assert",
        "/// ```",
        "#[derive(Debug, Module)]",
        "pub enum Two {}",
        "",
        "#[derive(Module)]",
        "struct Own;",
    ];
    let source = Source::new("crates/x/src/y.rs", lines.join("\n"));
    let found = public_modules(&source);
    let found = found
        .iter()
        .map(|module| (module.name.as_str(), has_example(&source, module.at)));
    assert_eq!(found.collect::<Vec<_>>(), [("One", true), ("Two", false)]);
}
