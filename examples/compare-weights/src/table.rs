//! The table, as Markdown.

use std::fmt;
use std::path::Path;

use support::Error;
use support::report::write;

/// One encoder.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) what: String,
    /// Numbers per picture.
    pub(crate) width: usize,
    /// Share of the held-out pictures named rightly.
    pub(crate) accuracy: f64,
    /// Pictures encoded in a second.
    pub(crate) rate: f64,
}

/// The rows so far, the most accurate first.
pub(crate) struct Table {
    /// What all rows have in common.
    pub(crate) settings: String,
    pub(crate) rows: Vec<Row>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: accuracy {:.2} %, {} features ({}), {:.0} pictures/s",
            self.name,
            100.0 * self.accuracy,
            self.width,
            self.what,
            self.rate,
        )
    }
}

impl Table {
    /// Adds a row and writes all into `out`/table.md.
    pub(crate) fn add(&mut self, row: Row, out: &Path) -> Result<(), Error> {
        self.rows.push(row);
        self.rows.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy));
        let rows = self.rows.iter().map(|row| {
            format!(
                "| {} | {} | {:.2} % | {} | {:.0} |\n",
                row.name,
                row.what,
                100.0 * row.accuracy,
                row.width,
                row.rate
            )
        });
        let text = format!(
            "# Encoders compared by nearest neighbours\n\n{}.\n\n\
             | encoder | features | accuracy, held out | width | pictures/s |\n|---|---|---:|---:|---:|\n{}",
            self.settings,
            rows.collect::<String>()
        );
        write(&out.join("table.md"), text.as_bytes())
    }
}
