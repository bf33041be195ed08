//! Files that are no pictures of a set.

use std::collections::BTreeMap;
use std::fmt;

use crate::decode::Why;

/// How many files were left out, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    counts: BTreeMap<&'static str, usize>,
    first: Option<String>,
}

impl LeftOut {
    pub(crate) fn add(&mut self, name: impl FnOnce() -> String, why: &Why) {
        *self.counts.entry(why.kind()).or_default() += 1;
        self.first
            .get_or_insert_with(|| format!("{}: {why}", name()));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.first = self.first.take().or(other.first);
    }

    /// How many in all.
    pub fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// The first of them, with its reason.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .counts
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        formatter.write_str(&parts.join(", "))
    }
}
