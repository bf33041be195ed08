//! A dialect's table.

use crate::import::dialect::row::Row;

/// What there is to know of a dialect.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What may stand before the names of the table.
    pub(crate) prefixes: &'static [&'static str],
    /// Names that must be there, `|` between names of which one suffices.
    pub(crate) signature: &'static [&'static str],
    pub(crate) rows: &'static [&'static [Row]],
    /// Names of other towers, or what they start with, a dot or slash last.
    pub(crate) elsewhere: &'static [&'static str],
}

impl Table {
    /// A name without what may stand before it.
    pub(crate) fn bare<'a>(&self, name: &'a str) -> &'a str {
        let mut prefixes = self.prefixes.iter();
        prefixes
            .find_map(|prefix| name.strip_prefix(prefix))
            .unwrap_or(name)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.rows.iter().flat_map(|rows| rows.iter())
    }
}
