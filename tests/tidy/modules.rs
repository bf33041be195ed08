//! The modules of a crate, and what a path means in them.

use std::collections::HashMap;
use std::fs;

use crate::imports::{Import, imports};
use crate::source::{Source, root, sources};

/// A file of a crate.
pub(crate) struct Module {
    /// Its text.
    pub(crate) source: Source,
    /// Its place in the tree: `["embed", "linear"]`; none for `lib.rs`.
    pub(crate) path: Vec<String>,
    /// What it takes from elsewhere, but in tests.
    pub(crate) imports: Vec<Import>,
}

impl Module {
    /// Whether it is a folder's `mod.rs` or the root.
    pub(crate) fn is_hub(&self) -> bool {
        self.source.path.ends_with("/mod.rs") || self.path.is_empty()
    }
}

/// The folders of the crates whose imports have rules: those below crates/ and examples/.
pub(crate) fn crates() -> Vec<String> {
    let mut found = Vec::new();
    for above in ["crates", "examples"] {
        let entries = fs::read_dir(root().join(above));
        for entry in entries.unwrap_or_else(|error| panic!("{above}: {error}")) {
            let name = entry.expect("an entry").file_name();
            let folder = format!("{above}/{}", name.to_str().expect("UTF-8"));
            if root().join(&folder).join("src").is_dir() {
                found.push(folder);
            }
        }
    }
    found.sort();
    found
}

/// A crate by its folder.
pub(crate) struct Crate {
    /// All its files.
    pub(crate) modules: Vec<Module>,
    by_path: HashMap<Vec<String>, usize>,
}

/// Where a name comes from.
pub(crate) struct Origin {
    /// The file that defines it, as an index of [`Crate::modules`].
    pub(crate) file: usize,
    /// The files that hand it on, in the order in which the path meets them.
    pub(crate) through: Vec<usize>,
}

impl Crate {
    /// Reads the crate in `folder`, such as `crates/burn-patch`.
    pub(crate) fn read(folder: &str) -> Self {
        let src = format!("{folder}/src");
        Self::new(&src, sources(&[src.as_str()]))
    }

    fn new(src: &str, sources: Vec<Source>) -> Self {
        let module = |source: Source| Module {
            path: module_path(src, &source.path),
            imports: imports(&source)
                .into_iter()
                .chain(listed(&source))
                .collect(),
            source,
        };
        let modules: Vec<Module> = sources.into_iter().map(module).collect();
        // In reverse, so that `lib.rs` is the root where there is a `main.rs` too.
        let paths = modules.iter().map(|module| module.path.clone());
        let by_path = paths
            .enumerate()
            .map(|(index, path)| (path, index))
            .rev()
            .collect();
        Self { modules, by_path }
    }

    /// Where `path`, written in the module of index `from`, leads; none where it leaves the crate.
    pub(crate) fn origin(&self, from: usize, path: &[String]) -> Option<Origin> {
        let mut through = Vec::new();
        let file = self.follow(from, path, &mut through, 0)?;
        Some(Origin { file, through })
    }

    fn follow(
        &self,
        from: usize,
        path: &[String],
        through: &mut Vec<usize>,
        depth: usize,
    ) -> Option<usize> {
        assert!(depth < 32, "{path:?} leads nowhere");
        let (mut place, mut rest) = self.start(from, path)?;
        while let Some((name, after)) = rest.split_first() {
            place.push(name.clone());
            if self.by_path.contains_key(&place) {
                rest = after;
                continue;
            }
            place.pop();
            let here = self.by_path[&place];
            let Some(handed) = self.handed_on(here, name) else {
                return Some(here);
            };
            through.push(here);
            let whole: Vec<String> = handed.iter().chain(after).cloned().collect();
            // What another crate defines stays with the file that hands it on.
            return self.follow(here, &whole, through, depth + 1).or(Some(here));
        }
        self.by_path.get(&place).copied()
    }

