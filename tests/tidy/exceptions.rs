//! Places where a rule does not hold yet, or never will.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// A rule's exceptions: what is left out, and why. One that nothing needs any more is a problem of its own.
pub(crate) struct Exceptions {
    list: &'static [(&'static str, &'static str)],
    needed: RefCell<BTreeSet<&'static str>>,
}

impl Exceptions {
    pub(crate) fn new(list: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            list,
            needed: RefCell::default(),
        }
    }

    /// Whether a problem of this name is left out.
    pub(crate) fn excuse(&self, name: &str) -> bool {
        self.excuse_where(|listed| listed == name)
    }

    /// Whether a problem in this file is left out: the list names folders or files.
    pub(crate) fn excuse_below(&self, path: &str) -> bool {
        self.excuse_where(|listed| path.starts_with(listed))
    }

    fn excuse_where(&self, matches: impl Fn(&str) -> bool) -> bool {
        let listed = self.list.iter().map(|(name, _)| *name);
        let found = listed
            .filter(|name| matches(name))
            .min_by_key(|name| name.len());
        self.needed.borrow_mut().extend(found);
        found.is_some()
    }

    /// A problem for each exception that excused nothing.
    pub(crate) fn unneeded(&self) -> Vec<String> {
        let listed = self.list.iter();
        let idle = listed.filter(|(name, _)| !self.needed.borrow().contains(name));
        idle.map(|(name, why)| format!("nothing needs this exception any more: {name} ({why})"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_excuses_nothing_is_a_problem() {
        let exceptions = Exceptions::new(&[("a", "so"), ("b/", "so")]);
        assert!(exceptions.excuse_below("b/c.rs") && !exceptions.excuse("c"));
        assert_eq!(exceptions.unneeded().len(), 1);
        assert!(exceptions.excuse("a"));
        assert!(exceptions.unneeded().is_empty());
    }
}