    /// The module at which a path begins, and what of the path is left.
    fn start<'a>(&self, from: usize, path: &'a [String]) -> Option<(Vec<String>, &'a [String])> {
        let mut place = self.modules[from].path.clone();
        let (first, mut rest) = path.split_first()?;
        match first.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => {
                place.pop();
                while let Some(("super", after)) = rest
                    .split_first()
                    .map(|(name, after)| (name.as_str(), after))
                {
                    place.pop();
                    rest = after;
                }
            }
            _ => {
                place.push(first.clone());
                if !self.by_path.contains_key(&place) {
                    return None;
                }
            }
        }
        Some((place, rest))
    }

    /// The path under which the module of index `here` takes `name` from elsewhere.
    fn handed_on(&self, here: usize, name: &str) -> Option<Vec<String>> {
        let imports = &self.modules[here].imports;
        if let Some(import) = imports.iter().find(|import| import.name == name) {
            return Some(import.path.clone());
        }
        let all = imports.iter().filter(|import| import.name == "*");
        for import in all {
            let (_, folder) = import.path.split_last()?;
            let there = self.origin(here, folder)?.file;
            if Source::words(&self.modules[there].source.shipped, name)
                .next()
                .is_some()
            {
                return Some(folder.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        None
    }
}

/// `["embed", "linear"]` for `src/embed/linear.rs`; the folder for its `mod.rs`.
fn module_path(src: &str, file: &str) -> Vec<String> {
    let inside = file
        .strip_prefix(src)
        .and_then(|file| file.strip_suffix(".rs"));
    let names = inside.expect("a file of the crate").split('/').skip(1);
    let mut path: Vec<String> = names.map(str::to_owned).collect();
    let hub = |last: &String| ["lib", "main", "mod"].contains(&last.as_str());
    if path.last().is_some_and(hub) {
        path.pop();
    }
    path
}

/// What the lines of a catalogue hand on: `"name" => path: Variant(Config, Module)`, seen from the parent folder.
fn listed(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    if !source.path.ends_with("/catalogue.rs") || !source.shipped.contains("catalogue! {") {
        return found;
    }
    for (arrow, _) in source.shipped.match_indices("=>") {
        let line = source.shipped[arrow + 2..]
            .split(';')
            .next()
            .unwrap_or_default();
        let Some((path, variant)) = line.rsplit_once(": ") else {
            continue;
        };
        let names = variant.split(['(', ')', ',']).skip(1).map(str::trim);
        for name in names.filter(|name| name.starts_with(char::is_alphabetic)) {
            let folders = path.split("::").map(|part| part.trim().to_owned());
            let whole = ["super".to_owned()].into_iter().chain(folders);
            found.push(Import {
                path: whole.chain([name.to_owned()]).collect(),
                name: name.to_owned(),
                shared: true,
                at: arrow,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Crate {
        let files = [
            ("src/lib.rs", "mod a; pub use a::Deep;"),
            (
                "src/a/mod.rs",
                "mod b; mod catalogue; pub use b::Deep; pub use catalogue::*;",
            ),
            (
                "src/a/b.rs",
                "use crate::Deep as Own; pub struct Deep; pub struct Listed;",
            ),
            (
                "src/a/catalogue.rs",
                "catalogue! { \"b\" => b: B(Config, Listed), \"\"; } pub const ALL: u8 = 0;",
            ),
            ("src/c.rs", "use crate::a::{ALL, Listed}; use std::fmt;"),
        ];
        let sources = files.map(|(path, text)| Source::new(path, text.to_owned()));
        Crate::new("src", sources.into())
    }

    fn origin(example: &Crate, from: &str, name: &str) -> Option<(String, Vec<String>)> {
        let path = |index: usize| example.modules[index].source.path.clone();
        let from = (0..example.modules.len()).find(|index| path(*index) == from)?;
        let import = example.modules[from]
            .imports
            .iter()
            .find(|import| import.name == name)?;
        let origin = example.origin(from, &import.path)?;
        Some((
            path(origin.file),
            origin.through.into_iter().map(path).collect(),
        ))
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let example = example();
        let own = |path: &str| path.to_owned();
        let deep = (
            own("src/a/b.rs"),
            vec![own("src/lib.rs"), own("src/a/mod.rs")],
        );
        assert_eq!(origin(&example, "src/a/b.rs", "Own"), Some(deep));
        let listed = (
            own("src/a/b.rs"),
            vec![own("src/a/mod.rs"), own("src/a/catalogue.rs")],
        );
        assert_eq!(origin(&example, "src/c.rs", "Listed"), Some(listed));
        let all = (own("src/a/catalogue.rs"), vec![own("src/a/mod.rs")]);
        assert_eq!(origin(&example, "src/c.rs", "ALL"), Some(all));
        assert_eq!(origin(&example, "src/c.rs", "fmt"), None);
    }
}
